//! `module config`: a module's configuration, one revision after the other.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use bllvm_manifest::ModuleName;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::cli::{Options, usage};
use super::client::{Answer, Client};
use super::module::of;
use super::output;
use super::wait::{self, Waiting};
use crate::config::Surroundings;

const TOML: &str = "application/toml";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// The commands for a module's configuration.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print the configuration that applies, as TOML
    Get {
        /// The module's name
        name: ModuleName,
    },
    /// Change single keys, or replace the whole by a file
    Set {
        /// The module's name
        name: ModuleName,
        /// As in greeting="hello" or limits.peers=8; values as in TOML
        #[arg(value_name = "KEY=VALUE", required_unless_present = "file")]
        assignments: Vec<String>,
        /// A TOML file that replaces the whole configuration
        #[arg(long, conflicts_with = "assignments")]
        file: Option<PathBuf>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Open the configuration in $VISUAL or $EDITOR and apply what is saved
    Edit {
        /// The module's name
        name: ModuleName,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Check a TOML file against the schema and, where it runs, by the module itself
    Validate {
        /// The module's name
        name: ModuleName,
        /// The file
        file: PathBuf,
    },
    /// Print the JSON Schema
    Schema {
        /// The module's name
        name: ModuleName,
    },
    /// List the revisions, the newest first
    Revisions {
        /// The module's name
        name: ModuleName,
    },
    /// Bring an earlier revision back, as a new one
    Rollback {
        /// The module's name
        name: ModuleName,
        /// The revision's number
        revision: u64,
        #[command(flatten)]
        waiting: Waiting,
    },
}

impl Config {
    /// Runs the command.
    pub async fn run(self, client: &Client, options: &Options) -> Result<()> {
        match self {
            Self::Get { name } => {
                let view = client.get(&at(&name)).await?.body;
                if options.json {
                    output::json(&view);
                } else {
                    output::text(&text_of(&view));
                }
                Ok(())
            }
            Self::Set {
                name,
                assignments,
                file,
                waiting,
            } => {
                let (_, etag) = current(client, &name).await?;
                let answer = if let Some(file) = file {
                    put(client, &name, read(&file)?, &etag).await?
                } else {
                    let body = patch(&assignments)?.to_string();
                    client
                        .send_text(Method::PATCH, &at(&name), MERGE_PATCH, body, Some(&etag))
                        .await?
                };
                applied(client, options, &name, answer.body, waiting).await
            }
            Self::Edit { name, waiting } => {
                let (view, etag) = current(client, &name).await?;
                let before = text_of(&view);
                let after = edit(&name, &before)?;
                if after == before {
                    out!("Nothing was changed.");
                    return Ok(());
                }
                let answer = put(client, &name, after, &etag).await?;
                applied(client, options, &name, answer.body, waiting).await
            }
            Self::Validate { name, file } => {
                let path = format!("{}/validate", at(&name));
                let text = read(&file)?;
                let verdict = client
                    .send_text(Method::POST, &path, TOML, text, None)
                    .await?
                    .body;
                if options.json {
                    output::json(&verdict);
                }
                judged(&file, &verdict, options.json)
            }
            Self::Schema { name } => {
                output::json(&client.get(&format!("{}/schema", at(&name))).await?.body);
                Ok(())
            }
            Self::Revisions { name } => {
                let revisions = client.get(&format!("{}/revisions", at(&name))).await?.body;
                if options.json {
                    output::json(&revisions);
                } else {
                    let keys = ["number", "status", "source", "by", "created_at", "reason"];
                    let head = ["REVISION", "STATUS", "FROM", "BY", "WHEN", "REASON"];
                    let rows: Vec<_> = output::items(&revisions)
                        .iter()
                        .map(|one| output::row(one, &keys))
                        .collect();
                    out!("{}", output::table(&head, &rows));
                }
                Ok(())
            }
            Self::Rollback {
                name,
                revision,
                waiting,
            } => {
                let path = format!("{}/revisions/{revision}/rollback", at(&name));
                let answer = client.post(&path, json!({})).await?;
                applied(client, options, &name, answer.body, waiting).await
            }
        }
    }
}

/// Tells what the schema and the module think of a file.
fn judged(file: &Path, verdict: &Value, quiet: bool) -> Result<()> {
    if verdict.get("valid").and_then(Value::as_bool) == Some(true) {
        if !quiet {
            out!("The configuration is valid.");
        }
        return Ok(());
    }
    let errors = verdict.get("errors").map_or(&[][..], output::items);
    let lines: Vec<String> = errors
        .iter()
        .map(|one| {
            format!(
                "  {}: {}",
                output::field(one, "pointer"),
                output::field(one, "detail")
            )
        })
        .collect();
    bail!("{} is not valid:\n{}", file.display(), lines.join("\n"))
}

fn at(name: &ModuleName) -> String {
    format!("{}/config", of(name))
}

async fn current(client: &Client, name: &ModuleName) -> Result<(Value, String)> {
    let Answer { body, etag } = client.get(&at(name)).await?;
    let etag = etag.context("the node gave no entity tag for the configuration")?;
    Ok((body, etag))
}

async fn put(client: &Client, name: &ModuleName, text: String, etag: &str) -> Result<Answer> {
    client
        .send_text(Method::PUT, &at(name), TOML, text, Some(etag))
        .await
}

fn text_of(view: &Value) -> String {
    view.get("toml")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// Follows a change to the running module.
async fn applied(
    client: &Client,
    options: &Options,
    name: &ModuleName,
    change: Value,
    waiting: Waiting,
) -> Result<()> {
    if !options.json {
        let diff = diff(&change);
        if !diff.is_empty() {
            out!("{}", diff.trim_start());
        }
    }
    match change.get("operation") {
        Some(operation) if !operation.is_null() => {
            let done = format!(
                "{name} runs on revision {}.",
                output::field(&change, "revision.number")
            );
            wait::finish(client, options, operation.clone(), waiting, &done).await
        }
        _ if options.json => {
            output::json(&change);
            Ok(())
        }
        _ => {
            out!("{}", output::field(&change, "note"));
            Ok(())
        }
    }
}

/// The changed keys, one a line.
fn diff(change: &Value) -> String {
    let lines = change.get("diff").map_or(&[][..], output::items);
    let mut text = String::new();
    for line in lines {
        let side = |key: &str| {
            line.get(key)
                .filter(|value| !value.is_null())
                .map_or("(none)".to_owned(), output::short)
        };
        // Writing to a text cannot fail.
        let _ = write!(
            text,
            "\n  {}: {} → {}",
            output::field(line, "key"),
            side("before"),
            side("after")
        );
    }
    text
}

/// `a.b=1` as a merge patch.
fn patch(assignments: &[String]) -> Result<Value> {
    let mut patch = Value::Object(Map::new());
    for assignment in assignments {
        let (key, text) = assignment
            .split_once('=')
            .ok_or_else(|| usage(format!("`{assignment}` is not of the form KEY=VALUE")))?;
        let mut place = &mut patch;
        for part in key.trim().split('.') {
            if part.is_empty() {
                return Err(usage(format!("`{key}` is not a key")));
            }
            if !place.is_object() {
                return Err(usage(format!("`{key}` is below a key that was set, too")));
            }
            place = &mut place[part];
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
        }
        *place = value_of(text.trim());
    }
    Ok(patch)
}

/// TOML where it reads as such, else the text itself.
fn value_of(text: &str) -> Value {
    format!("value = {text}")
        .parse::<toml::Table>()
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .and_then(|value| serde_json::to_value(value).ok())
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Lets a person change the text in their editor.
fn edit(name: &ModuleName, text: &str) -> Result<String> {
    let around = Surroundings::of_process();
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| {
            around
                .variables
                .get(*name)
                .filter(|value| !value.is_empty())
        })
        .map_or("vi", String::as_str);
    let folder = EditFolder::new(name)?;
    std::fs::write(&folder.file, text)?;
    // An editor may be named with options, as in `code --wait`.
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = Command::new(program)
        .args(words)
        .arg(&folder.file)
        .status()
        .with_context(|| format!("the editor {program} cannot be started; set VISUAL or EDITOR"))?;
    if !status.success() {
        bail!("the editor ended with {status}; nothing was changed");
    }
    Ok(std::fs::read_to_string(&folder.file)?)
}

/// A private folder for the text; gone afterwards, since a person may type secrets into it.
#[derive(Debug)]
struct EditFolder {
    dir: PathBuf,
    file: PathBuf,
}

impl EditFolder {
    fn new(name: &ModuleName) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let id = crate::clock::new_id(&crate::clock::SystemClock);
        let dir = std::env::temp_dir().join(format!("bllvm-{id}"));
        std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Self {
            file: dir.join(format!("{name}.toml")),
            dir,
        })
    }
}

impl Drop for EditFolder {
    fn drop(&mut self) {
        // Whoever empties the temporary folder finishes what this could not.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_become_a_merge_patch() {
        let given = [
            "greeting=\"hi\"",
            "limits.peers=8",
            "limits.names=[\"a\"]",
            "plain=20 s",
        ]
        .map(str::to_owned);
        assert_eq!(
            patch(&given).unwrap(),
            json!({ "greeting": "hi", "limits": { "peers": 8, "names": ["a"] }, "plain": "20 s" })
        );
        assert!(patch(&["greeting".to_owned()]).is_err());
        assert!(patch(&["a=1".to_owned(), "a.b=2".to_owned()]).is_err());
        assert!(patch(&[".a=1".to_owned()]).is_err());
    }

    #[test]
    fn a_diff_shows_both_sides() {
        let change = json!({ "diff": [{ "key": "greeting", "before": "\"a\"", "after": null }] });
        assert_eq!(diff(&change), "\n  greeting: \"a\" → (none)");
    }
}
