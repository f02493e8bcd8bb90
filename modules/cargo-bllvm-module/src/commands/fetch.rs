//! `fetch` and `search`: what a registry has, and a package of it on this machine.

use anyhow::Result;
use bllvm_manifest::ModuleName;
use clap::Args;
use serde_json::json;

use crate::node::block_on;
use crate::output::Report;
use crate::registry::{Registry, now};

/// Copies a package from a registry.
#[derive(Args, Debug)]
pub struct Fetch {
    /// The module's name
    name: ModuleName,
    /// This version [default: the newest that runs here]
    #[arg(long, value_name = "VERSION")]
    version: Option<semver::Version>,
    #[command(flatten)]
    registry: Registry,
}

impl Fetch {
    /// Runs the command.
    pub fn run(self, quiet: bool) -> Result<Report> {
        let folder = block_on(async {
            let opened = self.registry.open(now()).await?;
            opened.fetch(&self.name, self.version.as_ref(), quiet).await
        })?;
        let text = format!(
            "{}\nTo install it: cargo bllvm-module install {}",
            folder.display(),
            folder.display()
        );
        Ok(Report::new(text, json!({ "package": folder })))
    }
}

/// Lists a registry's releases.
#[derive(Args, Debug)]
pub struct Search {
    /// Only those with this word in name or description
    #[arg(default_value = "")]
    word: String,
    #[command(flatten)]
    registry: Registry,
}

impl Search {
    /// Runs the command.
    pub fn run(self) -> Result<Report> {
        let opened = block_on(self.registry.open(now()))?;
        let index = &opened.index;
        let word = self.word.to_lowercase();
        let found: Vec<_> = index
            .releases
            .iter()
            .filter(|one| {
                let text = format!("{} {}", one.module, one.description).to_lowercase();
                text.contains(&word)
            })
            .collect();
        let mut rows: Vec<String> = found
            .iter()
            .map(|one| {
                let state = index
                    .why_revoked(one)
                    .map_or_else(String::new, |why| format!("  taken back: {why}"));
                format!(
                    "{:<24} {:<12} {:<28} {}{state}",
                    one.module.as_str(),
                    one.version.to_string(),
                    one.target,
                    one.description
                )
            })
            .collect();
        if rows.is_empty() {
            rows.push("Nothing is listed.".to_owned());
        }
        Ok(Report::new(rows.join("\n"), json!({ "releases": found })))
    }
}
