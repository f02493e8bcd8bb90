//! Templates, and verdicts on blocks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BlockHash, Hex, Sample, hash, wire_types};

wire_types! {
    /// Asks for a block template.
    TemplateRequest {
        /// Weight kept free for the coinbase.
        #[serde(default)]
        coinbase_weight: u32 = 4000,
        /// Waits for a template other than this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        longpoll_id: Option<String> = None,
    }

    /// A block template.
    Template {
        /// Changes whenever the template does.
        longpoll_id: String = "7".to_owned(),
        /// The block it builds on.
        prev: BlockHash = hash(7),
        /// The height of the block to be.
        height: u32 = 840_001,
        /// Compact target.
        bits: u32 = 0x207f_ffff,
        /// Lowest time that is valid, Unix seconds.
        min_time: u32 = 1_713_570_209,
        /// Most that the coinbase may pay, satoshi.
        coinbase_value_sat: u64 = 312_500_000,
        /// The transactions.
        transactions: Vec<Hex> = vec![],
        /// One fee a transaction, satoshi; empty where the base node does not tell.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fees_sat: Vec<u64> = vec![],
        /// One cost of signature operations (BIP141) a transaction; empty where the base node
        /// does not tell.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        sigop_costs: Vec<u64> = vec![],
    }

    /// What became of a submitted block.
    BlockVerdict {
        /// Whether the chain has it now.
        accepted: bool = false,
        /// Whether it is the new tip.
        #[serde(default)]
        new_tip: bool = false,
        /// Bitcoin Core's reject reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String> = Some("bad-cb-amount".to_owned()),
    }
}

impl BlockVerdict {
    /// Whether the block breaks a rule, so that nothing can stand on it. What is known already, or lies
    /// beside the best chain, does not.
    pub fn is_refusal(&self) -> bool {
        let reason = self.reason.as_deref();
        !self.accepted && !matches!(reason, Some("duplicate" | "inconclusive"))
    }
}
