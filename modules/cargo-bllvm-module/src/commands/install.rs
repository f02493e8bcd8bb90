//! `install`, `list`, `uninstall`: a running node's modules.

use std::path::{Path, PathBuf};

use anyhow::Result;
use bllvm_manifest::ModuleName;
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::built::Scratch;
use crate::error::Failure;
use crate::node::{Which, block_on};
use crate::output::Report;
use crate::registry::{Registry, now};

/// Takes a module in on a node.
#[derive(Args, Debug)]
pub struct Install {
    /// A package, a program, or a module's folder, which cargo builds first where it is a crate's; or a
    /// name, which is looked up in the registry, or in those of the node, or else built by cargo
    what: PathBuf,
    #[command(flatten)]
    registry: Registry,
    /// Take a package in although no publisher that the node trusts has signed it
    #[arg(long)]
    as_local: bool,
    #[command(flatten)]
    which: Which,
}

impl Install {
    /// Runs the command.
    pub fn run(self, quiet: bool) -> Result<Report> {
        // Found before minutes of building.
        let node = self.which.connect()?;
        let scratch = Scratch::new()?;
        if !self.what.exists() && self.registry.index.is_none() {
            let name = crate_name(&self.what)?;
            let listed = block_on(node.install_listed(&name, self.as_local))?;
            if let Some(result) = listed {
                return Ok(installed(result));
            }
        }
        let path = if self.what.exists() {
            scratch.built(&std::path::absolute(&self.what)?, quiet)?
        } else if self.registry.index.is_some() {
            let name = crate_name(&self.what)?;
            block_on(async {
                let opened = self.registry.open(now()).await?;
                opened.fetch(&name, None, quiet).await
            })?
        } else {
            let name = crate_name(&self.what)?;
            if !quiet {
                eprintln!(
                    "No registry of the node lists `{name}`: cargo builds it as a crate; what it compiles \
                     runs with your rights."
                );
            }
            scratch.built_crate(&name, quiet)?
        };
        let result = block_on(node.install(&path, self.as_local))?;
        Ok(installed(result))
    }
}

fn installed(result: Value) -> Report {
    let name = result["module"].as_str().unwrap_or_default().to_owned();
    let text = format!(
        "{}\nIt runs when somebody has looked at it and agreed: bllvm-node module load {name}",
        lines(&result)
    );
    Report::new(text, result)
}

fn crate_name(what: &Path) -> Result<ModuleName> {
    let text = what.to_string_lossy();
    ModuleName::new(text.clone()).map_err(|_| {
        Failure::because(
            "nothing_there",
            format!("{text}: there is no such file or folder, and it is no crate's name either"),
        )
    })
}

/// An answer's fields below each other.
fn lines(value: &Value) -> String {
    let fields = value.as_object().into_iter().flatten();
    let lines: Vec<String> = fields
        .filter(|(key, _)| *key != "next")
        .map(|(key, value)| format!("{:<12} {}", key.replace('_', " "), plain(value)))
        .collect();
    lines.join("\n")
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Lists a node's modules.
#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    which: Which,
}

impl List {
    /// Runs the command.
    pub fn run(self) -> Result<Report> {
        let node = self.which.connect()?;
        let modules = block_on(node.ask(Method::GET, "/modules", None))?;
        let items = modules["items"].as_array().cloned().unwrap_or_default();
        let mut rows: Vec<String> = items
            .iter()
            .map(|one| {
                let field = |key: &str| plain(&one[key]);
                format!(
                    "{:<24} {:<12} {:<8} {}",
                    field("name"),
                    field("version"),
                    field("trust"),
                    field("state")
                )
            })
            .collect();
        if rows.is_empty() {
            rows.push("The node has no modules.".to_owned());
        }
        Ok(Report::new(rows.join("\n"), modules))
    }
}

/// Removes a module from a node.
#[derive(Args, Debug)]
pub struct Uninstall {
    /// The module's name
    name: ModuleName,
    /// Its name once more
    #[arg(long, value_name = "NAME")]
    confirm: ModuleName,
    /// Remove its data and stored values, too
    #[arg(long)]
    delete_data: bool,
    /// Remove everything of it: data, log, kept versions, copies; also of one that was removed before
    #[arg(long)]
    purge: bool,
    #[command(flatten)]
    which: Which,
}

impl Uninstall {
    /// Runs the command.
    pub fn run(self) -> Result<Report> {
        let node = self.which.connect()?;
        let (name, confirm) = (&self.name, &self.confirm);
        let (data, purge) = (self.delete_data, self.purge);
        let path = format!("/modules/{name}?confirm={confirm}&delete_data={data}&purge={purge}");
        let result = block_on(async {
            let begun = node.ask(Method::DELETE, &path, None).await?;
            node.finished(&begun).await
        })?;
        Ok(Report::new(
            if purge {
                format!("{name} is removed, with everything that was kept of it.")
            } else {
                format!("{name} is removed. What is kept of it goes with --purge.")
            },
            json!({ "module": name, "result": result }),
        ))
    }
}
