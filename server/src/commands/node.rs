//! `node`: the base node, as a running bllvm-node sees it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use super::cli::Options;
use super::client::Client;
use super::node_mempool::{self, Send};
use super::output;
use super::wait::{self, Waiting};
use crate::model::UtcTime;

/// The base node's commands.
#[derive(Debug, Subcommand)]
pub enum Node {
    /// Show which base node there is, how it is, and its newest blocks
    Info,
    /// Show the mempool by fee rate, or one unconfirmed transaction
    Mempool {
        /// A transaction's id
        txid: Option<String>,
    },
    /// Send transactions, and say what became of each
    Send(Send),
    /// Show the block that would be mined next
    Template,
    /// Estimate fees, from real blocks only
    Fees {
        /// Within how many blocks, 1 to 1008 [default: several]
        #[arg(long, value_name = "BLOCKS", value_parser = clap::value_parser!(u16).range(1..=1008))]
        target: Option<u16>,
    },
    /// List the base node's peers
    Peers,
    /// Mine blocks; on regtest only
    Mine {
        /// How many, 1 to 1000
        #[arg(default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
        count: u32,
        /// Whom the new coins go to [default: a script that anyone can spend]
        #[arg(long)]
        address: Option<String>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Take in block files of Bitcoin Core, or of another bllvm-node
    Import {
        /// A blk00000.dat, or the folder that such files lie in
        path: PathBuf,
        #[command(flatten)]
        waiting: Waiting,
    },
}

impl Node {
    /// Runs the command.
    pub async fn run(self, options: &Options) -> Result<()> {
        let client = Client::connect(options)?;
        match self {
            Self::Info => info(&client, options).await,
            Self::Mempool { txid } => node_mempool::mempool(&client, options, txid).await,
            Self::Send(send) => send.run(&client, options).await,
            Self::Template => node_mempool::template(&client, options).await,
            Self::Fees { target } => node_mempool::fees(&client, options, target).await,
            Self::Peers => peers(&client, options).await,
            Self::Mine {
                count,
                address,
                waiting,
            } => {
                let body = json!({ "count": count, "address": address });
                let accepted = client.post("/api/v1/node/mine", body).await?.body;
                let done = format!("{count} blocks mined.");
                wait::finish(&client, options, accepted, waiting, &done).await
            }
            Self::Import { path, waiting } => {
                let path = std::path::absolute(&path)?;
                let body = json!({ "path": path });
                let accepted = client.post("/api/v1/node/import", body).await?.body;
                wait::finish(&client, options, accepted, waiting, "Taken in.").await
            }
        }
    }
}

async fn peers(client: &Client, options: &Options) -> Result<()> {
    let found = client.get("/api/v1/node/peers").await?.body;
    if options.json {
        output::json(&found);
        return Ok(());
    }
    let peers = found.get("peers").and_then(Value::as_array);
    let rows: Vec<Vec<String>> = peers
        .into_iter()
        .flatten()
        .map(|peer| {
            output::row(
                peer,
                &[
                    "address",
                    "inbound",
                    "height",
                    "user_agent",
                    "sent_bytes",
                    "received_bytes",
                ],
            )
        })
        .collect();
    if rows.is_empty() {
        out!("No peers. `node.connect` names some, and `node.p2p_listen` lets them call.");
        return Ok(());
    }
    out!(
        "{}",
        output::table(
            &[
                "ADDRESS",
                "CALLED US",
                "HEIGHT",
                "SOFTWARE",
                "SENT",
                "RECEIVED"
            ],
            &rows
        )
    );
    Ok(())
}

/// The tip's height, and how far that is while the node catches up.
fn height(node: &Value) -> String {
    let height = output::field(node, "tip.height");
    match (node["tip"]["height"].as_u64(), node["headers"].as_u64()) {
        (Some(tip), Some(headers)) if headers > tip => {
            format!("{height} of {headers}, catching up")
        }
        _ => height,
    }
}

/// The time that a block claims.
fn moment(block: &Value) -> String {
    let seconds = block["time"].as_i64();
    seconds.map_or_else(
        || "-".to_owned(),
        |seconds| UtcTime::from_unix_ms(seconds.saturating_mul(1000)).to_string(),
    )
}

async fn info(client: &Client, options: &Options) -> Result<()> {
    let node = client.get("/api/v1/node").await?.body;
    let blocks = match node.get("tip") {
        Some(tip) if !tip.is_null() => client.get("/api/v1/node/blocks?limit=5").await?.body,
        _ => json!({ "items": [] }),
    };
    if options.json {
        output::json(&json!({ "node": node, "blocks": blocks }));
        return Ok(());
    }
    let warnings: Vec<String> = node
        .get("warnings")
        .and_then(Value::as_array)
        .map_or_else(Vec::new, |all| all.iter().map(output::short).collect());
    let blocks_take = node["size_on_disk"]
        .as_u64()
        .map_or_else(|| "-".to_owned(), output::size);
    out!(
        "{}",
        output::facts(&[
            ("backend", output::field(&node, "backend")),
            ("state", output::field(&node, "state")),
            ("reason", output::field(&node, "reason")),
            ("warnings", warnings.join("\n")),
            ("chain", output::field(&node, "network.chain")),
            ("peers", output::field(&node, "network.peers")),
            ("listens at", output::field(&node, "network.p2p_address")),
            ("software", output::field(&node, "network.version")),
            ("height", height(&node)),
            ("blocks take", blocks_take),
            ("tip", output::field(&node, "tip.hash")),
        ])
    );
    let rows: Vec<Vec<String>> = output::items(&blocks)
        .iter()
        .map(|block| {
            let mut row = output::row(block, &["height", "hash"]);
            row.push(moment(block));
            row
        })
        .collect();
    if !rows.is_empty() {
        out!("\n{}", output::table(&["HEIGHT", "HASH", "TIME"], &rows));
    }
    Ok(())
}
