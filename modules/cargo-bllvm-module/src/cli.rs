//! The tree of commands and their help.

use std::ffi::OsString;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::commands::{
    check, completion, fetch, install, keygen, keys, new, package, publish, run, sign, test,
    upgrade, verify,
};
use crate::output::Report;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    not done, or problems were found; the text says which
  64   the command line cannot be used";

/// Make, check, run, pack, sign and install modules of bllvm-node
#[derive(Debug, Parser)]
#[command(name = "cargo-bllvm-module", bin_name = "cargo bllvm-module", version)]
#[command(after_help = EXIT_CODES, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// Print the answer as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a new module: compiles, has a test, a CI file and a README
    New(new::New),
    /// Look for mistakes: manifest, schema, names, sizes, licence, capabilities
    Check(check::Check),
    /// Run the module beside a host in memory that shows it a scripted chain
    Run(run::Run),
    /// Check the module, then run its tests
    Test(test::Test),
    /// Build a module and pack it into a folder that can be signed
    Package(package::Package),
    /// Make a key to sign with
    Keygen(keygen::Keygen),
    /// Write a publisher's keys as a document, to exchange them for others
    Keys(keys::Keys),
    /// Sign a package, or a publisher's new keys
    Sign(sign::Sign),
    /// Check a package as a node does
    Verify(verify::Verify),
    /// Put a signed package into a registry's folder, and sign its new index
    Publish(publish::Publish),
    /// List what a registry has
    Search(fetch::Search),
    /// Copy a package from a registry to this machine, checked
    Fetch(fetch::Fetch),
    /// Take a module in on a running node
    Install(install::Install),
    /// List the modules of a running node
    List(install::List),
    /// Put another version of a module in place on a running node
    Upgrade(upgrade::Upgrade),
    /// Put the version before back in place
    Rollback(upgrade::Rollback),
    /// Remove a module from a running node
    Uninstall(install::Uninstall),
    /// Print a completion script for a shell
    Completion(completion::Completion),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever kept it from being done.
    pub fn run(self) -> Result<Report> {
        match self.command {
            Command::New(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Run(command) => command.run(self.json),
            Command::Test(command) => command.run(self.json),
            Command::Package(command) => command.run(self.json),
            Command::Keygen(command) => command.run(),
            Command::Keys(command) => command.run(),
            Command::Sign(command) => command.run(),
            Command::Verify(command) => command.run(),
            Command::Publish(command) => command.run(),
            Command::Search(command) => command.run(),
            Command::Fetch(command) => command.run(self.json),
            Command::Install(command) => command.run(self.json),
            Command::List(command) => command.run(),
            Command::Upgrade(command) => command.run(self.json),
            Command::Rollback(command) => command.run(),
            Command::Uninstall(command) => command.run(),
            Command::Completion(command) => command.run(),
        }
    }
}

/// The arguments without the word that cargo puts before them: `cargo bllvm-module new` runs
/// `cargo-bllvm-module bllvm-module new`.
pub fn arguments(all: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = all.into_iter().collect();
    if all.get(1).is_some_and(|word| word == "bllvm-module") {
        all.remove(1);
    }
    all
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
    fn cargo_or_a_person_may_start_it() {
        let words = |text: &str| arguments(text.split(' ').map(OsString::from));
        assert_eq!(words("x bllvm-module new hello"), words("x new hello"));
    }

    #[test]
    fn help_says_what_each_command_does() {
        let mut all = String::new();
        let mut command = Cli::command();
        command.build();
        // Writing to a text cannot fail.
        let _ = writeln!(all, "{}", command.render_help());
        for sub in command.get_subcommands_mut() {
            let _ = writeln!(
                all,
                "# {}\n{}",
                sub.get_name().to_owned(),
                sub.render_help()
            );
        }
        insta::assert_snapshot!("help", all);
    }
}
