//! `upgrade` and `rollback`: another version of a module of a running node.

use std::path::PathBuf;

use anyhow::Result;
use bllvm_manifest::ModuleName;
use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use crate::built::Scratch;
use crate::node::{Which, block_on};
use crate::output::Report;

/// Puts another version of a module in place on a node.
#[derive(Args, Debug)]
pub struct Upgrade {
    /// The module's name
    name: ModuleName,
    /// A package, a program, or a module's folder, which cargo builds first where it is a crate's
    path: PathBuf,
    /// Only say what would change
    #[arg(long)]
    plan: bool,
    /// Which rights a version gets that asks for more than the module has
    #[arg(long, value_name = "RIGHTS")]
    grant: Option<Rights>,
    /// Take a package although no publisher that the node trusts has signed it
    #[arg(long)]
    as_local: bool,
    #[command(flatten)]
    which: Which,
}

/// Which rights a version gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rights {
    /// What it asks for
    Requested,
    /// No more than before
    Kept,
}

impl Upgrade {
    /// Runs the command.
    pub fn run(self, quiet: bool) -> Result<Report> {
        let node = self.which.connect()?;
        let at = format!("/modules/{}/upgrade", self.name);
        let scratch = Scratch::new()?;
        let path = scratch.built(&std::path::absolute(&self.path)?, quiet)?;
        let mut body = json!({ "path": path, "as_local": self.as_local });
        if self.plan {
            let plan = block_on(node.ask(Method::POST, &format!("{at}/plan"), Some(body)))?;
            return Ok(Report::new(in_words(&plan), plan));
        }
        body["grant"] = match self.grant {
            Some(Rights::Requested) => json!("requested"),
            Some(Rights::Kept) => json!("kept"),
            None => Value::Null,
        };
        let result = block_on(async {
            let begun = node.ask(Method::POST, &at, Some(body)).await?;
            node.finished(&begun).await
        })?;
        let text = format!("{} is at {}.", self.name, plain(&result["to"]));
        Ok(Report::new(text, result))
    }
}

/// Puts the version before back in place on a node.
#[derive(Args, Debug)]
pub struct Rollback {
    /// The module's name
    name: ModuleName,
    /// Let its data go back to the copy that was made before the upgrade
    #[arg(long)]
    restore_data: bool,
    #[command(flatten)]
    which: Which,
}

impl Rollback {
    /// Runs the command.
    pub fn run(self) -> Result<Report> {
        let node = self.which.connect()?;
        let at = format!("/modules/{}/rollback", self.name);
        let body = json!({ "restore_data": self.restore_data });
        let result = block_on(async {
            let begun = node.ask(Method::POST, &at, Some(body)).await?;
            node.finished(&begun).await
        })?;
        let text = format!("{} is at {} again.", self.name, plain(&result["to"]));
        Ok(Report::new(text, result))
    }
}

fn plain(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A plan, line by line.
fn in_words(plan: &Value) -> String {
    let mut lines = vec![format!(
        "{} {} -> {}, {}; at stake: {}",
        plain(&plan["module"]),
        plain(&plan["from"]),
        plain(&plan["to"]),
        plain(&plan["vouched_for"]),
        plain(&plan["rating"])
    )];
    for (title, key) in [
        ("asks for more than it has:", "asks_for_more"),
        ("asks no more for:", "asks_no_more_for"),
        ("what happens:", "steps"),
    ] {
        let all = plan[key].as_array().into_iter().flatten();
        let all: Vec<String> = all.map(|line| format!("  {}", plain(line))).collect();
        if !all.is_empty() {
            lines.push(title.to_owned());
            lines.extend(all);
        }
    }
    lines.join("\n")
}
