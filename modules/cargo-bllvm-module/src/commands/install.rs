//! `install`, `list`, `uninstall`: a running node's modules.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bllvm_manifest::{ModuleName, layout};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::error::Failure;
use crate::node::{Which, block_on};
use crate::output::Report;
use crate::project::cargo;
use crate::registry::{Registry, now};

/// Takes a module in on a node.
#[derive(Args, Debug)]
pub struct Install {
    /// A package, a module's folder, or a program; or a name, which is looked up in the registry, or
    /// in those of the node, or else built by cargo as a crate
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
        let scratch;
        if !self.what.exists() && self.registry.index.is_none() {
            let name = crate_name(&self.what)?;
            let listed = block_on(node.install_listed(&name, self.as_local))?;
            if let Some(result) = listed {
                return Ok(installed(result));
            }
        }
        let path = if self.what.exists() {
            std::path::absolute(&self.what)?
        } else if self.registry.index.is_some() {
            let name = crate_name(&self.what)?;
            block_on(async {
                let opened = self.registry.open(now()).await?;
                opened.fetch(&name, None, quiet).await
            })?
        } else {
            let name = crate_name(&self.what)?;
            scratch = Scratch::new()?;
            build_crate(&name, &scratch.0, quiet)?
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

/// A folder of our own, removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let mut number = [0; 8];
        getrandom::fill(&mut number).context("the system gave no random bytes")?;
        let name = format!("bllvm-install-{:016x}", u64::from_be_bytes(number));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)
            .with_context(|| format!("{} could not be made", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover in the temporary directory harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
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

/// Builds a crate's program as `cargo install` does; its build script runs with your rights.
fn build_crate(name: &ModuleName, root: &Path, quiet: bool) -> Result<PathBuf> {
    let mut command = cargo();
    command
        .args(["install", "--locked", "--no-track", "--root"])
        .arg(root)
        .arg(name.as_str());
    if quiet {
        command.arg("--quiet");
    }
    let status = command
        .status()
        .context("cargo could not be started; is it on the PATH?")?;
    let program = root.join("bin").join(name.as_str());
    if status.success() && program.is_file() {
        return Ok(program);
    }
    Err(Failure::because(
        "build_failed",
        format!(
            "cargo could not install a program `{name}`; the modules of bllvm are not published: name a \
             folder with {} instead",
            layout::MANIFEST_FILE
        ),
    ))
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
    /// Remove its data, too
    #[arg(long)]
    delete_data: bool,
    #[command(flatten)]
    which: Which,
}

impl Uninstall {
    /// Runs the command.
    pub fn run(self) -> Result<Report> {
        let node = self.which.connect()?;
        let (name, confirm, data) = (&self.name, &self.confirm, self.delete_data);
        let path = format!("/modules/{name}?confirm={confirm}&delete_data={data}");
        let result = block_on(async {
            let begun = node.ask(Method::DELETE, &path, None).await?;
            node.finished(&begun).await
        })?;
        Ok(Report::new(
            format!("{name} is removed."),
            json!({ "module": name, "result": result }),
        ))
    }
}
