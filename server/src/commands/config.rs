//! `config`: checks the settings, prints the sample.

use anyhow::Result;
use clap::Subcommand;

use super::cli::{Assignments, Options};
use super::output;

/// The commands for the node's own configuration.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Read file, variables and flags as `run` would, and name every fault
    Check {
        #[command(flatten)]
        assignments: Assignments,
    },
    /// Print a configuration file with every key, its meaning and its default
    Sample,
}

impl Config {
    /// Runs the command.
    pub fn run(self, options: &Options) -> Result<()> {
        match self {
            Self::Sample => output::text(&crate::config::sample()),
            Self::Check { assignments } => {
                let config = options.load(assignments.list())?;
                match &config.file {
                    Some(file) => out!(
                        "The configuration is good; it was read from {}.",
                        file.display()
                    ),
                    None => out!(
                        "The configuration is good; there is no file {}, so the defaults hold.",
                        config.data_dir.join(crate::config::FILE_NAME).display()
                    ),
                }
            }
        }
        Ok(())
    }
}
