//! `test`: `check`, then the module's own tests.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use super::check::findings;
use crate::output::Report;
use crate::project::{Project, cargo};

/// Tests a module.
#[derive(Args, Debug)]
pub struct Test {
    /// The module's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
    /// Handed to `cargo test`, after `--`
    #[arg(last = true)]
    arguments: Vec<String>,
}

impl Test {
    /// Runs the command.
    pub fn run(self, quiet: bool) -> Result<Report> {
        let project = Project::open(&self.path)?;
        let found = findings(&project);
        if !found.fine() {
            return Ok(found.report());
        }
        let mut command = cargo();
        command
            .arg("test")
            .arg("--manifest-path")
            .arg(project.folder.join("Cargo.toml"));
        command.args(&self.arguments).stdin(Stdio::null());
        if quiet {
            command.stdout(Stdio::null());
        }
        let status = command
            .status()
            .context("cargo could not be started; is it on the PATH?")?;
        let text = if status.success() {
            "All tests passed."
        } else {
            "Tests failed; their words are above."
        };
        let value = json!({ "passed": status.success() });
        let mut report = Report::new(text, value);
        report.fine = status.success();
        Ok(report)
    }
}
