//! `cargo bllvm-module`: a module author's commands, from an empty folder to a signed package.
//!
//! One file a command in `commands`; what a command found is a [`output::Report`], printed as text
//! or JSON in one place.

mod built;
mod cli;
mod commands;
mod error;
mod node;
mod output;
mod project;
mod registry;
mod script;

use std::process::ExitCode;

use clap::Parser as _;

use cli::Cli;

fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(cli::arguments(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not errors. Nobody hears of a failed write.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { error::USAGE } else { 0 });
        }
    };
    let json = cli.json;
    output::finish(json, cli.run())
}
