//! The base node: backend, chain, recent blocks, and mining where it costs nothing.

use askama::Template;

use super::mempool::{self, FeeRow, MempoolPart, SendForm};
use super::overview::hostile_problem;
use crate::format::{Hash, Stamp};
use crate::layout::Chrome;
use crate::parts::{Badge, Fact, Problem, Tone, Value};
use crate::samples::{self, BLOCK, HOSTILE, ago};

/// `GET /node`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/node.html")]
pub struct Node {
    /// The frame.
    pub chrome: Chrome,
    /// Ready, syncing, starting, unreachable.
    pub state: Badge,
    /// What is wrong.
    pub problem: Option<Problem>,
    /// Chain, height, tip, median time.
    pub chain: Vec<Fact>,
    /// Which backend, its version, its process, whether it takes submissions.
    pub backend: Vec<Fact>,
    /// The last blocks, newest first.
    pub blocks: Vec<BlockRow>,
    /// With whom it exchanges blocks and transactions.
    pub peers: Vec<PeerRow>,
    /// How many more there are, and what lists them.
    pub more_peers: Option<String>,
    /// Unconfirmed transactions; none where there is no mempool.
    pub mempool: Option<MempoolPart>,
    /// The block to be.
    pub template: Vec<Fact>,
    /// What a place in the next blocks costs.
    pub fees: Vec<FeeRow>,
    /// The form to send transactions.
    pub send: Option<SendForm>,
    /// The form to mine, on regtest only.
    pub mine: Option<MineForm>,
}

/// A block in a row.
#[derive(Debug, Clone)]
pub struct BlockRow {
    /// Its height, grouped.
    pub height: String,
    /// Its hash.
    pub hash: Hash,
    /// Its time.
    pub time: Stamp,
    /// Number of transactions.
    pub transactions: String,
    /// Its size.
    pub size: String,
}

/// A peer in a row.
#[derive(Debug, Clone)]
pub struct PeerRow {
    /// Its address.
    pub address: String,
    /// What it says it is.
    pub software: String,
    /// Whether it called us.
    pub inbound: bool,
    /// Its best height, grouped.
    pub height: String,
    /// When the line was made.
    pub since: Stamp,
    /// What went to it.
    pub sent: String,
    /// What came from it.
    pub received: String,
}

impl PeerRow {
    fn samples() -> Vec<Self> {
        let one = |address: &str, software: &str, inbound| Self {
            address: address.to_owned(),
            software: software.to_owned(),
            inbound,
            height: "1,204".to_owned(),
            since: ago(3100),
            sent: "1.2 MiB".to_owned(),
            received: "38.4 MiB".to_owned(),
        };
        vec![
            one("127.0.0.1:18444", "/Satoshi:30.0.0/", false),
            one("127.0.0.1:53194", "/bllvm:0.1.0/", true),
        ]
    }
}

/// The form to mine, as it was filled in.
#[derive(Debug, Clone)]
pub struct MineForm {
    /// The chain's name.
    pub chain: String,
    /// How many.
    pub count: String,
    /// What is wrong with that.
    pub count_error: Option<String>,
    /// To whom.
    pub address: String,
    /// What is wrong with that.
    pub address_error: Option<String>,
}

impl Node {
    /// An embedded regtest node.
    pub fn sample() -> Self {
        let block = |back: u32| BlockRow {
            height: format!("1,{}", 204 - back),
            hash: Hash::new(BLOCK),
            time: ago(185 + i64::from(back) * 600),
            transactions: (back % 4 + 1).to_string(),
            size: "312 B".to_owned(),
        };
        Self {
            chrome: samples::chrome("/node"),
            state: Badge::new(Tone::Good, "ready"),
            problem: None,
            chain: vec![
                Fact::text("Chain", "regtest"),
                Fact::text("Height", "1,204"),
                Fact::new("Tip", Value::Hash(Hash::new(BLOCK))),
                Fact::new("Mined", Value::Time(ago(185))),
                Fact::new("Median time", Value::Time(ago(3100))),
            ],
            backend: vec![
                Fact::text("Backend", "embedded (libbitcoinkernel 0.3.2)"),
                Fact::text("Process", "41233, up 2 h 16 min"),
                Fact::code("Data", "/var/lib/bllvm/node/regtest"),
                Fact::text("Submissions", "transactions and blocks"),
            ],
            blocks: (0..8).map(block).collect(),
            peers: PeerRow::samples(),
            more_peers: None,
            mempool: Some(MempoolPart::sample()),
            template: mempool::template_sample(),
            fees: FeeRow::samples(),
            send: Some(SendForm::default()),
            mine: Some(MineForm {
                chain: "regtest".to_owned(),
                count: "1".to_owned(),
                count_error: None,
                address: String::new(),
                address_error: None,
            }),
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let problem = Problem {
            what: "Bitcoin Core at 127.0.0.1:8332 does not answer (connection refused).".to_owned(),
            advice:
                "Start bitcoind, or set [node] backend = \"embedded\". It is tried again in 8 s."
                    .to_owned(),
            lines: Vec::new(),
        };
        let unreachable = Self {
            state: Badge::new(Tone::Bad, "unreachable"),
            problem: Some(problem),
            chain: Vec::new(),
            blocks: Vec::new(),
            peers: Vec::new(),
            mempool: None,
            template: Vec::new(),
            fees: Vec::new(),
            send: None,
            mine: None,
            ..Self::sample()
        };
        let mine = MineForm {
            chain: "regtest".to_owned(),
            count: "100000".to_owned(),
            count_error: Some("At most 1,000 at once.".to_owned()),
            address: "bc1qexample".to_owned(),
            address_error: Some("This is an address of another chain (main).".to_owned()),
        };
        let refused = Self {
            mine: Some(mine),
            send: Some(SendForm::sample()),
            ..Self::sample()
        };
        let mine = MineForm {
            chain: HOSTILE.to_owned(),
            count: HOSTILE.to_owned(),
            count_error: Some(HOSTILE.to_owned()),
            address: HOSTILE.to_owned(),
            address_error: Some(HOSTILE.to_owned()),
        };
        let hostile = Self {
            chrome: samples::chrome_hostile("/node"),
            problem: Some(hostile_problem()),
            chain: vec![
                Fact::text(HOSTILE, HOSTILE),
                Fact::new("h", Value::Hash(Hash::new(HOSTILE))),
            ],
            backend: vec![Fact::code(HOSTILE, HOSTILE)],
            peers: PeerRow::samples()
                .into_iter()
                .map(|peer| PeerRow {
                    address: HOSTILE.to_owned(),
                    software: HOSTILE.to_owned(),
                    ..peer
                })
                .collect(),
            more_peers: Some(HOSTILE.to_owned()),
            mempool: Some(MempoolPart::hostile()),
            send: Some(SendForm::hostile()),
            mine: Some(mine),
            ..Self::sample()
        };
        vec![
            ("sample", Self::sample()),
            ("unreachable", unreachable),
            ("mine-refused", refused),
            ("hostile", hostile),
        ]
    }
}
