//! The mempool on the node's page: a picture by fee rate, the next block, fees, a form to send.

use crate::format::Hash;
use crate::parts::{Badge, Fact, Tone};
use crate::samples::{BLOCK, HOSTILE};

/// Unconfirmed transactions by fee rate.
#[derive(Debug, Clone)]
pub struct MempoolPart {
    /// How much there is, in a sentence.
    pub summary: String,
    /// What the picture leaves out; empty where it has all.
    pub note: String,
    /// From the highest to the lowest fee rate.
    pub bands: Vec<BandRow>,
}

/// Transactions whose fee rates are near each other.
#[derive(Debug, Clone)]
pub struct BandRow {
    /// The fee rates: `3 to 5`.
    pub rates: String,
    /// How many.
    pub transactions: String,
    /// Their size.
    pub size: String,
    /// The bar, of 1,000.
    pub length: u32,
    /// Whether the next block has room for it.
    pub next: bool,
}

/// A fee rate for a target.
#[derive(Debug, Clone)]
pub struct FeeRow {
    /// Within how many blocks.
    pub target: String,
    /// The rate; empty where it is not known.
    pub rate: String,
    /// What it rests on, or why there is none.
    pub basis: String,
}

/// The form to send transactions, as it was filled in.
#[derive(Debug, Clone, Default)]
pub struct SendForm {
    /// The hex.
    pub transactions: String,
    /// What is wrong with it.
    pub error: Option<String>,
    /// What became of each.
    pub verdicts: Vec<VerdictRow>,
}

/// What became of a transaction.
#[derive(Debug, Clone)]
pub struct VerdictRow {
    /// Accepted or refused.
    pub badge: Badge,
    /// Its id.
    pub txid: Hash,
    /// Bitcoin Core's reason.
    pub reason: String,
}

impl MempoolPart {
    /// A busy hour.
    pub fn sample() -> Self {
        let band = |rates: &str, transactions: &str, size: &str, length, next| BandRow {
            rates: rates.to_owned(),
            transactions: transactions.to_owned(),
            size: size.to_owned(),
            length,
            next,
        };
        Self {
            summary: "3,104 transactions, 1.9 MvB; at least 1 sat/vB gets in".to_owned(),
            note: "Made of 2,000 of them.".to_owned(),
            bands: vec![
                band("20 to 30", "204", "120 kvB", 110, true),
                band("12 to 20", "1,010", "700 kvB", 640, true),
                band("8 to 12", "0", "0 vB", 0, true),
                band("5 to 8", "1,890", "1.1 MvB", 1000, false),
            ],
        }
    }

    /// Full of what must be escaped.
    pub fn hostile() -> Self {
        let mut part = Self::sample();
        HOSTILE.clone_into(&mut part.summary);
        HOSTILE.clone_into(&mut part.note);
        HOSTILE.clone_into(&mut part.bands[0].rates);
        part
    }
}

impl FeeRow {
    /// One that is known, one that is not.
    pub fn samples() -> Vec<Self> {
        let row = |target: &str, rate: &str, basis: &str| Self {
            target: target.to_owned(),
            rate: rate.to_owned(),
            basis: basis.to_owned(),
        };
        vec![
            row("1 block", "12.5 sat/vB", "the last 6 blocks"),
            row("144 blocks", "", "too few blocks with transactions"),
        ]
    }
}

impl SendForm {
    /// One that was refused.
    pub fn sample() -> Self {
        Self {
            transactions: String::new(),
            error: None,
            verdicts: vec![VerdictRow {
                badge: Badge::new(Tone::Bad, "refused"),
                txid: Hash::new(BLOCK),
                reason: "bad-txns-inputs-missingorspent".to_owned(),
            }],
        }
    }

    /// Full of what must be escaped.
    pub fn hostile() -> Self {
        let mut form = Self::sample();
        HOSTILE.clone_into(&mut form.transactions);
        form.error = Some(HOSTILE.to_owned());
        HOSTILE.clone_into(&mut form.verdicts[0].reason);
        form
    }
}

/// What is known of the block to be.
pub fn template_sample() -> Vec<Fact> {
    vec![
        Fact::text("Height", "1,205"),
        Fact::text("Transactions", "1,214, 82 % of a block's weight"),
        Fact::text("Fees", "0.08100000 BTC with the subsidy"),
    ]
}
