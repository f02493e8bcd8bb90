//! `webhook endpoint` and `webhook message`: who is told, and what became of each message.

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use super::cli::Options;
use super::client::{Client, encoded};
use super::output;
use super::webhook::read_secret;
use crate::model::{Id, MessageState, UtcTime};

const ENDPOINTS: &str = "/api/v1/webhooks/endpoints";
const MESSAGES: &str = "/api/v1/webhooks/messages";

/// The commands for endpoints.
#[derive(Debug, Subcommand)]
pub enum Endpoint {
    /// Tell somebody of events from now on; prints what the receiver checks with
    Add(Add),
    /// List the endpoints, how their lanes are, and how much waits
    List,
    /// Show an endpoint with its keys
    Show {
        /// The endpoint
        name: String,
    },
    /// Change what is sent where; what is not named stays
    Set(Set),
    /// Send again: what waits, and the events since it was disabled
    Enable {
        /// The endpoint
        name: String,
        /// Leave the events in between out
        #[arg(long)]
        from_now: bool,
    },
    /// Send no more; what waits goes on waiting
    Disable {
        /// The endpoint
        name: String,
    },
    /// Sign with a new key; for a while the one before signs beside it
    Rotate {
        /// The endpoint
        name: String,
        /// How to sign from now on [default: as before]
        #[arg(long, value_enum)]
        signing: Option<Signing>,
        /// Bring the key in a file, instead of having one made
        #[arg(long, value_name = "FILE")]
        key_file: Option<std::path::PathBuf>,
        /// For how many hours the one before signs beside it
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(0..=720))]
        overlap_hours: u64,
    },
    /// Send a message of our own making once, and say what came of it
    Test {
        /// The endpoint
        name: String,
    },
    /// Send messages again that are over, oldest first
    Redeliver {
        /// The endpoint
        name: String,
        /// Which of its messages
        #[command(flatten)]
        which: Which,
    },
    /// Remove an endpoint with its messages
    Remove {
        /// The endpoint
        name: String,
    },
}

/// The commands for messages.
#[derive(Debug, Subcommand)]
pub enum Message {
    /// List messages, newest first
    List {
        /// Only to this endpoint
        #[arg(long)]
        endpoint: Option<String>,
        /// Which messages
        #[command(flatten)]
        which: Which,
    },
    /// Show a message, every attempt, and its body without secrets
    Show {
        /// Its id, without `msg_`
        id: Id,
    },
    /// Send a message again, at once
    Redeliver {
        /// Its id, without `msg_`
        id: Id,
    },
}

/// Which messages.
#[derive(Args, Clone, Debug)]
pub struct Which {
    /// Only in this state: waiting, delivered or failed
    #[arg(long, value_parser = state)]
    state: Option<MessageState>,
    /// Only queued at this time or later, such as 2026-11-22T19:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<UtcTime>,
    /// Only queued before this time
    #[arg(long, value_name = "TIME")]
    until: Option<UtcTime>,
}

fn state(text: &str) -> Result<MessageState, String> {
    MessageState::from_word(text).ok_or_else(|| "use waiting, delivered or failed".to_owned())
}

/// How messages are signed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Signing {
    /// HMAC-SHA256 with a shared secret
    V1,
    /// Ed25519; the receiver needs a public key only
    V1a,
}

impl Signing {
    fn word(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1a => "v1a",
        }
    }
}

/// Adds an endpoint.
#[derive(Args, Debug)]
pub struct Add {
    /// Its name: a-z, 0-9 and -
    name: String,
    /// Where messages are posted to, by https
    address: String,
    /// Which durable events, such as `chain.*`; may be repeated
    #[arg(long = "event", value_name = "TYPE", default_value = "*")]
    events: Vec<String>,
    /// How messages are signed
    #[arg(long, value_enum, default_value = "v1")]
    signing: Signing,
    /// Bring the key in a file, instead of having one made: `whsec_…` or `whsk_…`
    #[arg(long, value_name = "FILE")]
    key_file: Option<std::path::PathBuf>,
    /// Keep the order: a message waits until the one before it was delivered or has failed
    #[arg(long)]
    ordered: bool,
    /// How long an attempt may take, in seconds
    #[arg(long, default_value_t = 15)]
    timeout_s: u32,
    /// For people
    #[arg(long, default_value = "")]
    description: String,
}

/// Changes an endpoint.
#[derive(Args, Debug)]
pub struct Set {
    /// The endpoint
    name: String,
    /// Where messages are posted to
    #[arg(long)]
    address: Option<String>,
    /// Which durable events; may be repeated, and replaces all
    #[arg(long = "event", value_name = "TYPE")]
    events: Vec<String>,
    /// Whether the order is kept
    #[arg(long, value_name = "BOOL")]
    ordered: Option<bool>,
    /// How long an attempt may take, in seconds
    #[arg(long)]
    timeout_s: Option<u32>,
    /// For people
    #[arg(long)]
    description: Option<String>,
}

impl Endpoint {
    /// Runs the command.
    pub async fn run(self, client: &Client, options: &Options) -> Result<()> {
        let at = |name: &str, verb: &str| format!("{ENDPOINTS}/{}/{verb}", encoded(name));
        match self {
            Self::Add(add) => {
                let body = json!({
                    "name": add.name, "url": add.address, "events": add.events,
                    "ordered": add.ordered, "timeout_s": add.timeout_s,
                    "description": add.description, "signing": add.signing.word(),
                    "key": read_secret(add.key_file.as_deref())?,
                });
                let made = client.post(ENDPOINTS, body).await?.body;
                tell_key(options, &made);
            }
            Self::Rotate {
                name,
                signing,
                key_file,
                overlap_hours,
            } => {
                let body = json!({
                    "signing": signing.map(Signing::word),
                    "key": read_secret(key_file.as_deref())?,
                    "overlap_s": overlap_hours * 3600,
                });
                let made = client.post(&at(&name, "rotate"), body).await?.body;
                tell_key(options, &made);
            }
            Self::List => list(client, options).await?,
            Self::Show { name } => {
                let path = format!("{ENDPOINTS}/{}", encoded(&name));
                show(options, &client.get(&path).await?.body);
            }
            Self::Set(set) => {
                let path = format!("{ENDPOINTS}/{}", encoded(&set.name));
                let known = client.get(&path).await?.body;
                let body = Some(set.body(&known));
                show(options, &client.send(Method::PUT, &path, body).await?.body);
            }
            Self::Enable { name, from_now } => {
                let body = json!({ "from_now": from_now });
                show(
                    options,
                    &client.post(&at(&name, "enable"), body).await?.body,
                );
            }
            Self::Disable { name } => {
                let answer = client.post(&at(&name, "disable"), Value::Null).await?;
                show(options, &answer.body);
            }
            Self::Test { name } => {
                let answer = client.post(&at(&name, "test"), Value::Null).await?;
                return tested(options, &name, &answer.body);
            }
            Self::Redeliver { name, which } => {
                let done = client.post(&at(&name, "redeliver"), which.body()).await?;
                if options.json {
                    output::json(&done.body);
                } else {
                    let count = output::field(&done.body, "redelivered");
                    out!("{count} messages are sent again.");
                    if done.body["more"] == true {
                        out!("More fit; go on with a later --since.");
                    }
                }
            }
            Self::Remove { name } => {
                let path = format!("{ENDPOINTS}/{}", encoded(&name));
                client.delete(&path).await?;
                if !options.json {
                    out!("Endpoint {name} is gone with its messages.");
                }
            }
        }
        Ok(())
    }
}

impl Set {
    /// All settings: those that are named, and the others as they are.
    fn body(&self, known: &Value) -> Value {
        let mut body = json!({
            "url": known["url"], "events": known["events"], "ordered": known["ordered"],
            "timeout_s": known["timeout_s"], "description": known["description"],
        });
        let events = (!self.events.is_empty()).then(|| json!(self.events));
        let named = [
            ("url", self.address.clone().map(Value::from)),
            ("events", events),
            ("ordered", self.ordered.map(Value::from)),
            ("timeout_s", self.timeout_s.map(Value::from)),
            ("description", self.description.clone().map(Value::from)),
        ];
        for (key, value) in named {
            if let Some(value) = value {
                body[key] = value;
            }
        }
        body
    }
}

impl Message {
    /// Runs the command.
    pub async fn run(self, client: &Client, options: &Options) -> Result<()> {
        match self {
            Self::List { endpoint, which } => {
                let mut query = which.fields();
                query.extend(endpoint.map(|name| ("endpoint", name)));
                let query: Vec<_> = query
                    .into_iter()
                    .map(|(key, value)| format!("{key}={}", encoded(&value)))
                    .collect();
                let page = client
                    .get(&format!("{MESSAGES}?{}", query.join("&")))
                    .await?;
                if options.json {
                    output::json(&page.body);
                    return Ok(());
                }
                let keys = [
                    "id",
                    "endpoint",
                    "kind",
                    "seq",
                    "state",
                    "tries",
                    "~created_at",
                    "due_at",
                ];
                let head = [
                    "ID", "ENDPOINT", "EVENT", "NUMBER", "STATE", "TRIES", "AGE", "NEXT TRY",
                ];
                out!(
                    "{}",
                    output::table(&head, &rows(output::items(&page.body), &keys))
                );
            }
            Self::Show { id } => {
                let message = client.get(&format!("{MESSAGES}/{id}")).await?.body;
                if options.json {
                    output::json(&message);
                    return Ok(());
                }
                for (label, key) in [
                    ("Message", "id"),
                    ("Endpoint", "endpoint"),
                    ("Event", "kind"),
                    ("Number", "seq"),
                    ("State", "state"),
                    ("Next try", "due_at"),
                ] {
                    out!("{label:<10} {}", output::field(&message, key));
                }
                let keys = ["number", "time", "code", "status", "duration_ms", "detail"];
                let head = ["#", "TIME", "WHAT", "STATUS", "MS", "DETAIL"];
                let attempts = output::items(&message["attempts"]);
                out!("\n{}", output::table(&head, &rows(attempts, &keys)));
                out!("\n{}", output::field(&message, "body.text"));
            }
            Self::Redeliver { id } => {
                let path = format!("{MESSAGES}/{id}/redeliver");
                let message = client.post(&path, Value::Null).await?.body;
                if options.json {
                    output::json(&message);
                } else {
                    out!("Message {id} is sent again.");
                }
            }
        }
        Ok(())
    }
}

impl Which {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        fields.extend(self.state.map(|state| ("state", state.to_string())));
        fields.extend(self.since.map(|time| ("since", time.to_string())));
        fields.extend(self.until.map(|time| ("until", time.to_string())));
        fields
    }

    fn body(&self) -> Value {
        let fields = self.fields().into_iter();
        let body: serde_json::Map<_, _> = fields
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .collect();
        body.into()
    }
}

/// Prints what the receiver checks with.
fn tell_key(options: &Options, made: &Value) {
    if options.json {
        output::json(made);
        return;
    }
    show(options, made);
    if made["secret"].is_string() {
        out!("Secret     {}", output::field(made, "secret"));
        eprintln!("Give the secret to the receiver now; it is shown this once.");
    }
}

fn show(options: &Options, endpoint: &Value) {
    if options.json {
        output::json(endpoint);
        return;
    }
    for (label, key) in [
        ("Endpoint", "name"),
        ("Address", "url"),
        ("Events", "events"),
        ("State", "state"),
        ("Reason", "reason"),
        ("In order", "ordered"),
        ("Failures", "failures"),
        ("Held until", "held_until"),
        ("Waiting", "waiting"),
        ("Failed", "failed"),
    ] {
        out!("{label:<10} {}", output::field(endpoint, key));
    }
    for key in output::items(&endpoint["keys"]) {
        let [scheme, public, expires] =
            ["scheme", "public", "expires_at"].map(|field| output::field(key, field));
        out!("Key        {scheme}  public {public}  ends {expires}");
    }
}

fn tested(options: &Options, name: &str, test: &Value) -> Result<()> {
    if options.json {
        output::json(test);
    } else {
        out!("{}", output::field(test, "detail"));
        if test["reply"].is_string() {
            out!("{}", output::field(test, "reply"));
        }
    }
    if test["delivered"] == true {
        return Ok(());
    }
    let code = output::field(test, "code");
    bail!("{name} did not take the test ({code})")
}

async fn list(client: &Client, options: &Options) -> Result<()> {
    let endpoints = client.get(ENDPOINTS).await?.body;
    if options.json {
        output::json(&endpoints);
        return Ok(());
    }
    let keys = [
        "name",
        "state",
        "url",
        "events",
        "waiting",
        "failed",
        "failures",
        "held_until",
    ];
    let head = [
        "NAME",
        "STATE",
        "ADDRESS",
        "EVENTS",
        "WAITING",
        "FAILED",
        "FAILURES",
        "HELD UNTIL",
    ];
    out!(
        "{}",
        output::table(&head, &rows(output::items(&endpoints), &keys))
    );
    Ok(())
}

fn rows(items: &[Value], keys: &[&str]) -> Vec<Vec<String>> {
    items.iter().map(|one| output::row(one, keys)).collect()
}
