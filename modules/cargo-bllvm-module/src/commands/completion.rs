//! `completion`: a script that completes the commands in a shell.

use anyhow::Result;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use crate::cli::Cli;
use crate::output::Report;

/// Prints a completion script.
#[derive(Args, Debug)]
pub struct Completion {
    /// Which shell
    shell: Shell,
}

impl Completion {
    /// Runs the command.
    pub fn run(self) -> Result<Report> {
        let mut script = Vec::new();
        let mut command = Cli::command();
        clap_complete::generate(self.shell, &mut command, "cargo-bllvm-module", &mut script);
        let script = String::from_utf8(script)?;
        Ok(Report::new(script.clone(), json!({ "script": script })))
    }
}
