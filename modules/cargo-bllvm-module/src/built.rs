//! What cargo has to build before a node can take it: a module's source, or a crate by its name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bllvm_manifest::{ModuleName, RelativePath, layout};

use crate::error::Failure;
use crate::project::{Project, cargo};

/// A folder of our own, removed in the end.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one among the temporary files.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn new() -> Result<Self> {
        let mut number = [0; 8];
        getrandom::fill(&mut number).context("the system gave no random bytes")?;
        let name = format!("bllvm-install-{:016x}", u64::from_be_bytes(number));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).with_context(|| format!("{} could not be made", path.display()))?;
        Ok(Self(path))
    }

    /// What a node takes in for a path: of a module's source, this folder with the program that cargo
    /// built of it; everything else as it is.
    ///
    /// # Errors
    /// Where cargo cannot build it, or a file cannot be copied.
    pub fn built(&self, path: &Path, quiet: bool) -> Result<PathBuf> {
        if !is_source(path) {
            return Ok(path.to_owned());
        }
        let project = Project::open(path)?;
        let mut files = project.files(project.build(true, None, quiet)?)?;
        for name in [layout::MANIFEST_FILE, layout::CONFIG_FILE] {
            if path.join(name).is_file() {
                files.push((RelativePath::new(name)?, path.join(name)));
            }
        }
        for (name, from) in files {
            let to = self.0.join(name.as_str());
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
            }
            fs::copy(&from, &to).with_context(|| from.display().to_string())?;
        }
        Ok(self.0.clone())
    }

    /// The program of a crate, by its name, built as `cargo install` does it.
    ///
    /// # Errors
    /// Where cargo knows no such crate, cannot build it, or it has no program of its name.
    pub fn built_crate(&self, name: &ModuleName, quiet: bool) -> Result<PathBuf> {
        let mut command = cargo();
        command
            .args(["install", "--locked", "--no-track", "--root"])
            .arg(&self.0)
            .arg(name.as_str());
        if quiet {
            command.arg("--quiet");
        } else {
            eprintln!(
                "No registry of the node lists `{name}`: cargo builds it as a crate; what it compiles runs \
                 with your rights."
            );
        }
        let status = command
            .status()
            .context("cargo could not be started; is it on the PATH?")?;
        let program = self.0.join("bin").join(name.as_str());
        if status.success() && program.is_file() {
            return Ok(program);
        }
        Err(Failure::because(
            "build_failed",
            format!(
                "`{name}` is no file or folder here, no registry of the node lists it, and cargo could \
                 not install a program of this name; the modules of bllvm are not published: name a \
                 folder with {} instead",
                layout::MANIFEST_FILE
            ),
        ))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover in the temporary directory harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether a folder holds a module's source: it is built, so that what is taken in is what lies there.
/// A package was built by its author.
fn is_source(folder: &Path) -> bool {
    let has = |file: &str| folder.join(file).is_file();
    has(layout::MANIFEST_FILE) && has("Cargo.toml") && !has(layout::SIGNATURE_FILE)
}
