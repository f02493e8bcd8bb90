//! What no block holds yet: the mempool, verdicts on transactions, fees.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Hex, Sample, Txid, wire_types};

wire_types! {
    /// The mempool's size.
    MempoolInfo {
        /// Transactions.
        transactions: u64 = 1234,
        /// Virtual bytes.
        vsize: u64 = 345_678,
        /// Lowest fee rate that gets in, satoshi per 1,000 virtual bytes.
        min_fee_sat_per_kvb: u64 = 1000,
    }

    /// A page of ids.
    TxidPage {
        /// The ids.
        items: Vec<Txid> = vec![Txid([9; 32])],
        /// Where the next page starts; none at the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String> = None,
    }

    /// Asks for a page.
    PageRequest {
        /// Where to go on, from an earlier answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<String> = None,
        /// At most so many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32> = Some(100),
    }

    /// Transactions, in the order in which they depend on each other.
    Transactions {
        /// Their bytes.
        transactions: Vec<Hex> = vec![Hex(vec![2, 0, 0, 0])],
    }

    /// What would become, or became, of submitted transactions.
    Acceptance {
        /// One verdict a transaction.
        results: Vec<TransactionVerdict> = vec![TransactionVerdict::sample()],
    }

    /// One transaction's verdict.
    TransactionVerdict {
        /// Its id.
        txid: Txid = Txid([9; 32]),
        /// Whether it is in.
        accepted: bool = false,
        /// Bitcoin Core's reject reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String> = Some("bad-txns-inputs-missingorspent".to_owned()),
        /// Its fee, where it was worked out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fee_sat: Option<u64> = None,
    }

    /// Asks for a fee rate.
    FeeRequest {
        /// Within how many blocks.
        target_blocks: u16 = 6,
    }

    /// A fee rate, or why there is none.
    FeeEstimate {
        /// Satoshi per 1,000 virtual bytes; none where the data is thin.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sat_per_kvb: Option<u64> = None,
        /// What it rests on, or why there is none.
        basis: String = "too few blocks with transactions".to_owned(),
    }
}
