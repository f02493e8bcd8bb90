//! `catalog`: registries of signed packages, what they have, and taking it in.

use std::path::PathBuf;

use anyhow::{Result, bail};
use bllvm_manifest::ModuleName;
use bllvm_package::PublicKey;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::cli::{Options, usage};
use super::client::{Client, encoded};
use super::module::Rights;
use super::output;
use super::wait::{self, Waiting};

/// The commands for registries and their modules.
#[derive(Debug, Subcommand)]
pub enum Catalog {
    /// Add a registry, and fetch its index
    Add {
        /// The registry's name, as its index gives it
        name: String,
        /// A folder, http:// or https:// address; may be repeated: they are tried in this order
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<String>,
        /// A public key of the registry, as you heard it; may be repeated
        #[arg(long = "key", value_name = "KEY", required = true)]
        keys: Vec<PublicKey>,
        /// How many of the keys must have signed the index
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        threshold: usize,
    },
    /// List the registries
    List,
    /// Remove a registry; what was installed from it stays
    Remove {
        /// The registry's name
        name: String,
    },
    /// Fetch the newest index of a registry, or of all
    Refresh {
        /// The registry's name
        name: Option<String>,
    },
    /// List the modules that the registries have
    Search {
        /// Only those with this word in name, description or publisher
        #[arg(default_value = "")]
        word: String,
    },
    /// Show a module: its releases, and what it would ask for
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Fetch a module and take it in; nothing of it runs before its first load
    Install {
        #[command(flatten)]
        which: Which,
        /// This version [default: the newest that runs here]
        #[arg(long, value_name = "VERSION")]
        version: Option<semver::Version>,
        /// Take a package although no publisher that is trusted here has signed it
        #[arg(long)]
        as_local: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Fetch a newer version of an installed module and put it in place
    Upgrade {
        #[command(flatten)]
        which: Which,
        /// This version [default: the newest that runs here]
        #[arg(long, value_name = "VERSION")]
        version: Option<semver::Version>,
        /// Only fetch it, and say what would change
        #[arg(long)]
        plan: bool,
        /// Which rights a version gets that asks for more than the module has
        #[arg(long, value_name = "RIGHTS")]
        grant: Option<Rights>,
    },
}

/// A listed module.
#[derive(Args, Clone, Debug)]
pub struct Which {
    /// The module's name
    name: ModuleName,
    /// The registry that has it [default: the only one]
    #[arg(long, value_name = "NAME")]
    registry: Option<String>,
}

impl Catalog {
    /// Runs the command.
    pub async fn run(self, options: &Options) -> Result<()> {
        let client = Client::connect(options)?;
        match self {
            Self::Add {
                name,
                addresses,
                keys,
                threshold,
            } => {
                let addresses: Vec<String> = addresses
                    .iter()
                    .map(|one| whole(one))
                    .collect::<Result<_>>()?;
                let body = json!({
                    "name": name, "addresses": addresses, "keys": keys, "threshold": threshold,
                });
                client.post("/api/v1/registries", body).await?;
                refresh(&client, options, &name).await
            }
            Self::List => {
                let page = client.get("/api/v1/registries").await?.body;
                shown(options, &page, registries_text);
                Ok(())
            }
            Self::Remove { name } => {
                let path = format!("/api/v1/registries/{}", encoded(&name));
                client.delete(&path).await?;
                shown(options, &Value::Null, |_| format!("{name} is removed."));
                Ok(())
            }
            Self::Refresh { name: Some(name) } => refresh(&client, options, &name).await,
            Self::Refresh { name: None } => {
                let page = client.get("/api/v1/registries").await?.body;
                for one in output::items(&page) {
                    refresh(&client, options, &output::field(one, "name")).await?;
                }
                Ok(())
            }
            Self::Search { word } => {
                let path = format!("/api/v1/catalog?search={}", encoded(&word));
                let page = client.get(&path).await?.body;
                shown(options, &page, catalog_text);
                Ok(())
            }
            Self::Show { which } => {
                let view = client.get(&which.address(&client).await?).await?.body;
                shown(options, &view, module_text);
                Ok(())
            }
            Self::Install {
                which,
                version,
                as_local,
                waiting,
            } => {
                let path = format!("{}/install", which.address(&client).await?);
                let body = json!({ "version": version, "as_local": as_local });
                let accepted = client.post(&path, body).await?.body;
                let done = format!(
                    "{0} is installed; `bllvm-node module load {0}` asks you what it may do.",
                    which.name
                );
                wait::finish(&client, options, accepted, waiting, &done).await
            }
            Self::Upgrade {
                which,
                version,
                plan,
                grant,
            } => upgrade(&client, options, which, version, plan, grant).await,
        }
    }
}

impl Which {
    /// Its address in the API.
    async fn address(&self, client: &Client) -> Result<String> {
        let registry = match &self.registry {
            Some(registry) => registry.clone(),
            None => self.only_one(client).await?,
        };
        Ok(format!(
            "/api/v1/catalog/{}/{}",
            encoded(&registry),
            self.name
        ))
    }

    async fn only_one(&self, client: &Client) -> Result<String> {
        let path = format!("/api/v1/catalog?search={}", self.name);
        let page = client.get(&path).await?.body;
        let with: Vec<String> = output::items(&page)
            .iter()
            .filter(|one| one["module"] == self.name.as_str())
            .map(|one| output::field(one, "registry"))
            .collect();
        match &with[..] {
            [one] => Ok(one.clone()),
            [] => bail!(
                "no registry lists `{}`: `bllvm-node catalog refresh` fetches what is new",
                self.name
            ),
            many => Err(usage(format!(
                "`{}` is in {}: say which with --registry",
                self.name,
                many.join(" and ")
            ))),
        }
    }
}

/// Fetches a version, and hands it to the upgrade that every package goes through.
async fn upgrade(
    client: &Client,
    options: &Options,
    which: Which,
    version: Option<semver::Version>,
    plan: bool,
    grant: Option<Rights>,
) -> Result<()> {
    let path = format!("{}/fetch", which.address(client).await?);
    let body = json!({ "version": version });
    let begun = client.post(&path, body).await?.body;
    let fetched = wait::ended(client, &begun).await?;
    let path = PathBuf::from(output::field(&fetched, "result.path"));
    let versions = super::module_versions::Versions::Upgrade {
        name: which.name,
        path,
        plan,
        grant,
        digest: None,
        as_local: false,
        waiting: Waiting { no_wait: false },
    };
    versions.run(client, options).await
}

async fn refresh(client: &Client, options: &Options, name: &str) -> Result<()> {
    let path = format!("/api/v1/registries/{}/refresh", encoded(name));
    let registry = client.post(&path, Value::Null).await?.body;
    shown(options, &registry, |registry| {
        format!(
            "{name} has {} releases (index {}, good until {}).",
            output::field(registry, "seen.releases"),
            output::field(registry, "seen.seq"),
            output::field(registry, "seen.expires")
        )
    });
    Ok(())
}

/// A folder's full path: the node may run elsewhere than this command.
fn whole(address: &str) -> Result<String> {
    if address.contains("://") {
        return Ok(address.to_owned());
    }
    let path = std::path::absolute(address)?;
    Ok(path.to_string_lossy().into_owned())
}

fn shown(options: &Options, answer: &Value, text: impl FnOnce(&Value) -> String) {
    if options.json {
        output::json(answer);
    } else {
        out!("{}", text(answer).trim_end());
    }
}

fn registries_text(page: &Value) -> String {
    let rows: Vec<_> = output::items(page)
        .iter()
        .map(|one| {
            let keys = [
                "name",
                "seen.releases",
                "seen.seq",
                "seen.expires",
                "seen.fetched_at",
                "addresses",
            ];
            output::row(one, &keys)
        })
        .collect();
    if rows.is_empty() {
        return "No registry was added: `bllvm-node catalog add` adds one.".to_owned();
    }
    let head = [
        "NAME",
        "RELEASES",
        "INDEX",
        "GOOD UNTIL",
        "FETCHED",
        "ADDRESSES",
    ];
    output::table(&head, &rows)
}

fn catalog_text(page: &Value) -> String {
    let rows: Vec<_> = output::items(page)
        .iter()
        .map(|one| {
            let mut row = output::row(one, &["module", "version", "state", "registry"]);
            let by = output::field(one, "publisher");
            row.push(match one["publisher_trusted"].as_bool() {
                Some(true) => by,
                _ => format!("{by} (not trusted)"),
            });
            row.push(match one["revoked"].as_str() {
                Some(why) => format!("TAKEN BACK: {why}"),
                None => output::field(one, "description"),
            });
            row
        })
        .collect();
    if rows.is_empty() {
        return "Nothing is listed.".to_owned();
    }
    let head = [
        "MODULE",
        "VERSION",
        "STATE",
        "REGISTRY",
        "PUBLISHER",
        "WHAT IT IS",
    ];
    output::table(&head, &rows)
}

fn module_text(view: &Value) -> String {
    let f = |key: &str| output::field(view, key);
    let trusted = match view["entry"]["publisher_trusted"].as_bool() {
        Some(true) => "trusted here",
        _ => "not trusted here",
    };
    let mut lines = vec![
        format!(
            "{} {}: {}",
            f("entry.module"),
            f("entry.version"),
            f("entry.description")
        ),
        format!(
            "from       {}, signed by {} ({trusted})",
            f("entry.registry"),
            f("entry.publisher")
        ),
        format!(
            "state      {} (installed: {})",
            f("entry.state"),
            f("entry.installed")
        ),
        format!("size       {} bytes", f("entry.bytes")),
        format!("asks for   {}", f("asks")),
        format!("at stake   {}: {}", f("rating.stakes"), f("rating.reasons")),
    ];
    if let Some(why) = view["entry"]["revoked"].as_str() {
        lines.push(format!("TAKEN BACK {why}"));
    }
    if let Some(problem) = view["problem"].as_str() {
        lines.push(format!("its manifest could not be fetched: {problem}"));
    }
    let releases = view["releases"].as_array().into_iter().flatten();
    let rows: Vec<_> = releases
        .map(|one| {
            let keys = [
                "version",
                "release_seq",
                "target",
                "runs_here",
                "revoked",
                "notes",
            ];
            output::row(one, &keys)
        })
        .collect();
    let head = [
        "VERSION",
        "RELEASE",
        "FOR",
        "RUNS HERE",
        "TAKEN BACK",
        "NEW IN IT",
    ];
    format!("{}\n\n{}", lines.join("\n"), output::table(&head, &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revoked_module_is_told_loudly_and_a_strange_publisher_named() {
        let page = json!({ "items": [
            { "module": "clock", "version": "1.0.0", "state": "revoked", "registry": "r",
              "publisher": "p", "publisher_trusted": true, "revoked": "it leaked keys",
              "description": "a clock" },
            { "module": "log", "version": "2.0.0", "state": "available", "registry": "r",
              "publisher": "q", "publisher_trusted": false, "description": "a log" },
        ]});
        let text = catalog_text(&page);
        assert!(text.contains("TAKEN BACK: it leaked keys"), "{text}");
        assert!(text.contains("q (not trusted)  a log"), "{text}");
        assert_eq!(catalog_text(&json!({ "items": [] })), "Nothing is listed.");
    }

    #[test]
    fn a_folder_becomes_a_full_path() {
        assert_eq!(whole("http://x/r").unwrap(), "http://x/r");
        assert_eq!(whole("/srv/r").unwrap(), "/srv/r");
        assert!(whole("r").unwrap().ends_with("/r"));
    }
}
