//! The tree of commands and their help.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use super::exit::CommandError;
use super::{
    backup, base_node, catalog, config, doctor, events, login, module, node, openapi, operation,
    run, status, token, trust, webhook,
};
use crate::config::{Config, ConfigError, Overrides, Surroundings};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    not done; the text says why
  64   the command line or the configuration cannot be used
  69   the node cannot be reached
  130  interrupted while waiting; what was begun goes on in the node";

/// The control plane beside a Bitcoin node: runs modules as processes of their own, and tells
/// them what the chain does.
#[derive(Debug, Parser)]
#[command(name = "bllvm-node", version, after_help = EXIT_CODES, max_term_width = 100)]
#[command(disable_help_subcommand = true)]
pub struct Cli {
    /// Options of all commands.
    #[command(flatten)]
    pub options: Options,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of all commands.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// Where the node keeps its data
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help_heading = "Which node",
        help = "Where the node keeps its data [default: $XDG_DATA_HOME/bllvm; for root /var/lib/bllvm]"
    )]
    pub data_dir: Option<PathBuf>,
    /// The configuration file [default: bllvm-node.toml in the data directory]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Which node")]
    pub config: Option<PathBuf>,
    /// Ask the node at this address instead of the one that runs on the data directory
    #[arg(long, global = true, value_name = "URL", help_heading = "Which node")]
    pub url: Option<String>,
    /// A token instead of the cookie file; @FILE reads it from a file, out of others' sight
    #[arg(long, global = true, value_name = "TOKEN", help_heading = "Which node")]
    pub token: Option<String>,
    /// Print the node's answer as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

impl Options {
    /// The settings, with these options over them.
    pub fn load(&self, assignments: Vec<(&'static str, String)>) -> Result<Config, ConfigError> {
        let overrides = Overrides {
            data_dir: self.data_dir.clone(),
            file: self.config.clone(),
            assignments,
        };
        crate::config::load(&overrides, &Surroundings::of_process())
    }

    /// The data directory, without reading the configuration.
    pub fn data_dir(&self) -> Result<PathBuf> {
        let found = self
            .data_dir
            .clone()
            .or_else(|| crate::config::default_data_dir(&Surroundings::of_process()));
        Ok(found.ok_or(ConfigError::NoDataDir)?)
    }
}

/// Settings given on the command line.
#[derive(Args, Clone, Debug, Default)]
pub struct Assignments {
    /// Set a key of the configuration, as in --set telemetry.level=debug; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl Assignments {
    /// As the configuration takes them.
    pub fn list(&self) -> Vec<(&'static str, String)> {
        self.set.iter().map(|one| ("--set", one.clone())).collect()
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the node: base node, modules, API and dashboard, until it is interrupted
    Run(run::Run),
    /// Show what runs: the node, its base node, modules, operations under way
    Status,
    /// Print a login address for the dashboard; it works once and for 10 minutes
    Login,
    /// List, install, load, configure and watch modules
    #[command(subcommand)]
    Module(module::Module),
    /// Look at the base node, and mine blocks on regtest
    #[command(subcommand)]
    Node(node::Node),
    /// Look at operations, which are what takes a while, and cancel them
    #[command(subcommand)]
    Operation(operation::Operation),
    /// Show events, from the journal and as they come
    Events(events::Events),
    /// Create, list and revoke tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Say whose signed packages are taken
    #[command(subcommand)]
    Trust(trust::Trust),
    /// Read registries of signed modules, and install from them
    #[command(subcommand)]
    Catalog(catalog::Catalog),
    /// Take in webhooks of sources, send webhooks to endpoints, and look at both
    #[command(subcommand)]
    Webhook(webhook::Webhook),
    /// Make, check and restore encrypted backups
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Check the data directory, the database, ports, programs and disk space
    Doctor,
    /// Print the OpenAPI description of the REST API
    Openapi,
    /// Check the configuration, or print a documented sample
    #[command(subcommand)]
    Config(config::Config),
    /// The embedded base node's process; `run` starts it
    #[command(hide = true)]
    BaseNode(base_node::BaseNode),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`CommandError`] where the exit code is not 1.
    pub async fn run(self) -> Result<()> {
        let options = &self.options;
        match self.command {
            Command::Run(command) => Box::pin(command.run(options)).await,
            Command::Status => status::run(options).await,
            Command::Login => login::run(options).await,
            Command::Module(command) => command.run(options).await,
            Command::Node(command) => command.run(options).await,
            Command::Operation(command) => command.run(options).await,
            Command::Events(command) => command.run(options).await,
            Command::Token(command) => command.run(options).await,
            Command::Trust(command) => command.run(options).await,
            Command::Catalog(command) => command.run(options).await,
            Command::Webhook(command) => command.run(options).await,
            Command::Backup(command) => Box::pin(command.run(options)).await,
            Command::Doctor => doctor::run(options).await,
            Command::Openapi => openapi::run(),
            Command::Config(command) => command.run(options),
            Command::BaseNode(command) => command.run().await,
        }
    }
}

/// A usage error.
pub fn usage(text: impl Into<String>) -> anyhow::Error {
    CommandError::Usage(text.into()).into()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_says_what_each_command_does() {
        let mut all = String::new();
        let mut command = Cli::command();
        command.build();
        write_help(&mut command, &mut all);
        insta::assert_snapshot!("help", all);
    }

    fn write_help(command: &mut clap::Command, all: &mut String) {
        if command.is_hide_set() {
            return;
        }
        let name = command
            .get_bin_name()
            .unwrap_or(command.get_name())
            .to_owned();
        // Writing to a text cannot fail.
        let _ = write!(all, "# {name}\n{}\n", command.render_help());
        for sub in command.get_subcommands_mut() {
            write_help(sub, all);
        }
    }
}
