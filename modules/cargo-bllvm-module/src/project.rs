//! A module's own folder: its manifest, and building its program with cargo.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use bllvm_manifest::{Manifest, RelativePath, layout};
use serde_json::Value;

use crate::error::Failure;

/// A folder with a `module.toml`.
#[derive(Debug)]
pub struct Project {
    /// The folder.
    pub folder: PathBuf,
    /// The exact text of `module.toml`.
    pub text: String,
    /// What it says.
    pub manifest: Manifest,
}

impl Project {
    /// Reads a module's folder.
    ///
    /// # Errors
    /// Where it has no usable `module.toml`.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(layout::MANIFEST_FILE);
        let bytes = Manifest::read_bytes(&path).map_err(|error| {
            Failure::because(
                "manifest_missing",
                format!(
                    "{error}; run this in a module's folder, name it with --path, or make one with \
                 `cargo bllvm-module new NAME`"
                ),
            )
        })?;
        let manifest = Manifest::parse_bytes(&bytes).map_err(|error| {
            Failure::because(
                "manifest_invalid",
                format!("{}: {error}; {}", path.display(), error.help()),
            )
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            text: String::from_utf8(bytes).unwrap_or_default(),
            manifest,
        })
    }

    /// Whether cargo builds it; a script is only packed.
    pub fn is_built(&self) -> bool {
        self.manifest.runtime.is_none()
    }

    /// Builds the program, or finds the script, and says where it is.
    ///
    /// # Errors
    /// Where cargo fails, or builds no program of the entry point's name.
    pub fn build(&self, release: bool, target: Option<&str>, quiet: bool) -> Result<PathBuf> {
        if !self.is_built() {
            return Ok(layout::find_program(&self.folder, &self.manifest)?);
        }
        let mut command = cargo();
        command.args([
            "build",
            "--message-format=json-render-diagnostics",
            "--manifest-path",
        ]);
        command.arg(self.folder.join("Cargo.toml"));
        if release {
            command.arg("--release");
        }
        if let Some(target) = target {
            command.args(["--target", target]);
        }
        if quiet {
            command.arg("--quiet");
        }
        let output = command
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("cargo could not be started; is it on the PATH?")?;
        if !output.status.success() {
            return Err(Failure::because(
                "build_failed",
                "cargo could not build the module; its words are above",
            ));
        }
        let entry = self.manifest.entry_point.as_str();
        let program = output
            .stdout
            .split(|b| *b == b'\n')
            .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
            .filter(|message| message["target"]["name"] == entry)
            .find_map(|message| message["executable"].as_str().map(PathBuf::from));
        program.ok_or_else(|| {
            Failure::because(
                "program_missing",
                format!(
                    "cargo built no program `{entry}`, which is the entry_point in module.toml: give \
                     the package or a [[bin]] that name"
                ),
            )
        })
    }

    /// What belongs to the module, by its place in a package: the program, the schema, and what people
    /// read.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn files(&self, program: PathBuf) -> Result<Vec<(RelativePath, PathBuf)>> {
        let entry_point = RelativePath::new(self.manifest.entry_point.as_str())?;
        let schema = self.manifest.config.iter().map(|one| one.schema.clone());
        let mut files = vec![(entry_point, program)];
        for path in schema.chain(texts(&self.folder)?) {
            let from = self.folder.join(path.as_str());
            if files.iter().all(|(other, _)| *other != path) {
                files.push((path, from));
            }
        }
        Ok(files)
    }
}

/// README and licences at the top of the folder.
fn texts(folder: &Path) -> Result<Vec<RelativePath>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("{} could not be read", folder.display()))?;
    let mut found: Vec<RelativePath> = entries
        .flatten()
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("README") || name.starts_with("LICENSE"))
        .filter_map(|name| RelativePath::new(name).ok())
        .collect();
    found.sort();
    Ok(found)
}

/// The cargo that runs us, or the one on the PATH.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// What Rust calls this machine.
///
/// # Errors
/// Where rustc cannot be asked.
pub fn host_target() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .context("rustc could not be asked for this machine's target; name it with --target")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .context("rustc did not say this machine's target; name it with --target")
}
