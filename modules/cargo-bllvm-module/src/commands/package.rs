//! `package`: builds a module and writes the folder that is signed and handed on.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use bllvm_manifest::RelativePath;
use bllvm_package::{Release, assemble, read_secret_key};
use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::sign::sign_package;
use crate::error::Failure;
use crate::output::Report;
use crate::project::{Project, host_target};

/// Packs a module.
#[derive(Args, Debug)]
pub struct Package {
    /// Who signs it: the name that operators bind to keys
    #[arg(long, value_name = "NAME")]
    publisher: String,
    /// Grows with each release; nodes never go back
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    release_seq: u64,
    /// After this moment nodes do not take it any more, such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires: Option<Timestamp>,
    /// Build for another system [default: this one; `any` for scripts]
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Pack this program instead of building one
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// One more file of the module's folder; may be repeated
    #[arg(long, value_name = "PATH")]
    include: Vec<RelativePath>,
    /// Sign it with this secret key; may be repeated
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// The module's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
    /// The new folder [default: target/bllvm/NAME-VERSION-RELEASE below the module's]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Package {
    /// Runs the command.
    pub fn run(self, quiet: bool) -> Result<Report> {
        let project = Project::open(&self.path)?;
        // A key that cannot be read is found before minutes of building.
        let mut keys = Vec::new();
        for file in &self.keys {
            keys.push(read_secret_key(file)?);
        }
        let manifest = &project.manifest;
        let target = match (&self.target, project.is_built()) {
            (Some(target), _) => target.clone(),
            (None, true) => host_target()?,
            (None, false) => "any".to_owned(),
        };
        let program = match &self.program {
            Some(program) => program.clone(),
            None => project.build(true, self.target.as_deref(), quiet)?,
        };
        let files = files(&project, program, &self.include)?;
        let out = if let Some(out) = self.out {
            out
        } else {
            let parent = project.folder.join("target/bllvm");
            fs::create_dir_all(&parent)
                .with_context(|| format!("{} could not be made", parent.display()))?;
            let name = format!(
                "{}-{}-{}",
                manifest.name, manifest.version, self.release_seq
            );
            parent.join(name)
        };
        let release = Release {
            publisher: self.publisher,
            release_seq: self.release_seq,
            target,
            expires: self.expires,
        };
        let packed = assemble(&project.text, &files, &release, &out)?;
        let mut text = format!(
            "{} {}, release {}: {} files in {}\ndigest {}",
            manifest.name,
            manifest.version,
            release.release_seq,
            files.len(),
            out.display(),
            packed.digest,
        );
        if keys.is_empty() {
            text.push_str("\nNot signed yet: cargo bllvm-module sign ");
            text.push_str(&out.display().to_string());
            text.push_str(" --key FILE");
        } else {
            sign_package(&out, &keys)?;
            text.push_str("\nSigned.");
        }
        let value = json!({
            "folder": out, "digest": packed.digest, "module": manifest.name,
            "version": manifest.version, "package": packed.manifest.package,
            "signed_by": keys.iter().map(|key| key.public().id()).collect::<Vec<_>>(),
        });
        Ok(Report::new(text, value))
    }
}

/// What every module has, and what was named.
fn files(
    project: &Project,
    program: PathBuf,
    include: &[RelativePath],
) -> Result<Vec<(RelativePath, PathBuf)>> {
    let mut files = project.files(program)?;
    for path in include {
        let from = project.folder.join(path.as_str());
        if !from.is_file() {
            let detail = format!("{path} is no file in {}", project.folder.display());
            return Err(Failure::because("file_missing", detail));
        }
        if files.iter().all(|(other, _)| other != path) {
            files.push((path.clone(), from));
        }
    }
    Ok(files)
}
