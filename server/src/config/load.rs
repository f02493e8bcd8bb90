//! Puts the layers together: finds the data directory and the file, and reads every section.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::layers::{self, Settings};
use super::reader::{Key, Reader};
use super::{
    Backup, Catalog, Config, ConfigError, Database, Face, Http, Limits, Modules, Node, Telemetry,
    WebhookSettings, backup, catalog, database, face, http, limits, modules, node, telemetry,
    webhooks,
};

/// The configuration file's name in the data directory.
pub const FILE_NAME: &str = "bllvm-node.toml";
/// The variable that names the data directory.
const DATA_DIR_VARIABLE: &str = "BLLVM__DATA_DIR";
/// A configuration file larger than this is a mistake.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What the process finds around itself.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The environment; variables that are not text are left out.
    pub variables: BTreeMap<String, String>,
    /// Whether the process runs as root.
    pub root: bool,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self {
            variables: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            root: rustix::process::geteuid().is_root(),
        }
    }

    fn path(&self, variable: &str) -> Option<PathBuf> {
        self.variables
            .get(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    }
}

/// What the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--config`.
    pub file: Option<PathBuf>,
    /// `key=value` by the flag that said it.
    pub assignments: Vec<(&'static str, String)>,
}

/// Where data is kept if nobody says: `$XDG_DATA_HOME/bllvm`, for root `/var/lib/bllvm`.
pub fn default_data_dir(around: &Surroundings) -> Option<PathBuf> {
    around
        .path(DATA_DIR_VARIABLE)
        .or_else(|| around.root.then(|| PathBuf::from("/var/lib/bllvm")))
        .or_else(|| around.path("XDG_DATA_HOME").map(|dir| dir.join("bllvm")))
        .or_else(|| {
            around
                .path("HOME")
                .map(|home| home.join(".local/share/bllvm"))
        })
}

/// Reads all layers.
///
/// # Errors
/// Every problem at once, each with its key and origin.
pub fn load(overrides: &Overrides, around: &Surroundings) -> Result<Config, ConfigError> {
    let data_dir = overrides
        .data_dir
        .clone()
        .or_else(|| default_data_dir(around))
        .ok_or(ConfigError::NoDataDir)?;
    // Module processes have another working directory.
    let data_dir = std::path::absolute(&data_dir).unwrap_or(data_dir);

    let mut settings = Settings::new();
    let mut problems = Vec::new();
    let file = read_file(overrides.file.as_deref(), &data_dir)?;
    if let Some((path, text)) = &file {
        problems.extend(layers::add_file(&mut settings, path, text).err());
    }
    let variables = around
        .variables
        .iter()
        .filter(|(name, _)| *name != DATA_DIR_VARIABLE)
        .map(|(name, value)| (name.clone(), value.clone()));
    layers::add_environment(&mut settings, variables);
    for (flag, assignment) in &overrides.assignments {
        problems.extend(layers::add_flag(&mut settings, flag, assignment).err());
    }

    // As cargo itself chooses; what its own configuration files say is left to `modules.cargo_bin`.
    let cargo_bin = around
        .path("CARGO_INSTALL_ROOT")
        .or_else(|| around.path("CARGO_HOME"))
        .or_else(|| around.path("HOME").map(|home| home.join(".cargo")))
        .map(|cargo| cargo.join("bin"));
    let mut reader = Reader::new(settings, problems);
    let config = Config {
        http: Http::read(&mut reader),
        database: Database::read(&mut reader),
        node: Node::read(&mut reader, &data_dir, around.path("HOME").as_deref()),
        face: Face::read(&mut reader),
        modules: Modules::read(&mut reader, &data_dir, cargo_bin),
        telemetry: Telemetry::read(&mut reader),
        limits: Limits::read(&mut reader),
        webhooks: WebhookSettings::read(&mut reader),
        backup: Backup::read(&mut reader, &data_dir),
        catalog: Catalog::read(&mut reader),
        file: file.map(|(path, _)| path),
        data_dir,
    };
    let known: Vec<&str> = keys().map(|key| key.path).collect();
    let problems = reader.finish(&known);
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError::Invalid(problems))
    }
}

/// Every key with a fixed name, by section.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    [
        http::KEYS,
        database::KEYS,
        node::KEYS,
        face::KEYS,
        modules::KEYS,
        limits::KEYS,
        webhooks::KEYS,
        backup::KEYS,
        catalog::KEYS,
        telemetry::KEYS,
    ]
    .into_iter()
    .flatten()
}

/// The named file, which must be there, or the data directory's, which need not.
fn read_file(
    named: Option<&Path>,
    data_dir: &Path,
) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let path = named.map_or_else(|| data_dir.join(FILE_NAME), Path::to_owned);
    let unreadable = |source| ConfigError::Unreadable {
        path: path.clone(),
        source,
    };
    match std::fs::metadata(&path) {
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error)),
        Ok(found) if found.len() > MAX_FILE_BYTES => {
            return Err(unreadable(std::io::Error::other("it is larger than 1 MiB")));
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(&path).map_err(unreadable)?;
    Ok(Some((path, text)))
}
