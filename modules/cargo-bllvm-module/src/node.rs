//! A running node's REST API, as far as an author needs it: install, list, uninstall.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bllvm_manifest::ModuleName;
use clap::Args;
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::error::Failure;

/// How long one answer may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// Which node.
#[derive(Args, Clone, Debug)]
pub struct Which {
    /// The node's address [default: the one that runs on the data directory]
    #[arg(long, value_name = "URL")]
    node: Option<String>,
    /// The node's data directory, for its address and its cookie file
    #[arg(long, value_name = "DIR", env = "BLLVM__DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// A token instead of the cookie file; @FILE reads it from a file, out of others' sight
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
}

/// A node to ask.
#[derive(Debug)]
pub struct Node {
    http: reqwest::Client,
    base: String,
    authorization: String,
}

impl Which {
    /// Finds the node.
    ///
    /// # Errors
    /// Where none runs, or nothing opens it.
    pub fn connect(&self) -> Result<Node> {
        let dir = self.data_dir.clone().or_else(default_data_dir);
        let base = match (&self.node, &dir) {
            (Some(node), _) => node.trim_end_matches('/').to_owned(),
            (None, Some(dir)) => read(&dir.join("http-address"))
                .map_err(|_| unreachable(&format!("no node runs on {}", dir.display())))?,
            (None, None) => return Err(unreachable("there is no data directory to look in")),
        };
        if !base.starts_with("http://") {
            let detail = format!("{base}: only http:// is spoken here; go through a tunnel");
            return Err(Failure::because("invalid_address", detail));
        }
        let authorization = match (&self.token, &dir) {
            (Some(token), _) => match token.strip_prefix('@') {
                Some(file) => format!("Bearer {}", read(Path::new(file))?),
                None => format!("Bearer {token}"),
            },
            // The cookie is this machine's and never leaves it.
            (None, _) if !is_local(&base) => {
                let detail = format!("{base} is another machine: give a --token");
                return Err(Failure::because("credentials_missing", detail));
            }
            (None, Some(dir)) => {
                let cookie = read(&dir.join(".cookie"))
                    .map_err(|_| unreachable(&format!("{} has no cookie file", dir.display())))?;
                format!("Basic {}", BASE64_STANDARD.encode(cookie))
            }
            (None, None) => return Err(unreachable("there is no data directory with a cookie")),
        };
        let http = reqwest::Client::builder()
            .timeout(DEADLINE)
            .no_proxy()
            .build()?;
        Ok(Node {
            http,
            base,
            authorization,
        })
    }
}

fn is_local(base: &str) -> bool {
    let host = base.trim_start_matches("http://");
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn read(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(text.trim().to_owned())
}

fn unreachable(why: &str) -> anyhow::Error {
    Failure::because(
        "node_unreachable",
        format!(
            "{why}: start it with `bllvm-node run`, or name it with --node, --data-dir and --token"
        ),
    )
}

/// As the node itself finds it.
fn default_data_dir() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    if std::fs::metadata("/var/lib/bllvm/.cookie").is_ok() {
        return Some("/var/lib/bllvm".into());
    }
    variable("XDG_DATA_HOME")
        .or_else(|| Some(variable("HOME")?.join(".local/share")))
        .map(|dir| dir.join("bllvm"))
}

impl Node {
    /// Asks, and reads JSON.
    ///
    /// # Errors
    /// The node's refusal with its code, or why it could not be asked.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let url = format!("{}/api/v1{path}", self.base);
        let mut request = self
            .http
            .request(method, url)
            .header(AUTHORIZATION, &self.authorization);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request
            .send()
            .await
            .map_err(|_| unreachable(&format!("nothing answers at {}", self.base)))?;
        let status = answer.status();
        let bytes = answer.bytes().await.context("the connection broke")?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() {
            return Ok(value);
        }
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let code = Some(text("reason"))
            .filter(|word| !word.is_empty())
            .unwrap_or_else(|| text("code"));
        let detail = if value.is_null() {
            format!("the node answered {status}")
        } else {
            format!("{} ({code})", text("detail"))
        };
        Err(Failure::because("node_refused", detail))
    }

    /// Waits for an operation's end and gives its result.
    ///
    /// # Errors
    /// How it failed.
    pub async fn finished(&self, operation: &Value) -> Result<Value> {
        let id = operation["id"]
            .as_str()
            .context("the node named no operation")?;
        loop {
            let now = self
                .ask(Method::GET, &format!("/operations/{id}?wait=20s"), None)
                .await?;
            match now["status"].as_str() {
                Some("succeeded") => return Ok(now["result"].clone()),
                Some("failed" | "cancelled") => {
                    let text = |key: &str| {
                        now["failure"][key]
                            .as_str()
                            .unwrap_or("cancelled")
                            .to_owned()
                    };
                    let detail = format!("{} ({})", text("detail"), text("code"));
                    return Err(Failure::because("node_refused", detail));
                }
                _ => {}
            }
        }
    }

    /// Takes a module in.
    ///
    /// # Errors
    /// The node's refusal.
    pub async fn install(&self, path: &Path, as_local: bool) -> Result<Value> {
        let body = json!({ "path": path, "as_local": as_local });
        let begun = self.ask(Method::POST, "/modules", Some(body)).await?;
        self.finished(&begun).await
    }

    /// Takes a module in from a registry of the node; none where no registry lists it. One that is
    /// listed and refused is never looked for elsewhere.
    ///
    /// # Errors
    /// The node's refusal, or where more than one registry lists it.
    pub async fn install_listed(&self, name: &ModuleName, as_local: bool) -> Result<Option<Value>> {
        let found = self
            .ask(Method::GET, &format!("/catalog?search={name}"), None)
            .await?;
        let items = found["items"].as_array().into_iter().flatten();
        let registries: Vec<&str> = items
            .filter(|one| one["module"] == name.as_str())
            .filter_map(|one| one["registry"].as_str())
            .collect();
        match registries[..] {
            [] => Ok(None),
            [registry] => {
                let path = format!("/catalog/{registry}/{name}/install");
                let body = json!({ "as_local": as_local });
                let begun = self.ask(Method::POST, &path, Some(body)).await?;
                self.finished(&begun).await.map(Some)
            }
            _ => Err(Failure::because(
                "registry_ambiguous",
                format!(
                    "`{name}` is in {}: say which with `bllvm-node catalog install {name} --registry NAME`",
                    registries.join(" and ")
                ),
            )),
        }
    }
}

/// Runs what waits for a node.
///
/// # Errors
/// Its own, or where the system gives no event loop.
pub fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_stays_on_this_machine() {
        assert!(is_local("http://127.0.0.1:8480"));
        assert!(is_local("http://localhost:1"));
        assert!(is_local("http://[::1]:8480"));
        assert!(!is_local("http://127.0.0.1.evil.example:80"));
        assert!(!is_local("http://192.0.2.1:8480"));
    }
}
