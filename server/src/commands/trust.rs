//! `trust`: whose signatures count on this node.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use bllvm_manifest::ModuleName;
use bllvm_package::{KeySet, PublicKey};
use clap::Subcommand;
use serde_json::{Value, json};

use super::cli::{Options, usage};
use super::client::{Client, encoded};
use super::output;

/// The commands for publishers.
#[derive(Debug, Subcommand)]
pub enum Trust {
    /// Take packages that a publisher has signed
    Add {
        /// The publisher's name, as its packages give it
        name: String,
        /// A public key, as you heard it from the publisher; may be repeated
        #[arg(long = "key", value_name = "KEY", required = true)]
        keys: Vec<PublicKey>,
        /// How many of the keys must have signed
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        threshold: usize,
        /// Which version of its keys these are
        #[arg(long = "keys-version", value_name = "NUMBER", default_value_t = 1)]
        version: u64,
    },
    /// List publishers with their keys, and the newest release taken of each module
    List,
    /// Take over a publisher's new keys; old and new ones must have signed the file
    Rotate {
        /// What `cargo bllvm-module keys` wrote; FILE.sig lies beside it
        file: PathBuf,
    },
    /// Take no more packages of a publisher; what is installed stays
    Remove {
        /// The publisher's name
        name: String,
    },
    /// Let a module that is not installed begin anew: any release, any trusted publisher
    Forget {
        /// The module's name
        module: ModuleName,
    },
}

impl Trust {
    /// Runs the command.
    pub async fn run(self, options: &Options) -> Result<()> {
        let client = Client::connect(options)?;
        match self {
            Self::Add {
                name,
                keys,
                threshold,
                version,
            } => {
                let body = json!({
                    "name": name, "keys": keys, "threshold": threshold, "version": version,
                });
                let publisher = client.post("/api/v1/publishers", body).await?.body;
                say(options, &publisher, &format!("{name} is trusted."));
            }
            Self::List => list(&client, options).await?,
            Self::Rotate { file } => {
                let keys = read(&file)?;
                let set = KeySet::parse(&keys)
                    .map_err(|error| usage(format!("{}: {error}", file.display())))?;
                let mut beside = file.into_os_string();
                beside.push(".sig");
                let body = json!({ "keys": keys, "signatures": read(&PathBuf::from(beside))? });
                let path = format!("/api/v1/publishers/{}/rotate", encoded(&set.name));
                let publisher = client.post(&path, body).await?.body;
                let text = format!("{} has version {} of its keys.", set.name, set.version);
                say(options, &publisher, &text);
            }
            Self::Remove { name } => {
                let path = format!("/api/v1/publishers/{}", encoded(&name));
                client.delete(&path).await?;
                say(
                    options,
                    &Value::Null,
                    &format!("{name} is not trusted any more."),
                );
            }
            Self::Forget { module } => {
                client.delete(&format!("/api/v1/releases/{module}")).await?;
                let text = format!("Any release of {module} may come.");
                say(options, &Value::Null, &text);
            }
        }
        Ok(())
    }
}

async fn list(client: &Client, options: &Options) -> Result<()> {
    let publishers = client.get("/api/v1/publishers").await?.body;
    let releases = client.get("/api/v1/releases").await?.body;
    if options.json {
        let both = json!({ "publishers": publishers["items"], "releases": releases["items"] });
        output::json(&both);
        return Ok(());
    }
    if output::items(&publishers).is_empty() {
        out!("No publisher is trusted: only modules that you confirm by their digest run here.");
    }
    for one in output::items(&publishers) {
        let field = |key: &str| output::field(one, key);
        out!(
            "{}  keys version {}, {} of {} must sign",
            field("name"),
            field("version"),
            field("threshold"),
            one["keys"].as_array().map_or(0, Vec::len)
        );
        for key in one["keys"].as_array().into_iter().flatten() {
            out!("  {}", output::short(key));
        }
    }
    let rows: Vec<_> = output::items(&releases)
        .iter()
        .map(|one| {
            output::row(
                one,
                &["module", "publisher", "release_seq", "installed", "digest"],
            )
        })
        .collect();
    if !rows.is_empty() {
        let head = ["MODULE", "PUBLISHER", "RELEASE", "INSTALLED", "DIGEST"];
        out!(
            "\nNewest release taken; older ones are refused\n{}",
            output::table(&head, &rows)
        );
    }
    Ok(())
}

fn read(path: &PathBuf) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn say(options: &Options, answer: &Value, text: &str) {
    if options.json {
        output::json(answer);
    } else {
        out!("{text}");
    }
}
