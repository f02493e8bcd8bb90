//! `webhook`: who may send webhooks, and what came in; `webhook_endpoint` has what goes out.

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::cli::{Options, usage};
use super::client::{Client, encoded};
use super::output;
use super::webhook_endpoint::{Endpoint, Message};
use crate::model::{DeliveryState, Id, UtcTime};

/// The commands for webhooks.
#[derive(Debug, Subcommand)]
pub enum Webhook {
    /// Add, list, rotate, remove and test the sources that may send webhooks
    #[command(subcommand)]
    Source(Source),
    /// List deliveries, newest first
    Deliveries(Which),
    /// Show a delivery, everything that happened to it, and its body without secrets
    Show {
        /// Its id
        id: Id,
        /// Leave the body out
        #[arg(long)]
        no_body: bool,
    },
    /// Announce deliveries to modules again: one by its id, or all that fit
    Replay {
        /// One delivery
        #[arg(conflicts_with_all = ["source", "state", "dead", "since", "until"])]
        id: Option<Id>,
        /// Which deliveries
        #[command(flatten)]
        which: Which,
    },
    /// Add, list, change, test and remove the endpoints that webhooks are sent to
    #[command(subcommand)]
    Endpoint(Endpoint),
    /// Look at the messages to endpoints and every attempt, and send them again
    #[command(subcommand)]
    Message(Message),
}

/// Which deliveries.
#[derive(Args, Clone, Debug)]
pub struct Which {
    /// Only of this source
    #[arg(long)]
    source: Option<String>,
    /// Only in this state: waiting, applied, refused or failed
    #[arg(long, value_parser = state)]
    state: Option<DeliveryState>,
    /// Only dead letters: refused or failed
    #[arg(long)]
    dead: bool,
    /// Only accepted at this time or later, such as 2026-11-22T19:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<UtcTime>,
    /// Only accepted before this time
    #[arg(long, value_name = "TIME")]
    until: Option<UtcTime>,
}

fn state(text: &str) -> Result<DeliveryState, String> {
    DeliveryState::from_word(text)
        .ok_or_else(|| "use waiting, applied, refused or failed".to_owned())
}

/// The commands for sources.
#[derive(Debug, Subcommand)]
pub enum Source {
    /// Let a source send; prints its address, and its secret where one is made, this once
    Add(Add),
    /// List the sources with their secrets' ages; texts of secrets are never shown again
    List,
    /// Give a source a new secret; the one before goes on working for a while
    Rotate {
        /// The source
        name: String,
        /// Bring the secret in a file, instead of having one made
        #[arg(long, value_name = "FILE")]
        secret_file: Option<std::path::PathBuf>,
        /// For how many hours the one before goes on working
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(0..=720))]
        overlap_hours: u64,
    },
    /// Remove a source; its deliveries stay
    Remove {
        /// The source
        name: String,
    },
    /// Ask GitHub now and then for deliveries that nobody took, or see what came of it
    Reconcile(Reconcile),
    /// Send a delivery of our own making through a source
    Test {
        /// The source
        name: String,
    },
}

/// Turns reconciling on, off, or runs it.
#[derive(Args, Debug)]
pub struct Reconcile {
    /// The source
    name: String,
    /// Turn it on: where the hook is at GitHub, such as repos/example/project/hooks/1
    #[arg(long)]
    hook: Option<String>,
    /// A file with a token of GitHub's that may administer the hook; needed the first time
    #[arg(long, value_name = "FILE", requires = "hook")]
    token_file: Option<std::path::PathBuf>,
    /// The address of GitHub's API, where it is not GitHub's own
    #[arg(long, value_name = "URL", requires = "hook")]
    api_url: Option<String>,
    /// Minutes between two runs [default: 60]
    #[arg(long, requires = "hook")]
    every_min: Option<u32>,
    /// Turn it off, and forget the token
    #[arg(long, conflicts_with_all = ["hook", "now"])]
    off: bool,
    /// Run it now, and say what came of it
    #[arg(long)]
    now: bool,
}

impl Reconcile {
    async fn run(&self, client: &Client, options: &Options) -> Result<()> {
        let path = format!("{SOURCES}/{}/reconcile", encoded(&self.name));
        if self.off {
            client.delete(&path).await?;
            if !options.json {
                out!("{} is reconciled no more.", self.name);
            }
            return Ok(());
        }
        if let Some(hook) = &self.hook {
            let body = json!({
                "hook": hook, "api_url": self.api_url, "every_min": self.every_min,
                "token": read_secret(self.token_file.as_deref())?,
            });
            client.send(reqwest::Method::PUT, &path, Some(body)).await?;
        }
        if self.now {
            client.post(&format!("{path}/run"), Value::Null).await?;
        }
        let shown = client.get(&path).await?.body;
        if options.json {
            output::json(&shown);
            return Ok(());
        }
        for (label, key) in [
            ("Hook", "hook"),
            ("API", "api_url"),
            ("Every", "every_min"),
            ("Last run", "last_run_at"),
            ("Looked at", "last_report.looked_at"),
            ("Missing", "last_report.missing"),
            ("Asked for", "last_report.requested"),
            ("Given up", "last_report.given_up"),
            ("Problem", "last_report.error"),
        ] {
            out!("{label:<10} {}", output::field(&shown, key));
        }
        Ok(())
    }
}

/// How a sender signs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Scheme {
    /// X-Hub-Signature-256
    Github,
    /// Standard Webhooks, v1 and v1a
    Standard,
    /// HMAC-SHA256 in headers that you name
    Hmac,
}

/// Adds a source.
#[derive(Args, Debug)]
pub struct Add {
    /// The last part of its address: a-z, 0-9 and -
    name: String,
    /// How the sender signs
    #[arg(long, value_enum)]
    scheme: Scheme,
    /// Bring the secret in a file, instead of having one made; for Standard Webhooks `whsec_…`, or
    /// the sender's public key `whpk_…`
    #[arg(long, value_name = "FILE")]
    secret_file: Option<std::path::PathBuf>,
    /// With `hmac`: the header with the signature
    #[arg(long, value_name = "NAME")]
    signature_header: Option<String>,
    /// With `hmac`: how the signature is written, hex or base64
    #[arg(long, default_value = "hex", value_parser = ["hex", "base64"])]
    encoding: String,
    /// With `hmac`: what stands before the signature
    #[arg(long, default_value = "")]
    prefix: String,
    /// With `hmac`: the header with the delivery's id
    #[arg(long, value_name = "NAME")]
    id_header: Option<String>,
    /// With `hmac`: the header with the time; `<time>.<body>` is signed then
    #[arg(long, value_name = "NAME")]
    timestamp_header: Option<String>,
    /// How far a signed time may be off, in seconds
    #[arg(long, default_value_t = 300)]
    tolerance_s: u32,
    /// Deliveries a minute; 0 for no bound
    #[arg(long, default_value_t = 600)]
    rate_per_minute: u32,
}

impl Add {
    fn body(&self) -> Result<Value> {
        let scheme = match self.scheme {
            Scheme::Github => "github",
            Scheme::Standard => "standard",
            Scheme::Hmac => "hmac",
        };
        let hmac = match (self.scheme, &self.signature_header) {
            (Scheme::Hmac, None) => {
                return Err(usage("--scheme hmac needs --signature-header"));
            }
            (Scheme::Hmac, Some(header)) => json!({
                "signature_header": header, "encoding": self.encoding, "prefix": self.prefix,
                "id_header": self.id_header, "timestamp_header": self.timestamp_header,
            }),
            _ => Value::Null,
        };
        Ok(json!({
            "name": self.name, "scheme": scheme, "hmac": hmac,
            "tolerance_s": self.tolerance_s, "rate_per_minute": self.rate_per_minute,
            "secret": read_secret(self.secret_file.as_deref())?,
        }))
    }
}

/// A secret comes from a file, out of the sight of others on this machine.
pub(super) fn read_secret(file: Option<&std::path::Path>) -> Result<Option<String>> {
    file.map(|file| {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("the secret's file {} cannot be read", file.display()))?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    })
    .transpose()
}

const SOURCES: &str = "/api/v1/webhooks/sources";
const DELIVERIES: &str = "/api/v1/webhooks/deliveries";

impl Webhook {
    /// Runs the command.
    pub async fn run(self, options: &Options) -> Result<()> {
        let client = Client::connect(options)?;
        match self {
            Self::Source(source) => source.run(&client, options).await,
            Self::Endpoint(endpoint) => endpoint.run(&client, options).await,
            Self::Message(message) => message.run(&client, options).await,
            Self::Deliveries(which) => {
                let path = format!("{DELIVERIES}?{}", which.query());
                let page = client.get(&path).await?.body;
                if options.json {
                    output::json(&page);
                    return Ok(());
                }
                let keys = [
                    "id",
                    "source",
                    "kind",
                    "state",
                    "size",
                    "~received_at",
                    "sender_id",
                ];
                let head = [
                    "ID",
                    "SOURCE",
                    "KIND",
                    "STATE",
                    "BYTES",
                    "AGE",
                    "SENDER'S ID",
                ];
                out!(
                    "{}",
                    output::table(&head, &rows(output::items(&page), &keys))
                );
                Ok(())
            }
            Self::Show { id, no_body } => show(&client, options, id, no_body).await,
            Self::Replay { id: Some(id), .. } => {
                let path = format!("{DELIVERIES}/{id}/replay");
                let delivery = client.post(&path, Value::Null).await?.body;
                if options.json {
                    output::json(&delivery);
                } else {
                    out!("Delivery {id} is announced again.");
                }
                Ok(())
            }
            Self::Replay { id: None, which } => {
                let done = client.post("/api/v1/webhooks/replay", which.body()).await?;
                if options.json {
                    output::json(&done.body);
                } else {
                    let count = output::field(&done.body, "replayed");
                    out!("{count} deliveries are announced again.");
                    if done.body["more"] == true {
                        out!("More fit; go on with a later --since.");
                    }
                }
                Ok(())
            }
        }
    }
}

async fn show(client: &Client, options: &Options, id: Id, no_body: bool) -> Result<()> {
    let mut delivery = client.get(&format!("{DELIVERIES}/{id}")).await?.body;
    let kept = delivery["body_kept"] == true && !no_body;
    let body = if kept {
        client.get(&format!("{DELIVERIES}/{id}/body")).await?.body
    } else {
        Value::Null
    };
    if options.json {
        delivery["body"] = body;
        output::json(&delivery);
        return Ok(());
    }
    for (label, key) in [
        ("Delivery", "id"),
        ("Source", "source"),
        ("Sender's id", "sender_id"),
        ("Kind", "kind"),
        ("State", "state"),
        ("Bytes", "size"),
        ("SHA-256", "digest"),
        ("Acknowledged by", "acknowledged_by"),
    ] {
        out!("{label:<16} {}", output::field(&delivery, key));
    }
    let keys = ["number", "time", "kind", "actor", "code", "detail"];
    let head = ["#", "TIME", "WHAT", "WHO", "CODE", "DETAIL"];
    let attempts = output::items(&delivery["attempts"]);
    out!("\n{}", output::table(&head, &rows(attempts, &keys)));
    if kept {
        out!("\n{}", output::field(&body, "text"));
    }
    Ok(())
}

impl Which {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        fields.extend(self.source.clone().map(|source| ("source", source)));
        fields.extend(self.state.map(|state| ("state", state.to_string())));
        fields.extend(self.since.map(|time| ("since", time.to_string())));
        fields.extend(self.until.map(|time| ("until", time.to_string())));
        fields
    }

    fn query(&self) -> String {
        let fields = self.fields().into_iter();
        let mut query: Vec<_> = fields
            .map(|(key, value)| format!("{key}={}", encoded(&value)))
            .collect();
        if self.dead {
            query.push("dead=true".to_owned());
        }
        query.join("&")
    }

    fn body(&self) -> Value {
        let mut body: serde_json::Map<_, _> = self
            .fields()
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .collect();
        if self.dead {
            body.insert("dead".to_owned(), true.into());
        }
        body.into()
    }
}

impl Source {
    async fn run(self, client: &Client, options: &Options) -> Result<()> {
        let (path, body) = match &self {
            Self::Add(add) => (SOURCES.to_owned(), add.body()?),
            Self::List => return list(client, options).await,
            Self::Reconcile(reconcile) => return reconcile.run(client, options).await,
            Self::Rotate {
                name,
                secret_file,
                overlap_hours,
            } => (
                format!("{SOURCES}/{}/rotate", encoded(name)),
                json!({
                    "secret": read_secret(secret_file.as_deref())?,
                    "overlap_s": overlap_hours * 3600,
                }),
            ),
            Self::Remove { name } => {
                client
                    .delete(&format!("{SOURCES}/{}", encoded(name)))
                    .await?;
                if !options.json {
                    out!("Source {name} may send no more; its deliveries stay.");
                }
                return Ok(());
            }
            Self::Test { name } => (format!("{SOURCES}/{}/test", encoded(name)), Value::Null),
        };
        let answer = client.post(&path, body).await?.body;
        if options.json {
            output::json(&answer);
        } else if let Self::Test { .. } = self {
            let delivery = output::field(&answer, "delivery");
            out!(
                "Delivery {delivery} is in the inbox; see it with `bllvm-node webhook show {delivery}`."
            );
        } else {
            out!(
                "Address  {}{}",
                client.base(),
                output::field(&answer, "path")
            );
            if answer["secret"].is_string() {
                out!("Secret   {}", output::field(&answer, "secret"));
                eprintln!("Keep the secret now; it is shown this once.");
            }
        }
        Ok(())
    }
}

async fn list(client: &Client, options: &Options) -> Result<()> {
    let sources = client.get(SOURCES).await?.body;
    if options.json {
        output::json(&sources);
        return Ok(());
    }
    let keys = [
        "name",
        "scheme",
        "rate_per_minute",
        "by",
        "~secrets.0.created_at",
        "~secrets.0.last_used_at",
        "~secrets.1.last_used_at",
        "secrets.1.expires_at",
    ];
    let head = [
        "NAME",
        "SCHEME",
        "PER MINUTE",
        "BY",
        "SECRET'S AGE",
        "LAST USED",
        "OLD LAST USED",
        "OLD ENDS",
    ];
    out!(
        "{}",
        output::table(&head, &rows(output::items(&sources), &keys))
    );
    Ok(())
}

fn rows(items: &[Value], keys: &[&str]) -> Vec<Vec<String>> {
    items.iter().map(|one| output::row(one, keys)).collect()
}
