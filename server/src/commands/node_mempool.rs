//! `node mempool|send|template|fees`: unconfirmed transactions, and the block to be.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::cli::{Options, usage};
use super::client::{Client, encoded};
use super::output;

/// Longest bar in a terminal.
const BAR: usize = 40;

/// Transactions to be sent.
#[derive(Args, Debug)]
pub struct Send {
    /// Their bytes in hex, in the order in which they depend on each other
    transactions: Vec<String>,
    /// Read them from a file, one a line; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "transactions")]
    file: Option<PathBuf>,
    /// Only ask whether they would be taken
    #[arg(long)]
    test: bool,
}

impl Send {
    /// Runs the command.
    pub async fn run(self, client: &Client, options: &Options) -> Result<()> {
        let transactions = match &self.file {
            None => self.transactions,
            Some(file) => read(file)?,
        };
        if transactions.is_empty() {
            return Err(usage("give a transaction in hex, or --file FILE"));
        }
        let body = json!({ "transactions": transactions, "test": self.test });
        let sent = client.post("/api/v1/node/transactions", body).await?.body;
        if options.json {
            output::json(&sent);
        } else {
            for one in output::items(&sent["results"]) {
                let verdict = match (one["accepted"] == true, self.test) {
                    (true, true) => "would be accepted".to_owned(),
                    (true, false) => "accepted".to_owned(),
                    (false, _) => format!("refused: {}", output::field(one, "reason")),
                };
                out!("{}  {verdict}", output::field(one, "txid"));
            }
        }
        if sent["accepted"] == true {
            return Ok(());
        }
        bail!("not all transactions were accepted")
    }
}

fn read(file: &std::path::Path) -> Result<Vec<String>> {
    let mut text = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    }
    .with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// The mempool, or one transaction of it.
pub async fn mempool(client: &Client, options: &Options, txid: Option<String>) -> Result<()> {
    let path = match &txid {
        None => "/api/v1/node/mempool".to_owned(),
        Some(txid) => format!("/api/v1/node/mempool/transactions/{}", encoded(txid)),
    };
    let found = client.get(&path).await?.body;
    if options.json {
        output::json(&found);
    } else if txid.is_some() {
        one(&found);
    } else {
        bands(&found);
    }
    Ok(())
}

fn one(entry: &Value) {
    for (label, key) in [
        ("Transaction", "txid"),
        ("With witness", "wtxid"),
        ("Virtual bytes", "vsize"),
        ("Weight", "weight"),
        ("Fee, sat", "fee_sat"),
        ("With ancestors", "ancestors.count"),
        ("With descendants", "descendants.count"),
        ("Spends", "depends"),
        ("Spent by", "spent_by"),
        ("Replaceable", "replaceable"),
        ("Bytes", "raw"),
    ] {
        out!("{label:<17} {}", output::field(entry, key));
    }
}

fn bands(mempool: &Value) {
    let number = |value: &Value, key: &str| value[key].as_u64().unwrap_or(0);
    let all = number(mempool, "transactions");
    out!(
        "{all} transactions, {} virtual bytes; lowest fee rate {} sat/vB",
        number(mempool, "vsize"),
        sat_per_vb(number(mempool, "min_fee_sat_per_kvb")),
    );
    let looked_at = number(mempool, "looked_at");
    if looked_at < all {
        out!("Of these, {looked_at} were looked at.");
    }
    let bands = output::items(&mempool["bands"]);
    let most = bands.iter().map(|band| number(band, "vsize")).max();
    let rows: Vec<Vec<String>> = bands
        .iter()
        .rev()
        .map(|band| {
            let vsize = number(band, "vsize");
            let length = usize::try_from(vsize * BAR as u64 / most.unwrap_or(1).max(1));
            let length = length.unwrap_or(BAR).max(usize::from(vsize > 0));
            let to = match band["to_sat_per_vb"].as_u64() {
                Some(to) => format!("to {to}"),
                None => "and more".to_owned(),
            };
            vec![
                format!("{} {to}", number(band, "from_sat_per_vb")),
                number(band, "transactions").to_string(),
                vsize.to_string(),
                "█".repeat(length),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let head = ["SAT/VB", "TRANSACTIONS", "VBYTES", ""];
        out!("\n{}", output::table(&head, &rows));
    }
}

fn sat_per_vb(sat_per_kvb: u64) -> String {
    format!("{}.{:03}", sat_per_kvb / 1000, sat_per_kvb % 1000)
}

/// What the next block would be.
pub async fn template(client: &Client, options: &Options) -> Result<()> {
    let template = client.get("/api/v1/node/template").await?.body;
    if options.json {
        output::json(&template);
        return Ok(());
    }
    let transactions = output::items(&template["transactions"]);
    out!(
        "{}",
        output::facts(&[
            ("height", output::field(&template, "height")),
            ("builds on", output::field(&template, "prev")),
            ("transactions", transactions.len().to_string()),
            ("weight", output::field(&template, "weight")),
            (
                "coinbase, sat",
                output::field(&template, "coinbase_value_sat")
            ),
        ])
    );
    let keys = ["txid", "weight"];
    let rows: Vec<_> = transactions
        .iter()
        .map(|one| output::row(one, &keys))
        .collect();
    if !rows.is_empty() {
        out!("\n{}", output::table(&["TRANSACTION", "WEIGHT"], &rows));
    }
    Ok(())
}

/// What a place in the next blocks costs.
pub async fn fees(client: &Client, options: &Options, target: Option<u16>) -> Result<()> {
    let query = target.map(|target| format!("?target_blocks={target}"));
    let path = format!("/api/v1/node/fees{}", query.unwrap_or_default());
    let fees = client.get(&path).await?.body;
    if options.json {
        output::json(&fees);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = output::items(&fees["estimates"])
        .iter()
        .map(|one| {
            let rate = one["sat_per_kvb"].as_u64();
            vec![
                output::field(one, "target_blocks"),
                rate.map_or_else(|| "not known".to_owned(), sat_per_vb),
                output::field(one, "basis"),
            ]
        })
        .collect();
    out!(
        "{}",
        output::table(&["WITHIN BLOCKS", "SAT/VB", "BASIS"], &rows)
    );
    Ok(())
}
