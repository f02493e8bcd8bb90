//! `config.toml`: the readable copy of the configuration in force. What a person wrote there is never
//! lost: a text that is not in force is kept as `config.toml.refused`.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bllvm_manifest::{ConfigProblem, ConfigSchema, MAX_CONFIG_BYTES, layout, read_bounded};
use serde_json::Value;

use super::config::{FirstConfig, invalid};
use super::handle::blocking;
use super::{Control, ControlError};
use crate::configuration::{
    Draft, FileIdentity, line_of, merge_patch, with_values, write_identified,
};
use crate::model::{ConfigSource, Module};

const MODE: u32 = 0o600;

/// A module's `config.toml`.
pub(super) fn path_of(module: &Module) -> PathBuf {
    module.dir.join(layout::CONFIG_FILE)
}

impl Control {
    /// Writes the copy. Where that fails, the watch tries again: the revision holds all the same.
    pub(super) async fn write_config(&self, module: &Module, revision: u64, text: &str) {
        let (path, text) = (path_of(module), text.to_owned());
        let known = self.known_identity(&module.name);
        let written = blocking(move || replace(&path, &text, known)).await;
        match written {
            Ok(Ok(identity)) => self.file_written(&module.name, identity, revision),
            Ok(Err(error)) => tracing::warn!(
                module.name = %module.name,
                %error,
                "could not write config.toml; the revision holds, and the file is tried again"
            ),
            Err(error) => {
                tracing::error!(module.name = %module.name, %error, "config.toml was not written");
            }
        }
    }

    /// The file that is there was read into a revision: it may be written over.
    pub(super) async fn adopt_file(&self, module: &Module, revision: u64) {
        let path = path_of(module);
        if let Ok(Some(identity)) = blocking(move || FileIdentity::of(&path).ok()).await {
            self.file_written(&module.name, identity, revision);
        }
    }

    /// The configuration of a first load: the file that is there, or the schema's defaults; and what
    /// the node's own configuration says over it. Where the defaults lack something that is required,
    /// they are written all the same, to be filled in.
    pub(super) async fn first_config(&self, module: &Module) -> Result<FirstConfig, ControlError> {
        let schema = self.configurations().schema(module).await?;
        match self.first_draft(module, &schema).await {
            Ok((draft, source)) => Ok(FirstConfig { draft, source }),
            Err(error) => {
                let (path, text) = (path_of(module), schema.defaults());
                let _ = blocking(move || {
                    if path.symlink_metadata().is_err() {
                        let _ = write_identified(&path, text.as_bytes(), MODE);
                    }
                })
                .await;
                Err(error)
            }
        }
    }

    pub(super) async fn first_draft(
        &self,
        module: &Module,
        schema: &ConfigSchema,
    ) -> Result<(Draft, ConfigSource), ControlError> {
        let path = path_of(module);
        let (text, source) = match self.read_config(&path).await? {
            Some(text) => (text, ConfigSource::File),
            None => (schema.defaults().into_bytes(), ConfigSource::Default),
        };
        let none = std::collections::BTreeMap::new();
        let in_file = |problems: Vec<ConfigProblem>, text: &[u8]| ControlError::Invalid {
            problems: placed(problems, &path, text),
        };
        let entry = self.settings().entries.get(&module.name);
        let Some(entry) = entry.filter(|entry| !entry.config.is_empty()) else {
            let draft =
                Draft::read(schema, &text, &none).map_err(|problems| in_file(problems, &text))?;
            return Ok((draft, source));
        };
        let table =
            bllvm_manifest::parse_config(&text).map_err(|error| invalid(&error.to_string()))?;
        let below = bllvm_manifest::toml_to_json(&toml::Value::Table(table));
        let above = bllvm_manifest::toml_to_json(&toml::Value::Table(entry.config.clone()));
        let merged = merge_patch(&below, &above);
        let text = String::from_utf8_lossy(&text).into_owned();
        let wanted: serde_json::Map<String, Value> =
            merged.as_object().cloned().unwrap_or_default();
        let text = with_values(&text, &wanted).map_err(|error| invalid(&error))?;
        let draft = Draft::read(schema, text.as_bytes(), &none)
            .map_err(|problems| in_file(problems, text.as_bytes()))?;
        Ok((draft, source))
    }

    /// The file's bytes; none where there is no file.
    pub(super) async fn read_config(&self, path: &Path) -> Result<Option<Vec<u8>>, ControlError> {
        let path = path.to_owned();
        blocking(move || {
            if path.symlink_metadata().is_err() {
                return Ok(None);
            }
            let limit = MAX_CONFIG_BYTES as u64;
            read_bounded(&path, limit)
                .map(Some)
                .map_err(|error| invalid(&error.to_string()))
        })
        .await?
    }
}

/// Says where in a file each problem is.
pub(super) fn placed(problems: Vec<ConfigProblem>, path: &Path, text: &[u8]) -> Vec<ConfigProblem> {
    let text = String::from_utf8_lossy(text);
    problems
        .into_iter()
        .map(|mut problem| {
            let place = match line_of(&text, &problem.pointer) {
                Some(line) => format!("{}, line {line}", path.display()),
                None => path.display().to_string(),
            };
            problem.message = format!("{} ({place})", problem.message);
            problem
        })
        .collect()
}

/// Writes a text over a file. A file that is not `known` to be ours is kept aside first.
pub(super) fn replace(
    path: &Path,
    text: &str,
    known: Option<FileIdentity>,
) -> io::Result<FileIdentity> {
    match FileIdentity::of(path) {
        Ok(found) if known != Some(found) => {
            let same = read_bounded(path, MAX_CONFIG_BYTES as u64)
                .is_ok_and(|bytes| bytes == text.as_bytes());
            if same {
                return Ok(found);
            }
            keep_aside(path)?;
        }
        _ => {}
    }
    write_identified(path, text.as_bytes(), MODE)
}

/// Keeps a refused text beside the file, readable by the host's user alone.
pub(super) fn keep_aside(path: &Path) -> io::Result<()> {
    let aside = path.with_extension("toml.refused");
    fs::rename(path, &aside)?;
    fs::set_permissions(&aside, Permissions::from_mode(MODE))
}
