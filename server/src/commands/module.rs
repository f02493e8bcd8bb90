//! `module`: the operator's verbs.

use std::path::PathBuf;

use anyhow::Result;
use bllvm_ipc::Capability;
use bllvm_manifest::ModuleName;
use clap::{Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use super::cli::{Options, usage};
use super::client::{Client, encoded};
use super::module_config::Config;
use super::module_versions::Versions;
use super::wait::{self, Waiting};
use super::{module_views as views, output, sse};
use crate::model::RequiredLayer;

/// The commands for modules.
#[derive(Debug, Subcommand)]
pub enum Module {
    /// List modules: what is installed, wanted and running
    List,
    /// Show everything about one module
    Info {
        /// The module's name
        name: ModuleName,
    },
    /// Take a module in from a folder with a module.toml, or from a program that carries one
    Install {
        /// The folder or the program
        path: PathBuf,
        /// Take a package in although no publisher that is trusted here has signed it
        #[arg(long)]
        as_local: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Remove a module; its data and its log stay, unless you say otherwise
    Uninstall {
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
        waiting: Waiting,
    },
    /// Start a module; the first load confirms its program and grants what it asks for
    Load {
        /// The module's name
        name: ModuleName,
        /// Load only if its program has this digest
        #[arg(long)]
        digest: Option<String>,
        /// Which rights a changed program gets that asks for more than before
        #[arg(long, value_name = "RIGHTS")]
        grant: Option<Rights>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Stop a module
    Unload {
        /// The module's name
        name: ModuleName,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Take over a changed program or configuration, without a gap where the module can do that
    Reload {
        /// The module's name
        name: ModuleName,
        /// Confirm a changed program by its digest, which `module info` shows
        #[arg(long)]
        digest: Option<String>,
        #[command(flatten)]
        waiting: Waiting,
    },
    #[command(flatten)]
    Versions(Versions),
    /// Start a module that waits after crashes, or failed, now
    Retry {
        /// The module's name
        name: ModuleName,
    },
    /// Allow a module to be loaded
    Enable {
        /// The module's name
        name: ModuleName,
    },
    /// Stop a module and keep it from being loaded
    Disable {
        /// The module's name
        name: ModuleName,
    },
    /// Show and change a module's configuration
    #[command(subcommand)]
    Config(Config),
    /// Show a module's output and log lines
    Logs {
        /// The module's name
        name: ModuleName,
        /// Go on with new lines until Ctrl-C
        #[arg(short, long)]
        follow: bool,
        /// At most so many lines of the past
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Call a method that a module offers
    Call {
        /// The module's name
        name: ModuleName,
        /// The method; without it, the methods that there are
        method: Option<String>,
        /// Its parameters as JSON
        #[arg(default_value = "{}")]
        params: String,
    },
    /// List a module's processes and how they ended
    Runs {
        /// The module's name
        name: ModuleName,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Show what a module asks for and may do; change it
    Grant {
        /// The module's name
        name: ModuleName,
        /// Give a capability; may be repeated
        #[arg(long, value_name = "CAPABILITY")]
        add: Vec<Capability>,
        /// Take a capability away; may be repeated
        #[arg(long, value_name = "CAPABILITY")]
        remove: Vec<Capability>,
        /// Give everything that its manifest asks for
        #[arg(long)]
        requested: bool,
    },
    /// Show what a module can and cannot do on this machine, and what sees to that
    Sandbox {
        /// The module's name
        name: ModuleName,
        /// Let it start without these layers, and no others, where this system lacks them
        #[arg(
            long,
            value_name = "LAYER",
            value_delimiter = ',',
            conflicts_with = "require_all"
        )]
        waive: Vec<RequiredLayer>,
        /// Waive nothing any more
        #[arg(long)]
        require_all: bool,
    },
}

/// Which rights a load gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rights {
    /// Everything that its manifest asks for
    Requested,
    /// What it has
    Kept,
}

impl Rights {
    /// Its name in the node's answer.
    fn field(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Kept => "granted",
        }
    }
}

impl Module {
    /// Runs the command.
    pub async fn run(self, options: &Options) -> Result<()> {
        let client = Client::connect(options)?;
        let client = &client;
        match self {
            Self::List => {
                let modules = client.get("/api/v1/modules").await?.body;
                print(options, &modules, || views::list_table(&modules));
            }
            Self::Info { name } => {
                let module = client.get(&of(&name)).await?.body;
                print(options, &module, || views::info(&module));
            }
            Self::Install {
                path,
                as_local,
                waiting,
            } => {
                let path = std::path::absolute(&path)?;
                let accepted = client
                    .post(
                        "/api/v1/modules",
                        json!({ "path": path, "as_local": as_local }),
                    )
                    .await?
                    .body;
                return wait::finish(
                    client,
                    options,
                    accepted,
                    waiting,
                    "Installed; `module load` starts it.",
                )
                .await;
            }
            Self::Uninstall {
                name,
                confirm,
                delete_data,
                purge,
                waiting,
            } => {
                let path = format!(
                    "{}?confirm={confirm}&delete_data={delete_data}&purge={purge}",
                    of(&name)
                );
                let accepted = client.delete(&path).await?.body;
                let done = removed(&name, delete_data, purge);
                return wait::finish(client, options, accepted, waiting, &done).await;
            }
            Self::Load {
                name,
                digest,
                grant,
                waiting,
            } => {
                let mut body = confirmation(digest);
                if let Some(rights) = grant {
                    let view = client.get(&format!("{}/grants", of(&name))).await?.body;
                    body["grant"] = view[rights.field()].clone();
                }
                return verb(client, options, &name, "load", body, waiting, "runs").await;
            }
            Self::Unload { name, waiting } => {
                return verb(
                    client,
                    options,
                    &name,
                    "unload",
                    json!({}),
                    waiting,
                    "is stopped",
                )
                .await;
            }
            Self::Reload {
                name,
                digest,
                waiting,
            } => {
                let body = confirmation(digest);
                let done = "is reloaded";
                return verb(client, options, &name, "reload", body, waiting, done).await;
            }
            Self::Versions(command) => command.run(client, options).await?,
            Self::Retry { name } => {
                simple(client, options, &name, "retry", "is started again").await?;
            }
            Self::Enable { name } => {
                simple(client, options, &name, "enable", "may be loaded").await?;
            }
            Self::Disable { name } => {
                simple(
                    client,
                    options,
                    &name,
                    "disable",
                    "is kept from being loaded",
                )
                .await?;
            }
            Self::Config(command) => command.run(client, options).await?,
            Self::Logs {
                name,
                follow,
                limit,
            } => logs(client, options, &name, follow, limit).await?,
            Self::Call {
                name,
                method,
                params,
            } => {
                call(client, options, &name, method.as_deref(), &params).await?;
            }
            Self::Runs { name, limit } => {
                let runs = client
                    .get(&format!("{}/runs?limit={limit}", of(&name)))
                    .await?
                    .body;
                print(options, &runs, || views::runs_table(&runs));
            }
            Self::Grant {
                name,
                add,
                remove,
                requested,
            } => {
                grant(client, options, &name, &add, &remove, requested).await?;
            }
            Self::Sandbox {
                name,
                waive,
                require_all,
            } => {
                let path = format!("{}/sandbox", of(&name));
                let view = if require_all || !waive.is_empty() {
                    let body = json!({ "waive": waive });
                    client.send(Method::PUT, &path, Some(body)).await?.body
                } else {
                    client.get(&path).await?.body
                };
                print(options, &view, || views::sandbox(&view));
            }
        }
        Ok(())
    }
}

/// What is gone, and what is not.
fn removed(name: &ModuleName, delete_data: bool, purge: bool) -> String {
    let rest = match (delete_data, purge) {
        (_, true) => return format!("{name} is removed, with everything that was kept of it."),
        (true, false) => "Its log is",
        (false, false) => "Its data, stored values and log are",
    };
    format!(
        "{name} is removed. {rest} kept: `bllvm-node module uninstall {name} --confirm {name} --purge` \
         removes everything."
    )
}

/// What a load or reload confirms.
fn confirmation(digest: Option<String>) -> Value {
    digest.map_or(json!({}), |digest| json!({ "digest": digest }))
}

/// A module's address.
pub fn of(name: &ModuleName) -> String {
    format!("/api/v1/modules/{name}")
}

pub(super) fn print(options: &Options, answer: &Value, text: impl FnOnce() -> String) {
    if options.json {
        output::json(answer);
    } else {
        out!("{}", text());
    }
}

async fn verb(
    client: &Client,
    options: &Options,
    name: &ModuleName,
    verb: &str,
    body: Value,
    waiting: Waiting,
    done: &str,
) -> Result<()> {
    let accepted = client
        .post(&format!("{}/{verb}", of(name)), body)
        .await?
        .body;
    wait::finish(
        client,
        options,
        accepted,
        waiting,
        &format!("{name} {done}."),
    )
    .await
}

async fn simple(
    client: &Client,
    options: &Options,
    name: &ModuleName,
    verb: &str,
    done: &str,
) -> Result<()> {
    let answer = client
        .post(&format!("{}/{verb}", of(name)), json!({}))
        .await?
        .body;
    print(options, &answer, || format!("{name} {done}."));
    Ok(())
}

async fn logs(
    client: &Client,
    options: &Options,
    name: &ModuleName,
    follow: bool,
    limit: u32,
) -> Result<()> {
    let path = format!("{}/logs?limit={limit}", of(name));
    if !follow {
        let page = client.get(&path).await?.body;
        if options.json {
            output::json(&page);
        } else {
            for line in output::items(&page) {
                out!("{}", views::log_line(line));
            }
        }
        return Ok(());
    }
    sse::follow(
        client,
        &format!("{path}&follow=true"),
        |message| match serde_json::from_str::<Value>(&message.data) {
            Ok(line) if !options.json && message.event.is_empty() => {
                out!("{}", views::log_line(&line));
            }
            _ => out!("{}", message.data),
        },
    )
    .await
}

async fn call(
    client: &Client,
    options: &Options,
    name: &ModuleName,
    method: Option<&str>,
    params: &str,
) -> Result<()> {
    let Some(method) = method else {
        let methods = client.get(&format!("{}/methods", of(name))).await?.body;
        print(options, &methods, || {
            let rows: Vec<_> = output::items(&methods)
                .iter()
                .map(|one| output::row(one, &["name", "description"]))
                .collect();
            output::table(&["METHOD", "WHAT IT DOES"], &rows)
        });
        return Ok(());
    };
    let params: Value = serde_json::from_str(params)
        .map_err(|error| usage(format!("the parameters are not JSON: {error}")))?;
    let path = format!("{}/methods/{}", of(name), encoded(method));
    let answer = client.post(&path, params).await?.body;
    output::json(answer.get("result").unwrap_or(&answer));
    Ok(())
}

async fn grant(
    client: &Client,
    options: &Options,
    name: &ModuleName,
    add: &[Capability],
    remove: &[Capability],
    requested: bool,
) -> Result<()> {
    let path = format!("{}/grants", of(name));
    let mut view = client.get(&path).await?.body;
    if requested || !add.is_empty() || !remove.is_empty() {
        let mut granted = view[if requested { "requested" } else { "granted" }].clone();
        let mut capabilities: Vec<String> = granted["capabilities"]
            .as_array()
            .map(|all| all.iter().map(output::short).collect())
            .unwrap_or_default();
        capabilities.extend(add.iter().map(ToString::to_string));
        capabilities.retain(|one| !remove.iter().any(|gone| gone.as_str() == one));
        capabilities.sort_unstable();
        capabilities.dedup();
        granted["capabilities"] = json!(capabilities);
        client.send(Method::PUT, &path, Some(granted)).await?;
        view = client.get(&path).await?.body;
    }
    print(options, &view, || {
        output::facts(&[
            ("asks for", output::field(&view, "requested.capabilities")),
            ("may", output::field(&view, "granted.capabilities")),
            ("may not", output::field(&view, "missing")),
            ("listens on", output::field(&view, "granted.listeners")),
            ("connects to", output::field(&view, "granted.outgoing")),
            ("UDP", output::field(&view, "granted.udp")),
            ("starts programs", output::field(&view, "granted.programs")),
        ])
    });
    Ok(())
}
