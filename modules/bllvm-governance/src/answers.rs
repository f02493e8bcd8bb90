//! Parameters and answers of the module's methods, where they are not nouns of their own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mining::fork::Fork;
use crate::veto::Transcript;

/// Which proposals.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WhichProposals {
    /// Only those of this repository, `owner/name`.
    pub repository: Option<String>,
    /// Only the one of this number.
    pub number: Option<u64>,
    /// Judged as of another moment by the wall's clock: Unix seconds.
    pub at: Option<i64>,
}

/// Branches that were left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Forks {
    /// Highest first; the newest hundred.
    pub forks: Vec<Fork>,
}

/// One proposal.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhichProposal {
    /// Its repository, `owner/name`.
    pub repository: String,
    /// Its number.
    pub number: u64,
}

/// What came in by webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WebhookStatus {
    /// The name of this node, where the configuration gives it one.
    pub node_id: Option<String>,
    /// Whether deliveries are read.
    pub enabled: bool,
    /// The node's source whose deliveries are read.
    pub webhook_source: String,
    /// From an older configuration; nothing is sent there.
    pub webhook_url: Option<String>,
    /// The chain's first block, which statements bind; none before the node had a chain.
    pub chain: Option<String>,
    /// Deliveries that were taken in, counted up by one with the effect of each.
    pub deliveries: u64,
    /// Those that were applied.
    pub applied: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Those that can be applied once the node has a chain: replay them.
    pub failed: u64,
    /// Verdicts that the node does not have yet.
    pub untold: u64,
    /// Facts that are known.
    pub facts: u64,
    /// SHA-256 of all facts in order: equal wherever the same deliveries came, in whatever order.
    pub facts_sha256: String,
}

/// For whom a challenge is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChallengeFor {
    /// The economic node's key, x-only in hex.
    pub key: String,
}

/// A challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChallengeAnswer {
    /// The words to sign, by BIP322, with the script that coinbases pay or that holds coins.
    pub message: String,
    /// Until which height a proof over them is taken.
    pub until_height: u32,
}

/// A proof that somebody shows.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The challenge, word for word.
    #[schemars(extend("format" = "multi-line"))]
    pub message: String,
    /// The address whose owner signed, or its script in hex.
    pub address: String,
    /// The signature in base64: a witness (simple), or a transaction whose first input spends the
    /// message and whose others are the coins that are shown (full).
    #[schemars(extend("format" = "multi-line"))]
    pub signature: String,
}

/// What the economic nodes weigh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NodeWeights {
    /// As of which height.
    pub height: u32,
    /// As of which block.
    pub block: String,
    /// The nodes.
    pub nodes: Vec<NodeWeight>,
}

/// What one economic node weighs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NodeWeight {
    /// Its name in the configuration.
    pub name: String,
    /// Its key.
    pub key: String,
    /// Blocks of the window that pay mostly to scripts which it has proven.
    pub blocks: u32,
    /// Satoshi of unspent outputs which it has proven. They may be borrowed, and debts are unseen.
    pub proven_sat: u64,
    /// Satoshi that the operator attests without a proof.
    pub attested_sat: u64,
    /// Until which height its newest proof holds; none if none holds.
    pub holds_until: Option<u32>,
}

/// The transcripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Vetoes {
    /// One a proposal that can be vetoed.
    pub vetoes: Vec<Transcript>,
}
