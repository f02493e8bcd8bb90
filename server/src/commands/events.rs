//! `events`: the journal, and what comes.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::cli::Options;
use super::client::{Client, encoded};
use super::{output, sse};

/// Which events.
#[derive(Args, Debug)]
pub struct Events {
    /// Go on with new events until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// Only these types, as in `module.*`; several between commas
    #[arg(long, value_name = "TYPES")]
    pub types: Option<String>,
    /// Begin after this number
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,
    /// At most so many, where new ones are not followed
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
}

impl Events {
    /// Prints them, one a line.
    pub async fn run(self, options: &Options) -> Result<()> {
        let client = Client::connect(options)?;
        let mut query = Vec::new();
        if let Some(types) = &self.types {
            query.push(format!("types={}", encoded(types)));
        }
        if !self.follow {
            let after = match self.after {
                Some(after) => after,
                None => newest(&client).await?.saturating_sub(u64::from(self.limit)),
            };
            query.push(format!("cursor={after}&limit={}", self.limit));
            let path = format!("/api/v1/events?{}", query.join("&"));
            let page = client.get(&path).await?.body;
            if options.json {
                output::json(&page);
            } else {
                for event in output::items(&page) {
                    out!("{}", line_of(event));
                }
            }
            return Ok(());
        }
        if let Some(after) = self.after {
            query.push(format!("after={after}"));
        }
        let path = format!("/api/v1/events/stream?{}", query.join("&"));
        sse::follow(&client, &path, |message| {
            match serde_json::from_str::<Value>(&message.data) {
                Ok(event) if !options.json => out!("{}", line_of(&event)),
                _ => out!("{}", message.data),
            }
        })
        .await
    }
}

/// The newest event's number.
async fn newest(client: &Client) -> Result<u64> {
    let host = client.get("/api/v1/host").await?.body;
    Ok(host.get("last_event").and_then(Value::as_u64).unwrap_or(0))
}

fn line_of(event: &Value) -> String {
    format!(
        "{:>8}  {}  {}  {}",
        output::field(event, "seq"),
        output::field(event, "time"),
        output::field(event, "type"),
        output::field(event, "data")
    )
}
