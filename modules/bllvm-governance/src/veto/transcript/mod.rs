//! The transcript of a count: everything that it was made of, so that anybody can make it again.
//!
//! `bllvm-governance verify` needs no server: it checks each signature, takes the newest nonce of each
//! key, adds the weights and compares. Whether the weights are true is asked of a chain: the heights of
//! each node's blocks are named, and the block at which all was counted. What a transcript cannot say of
//! itself is that it is the one a node made: its SHA-256 is in the event that told the end.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::secp256k1::schnorr::Signature;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Tally, Weight, tally};
use crate::mining::window::WINDOW;
use crate::rules::{Rules, VetoRule};
use crate::statement::{Action, Statement, reason_hash};

/// The name of the format.
pub const FORMAT: &str = "bllvm-governance/transcript/1";

/// Everything that a count was made of, and its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transcript {
    /// `bllvm-governance/transcript/1`.
    pub format: String,
    /// The chain's first block.
    pub chain: String,
    /// The name of the rules.
    pub rules: String,
    /// SHA-256 of the rules' file.
    pub rules_sha256: String,
    /// `owner/name`.
    pub repository: String,
    /// The pull request.
    pub number: u64,
    /// The commit that it is about.
    pub head: String,
    /// The percents and hours.
    pub rule: VetoRule,
    /// When signals were first taken, Unix seconds.
    pub opened_at: i64,
    /// When the last was taken, Unix seconds.
    pub closes_at: i64,
    /// Whether it is over: both clocks are past the end, and the weights are frozen.
    pub closed: bool,
    /// The height of the block at which the weights were taken.
    pub height: u32,
    /// That block.
    pub block: String,
    /// Its median time (BIP113), Unix seconds.
    pub median_time: i64,
    /// The first height of the window of blocks.
    pub window_from: u32,
    /// The nodes and what they weigh.
    pub nodes: Vec<Node>,
    /// What was said until the end, with signatures; also what does not count.
    pub signals: Vec<Signal>,
    /// The count.
    pub tally: Tally,
}

/// One node's weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name in the operator's configuration.
    pub name: String,
    /// Its key, x-only in hex.
    pub key: String,
    /// The heights of the blocks that pay mostly to scripts which it has proven.
    pub blocks: Vec<u32>,
    /// Satoshi of unspent outputs which it has proven.
    pub proven_sat: u64,
    /// Satoshi that the operator attests without a proof.
    pub attested_sat: u64,
}

/// One signed signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// By which key.
    pub key: String,
    /// What is said.
    pub action: Action,
    /// Over which commit.
    pub head: String,
    /// The highest of a key counts.
    pub nonce: u64,
    /// The first height at which it holds.
    pub from: u32,
    /// The last height at which it holds.
    pub to: u32,
    /// The reason given.
    pub reason: String,
    /// When GitHub says that it was written, Unix seconds.
    pub seen_at: i64,
    /// BIP340, in hex.
    pub signature: String,
}

/// Why a transcript is not true.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Another format.
    #[error("its format is `{0}`; this program reads `{FORMAT}`")]
    Format(String),
    /// A signature is not of what it stands beside.
    #[error("signal {0}: the signature is not of what is said")]
    Signature(usize),
    /// Two nodes share what must be one's own.
    #[error("node {node}: {what}")]
    Node {
        /// Which one.
        node: String,
        /// What is wrong.
        what: &'static str,
    },
    /// It does not add up.
    #[error("it does not add up: the transcript says {said}, the count is {found}")]
    Tally {
        /// The transcript's.
        said: String,
        /// Ours.
        found: String,
    },
    /// Its window of blocks or of time is not what the rules make of its height and its beginning.
    #[error("its {what} is {said}, and must be {wanted}")]
    Window {
        /// Which one.
        what: &'static str,
        /// The transcript's.
        said: i64,
        /// What follows from the rest.
        wanted: i64,
    },
    /// Its percents and hours are no tier's.
    #[error("the rules `{0}` are not those of the transcript: {1}")]
    Rules(String, &'static str),
    /// Closed before its time.
    #[error("it is called closed, but the median time {median_time} is before {closes_at}")]
    TooEarly {
        /// The block's.
        median_time: i64,
        /// The end.
        closes_at: i64,
    },
}

impl Transcript {
    /// Counts again, from the signals and weights alone.
    pub fn count(&self) -> Tally {
        let says = self.newest();
        let weights = self.nodes.iter().map(|node| Weight {
            blocks: node.blocks.len() as u64,
            sat: node.proven_sat.saturating_add(node.attested_sat),
            says: says.get(node.key.as_str()).copied(),
        });
        let weights: Vec<_> = weights.collect();
        let blocks = (u64::from(self.height) + 1).saturating_sub(self.window_from.into());
        let rule = &self.rule;
        tally(&weights, blocks, rule.mining_percent, rule.economic_percent)
    }

    /// What each key says at last: the highest nonce among what came in time. It counts where it is
    /// about this head and holds at this height; what it replaced stays replaced.
    fn newest(&self) -> BTreeMap<&str, Action> {
        let mut newest: BTreeMap<&str, ((u64, [u8; 32]), &Signal)> = BTreeMap::new();
        let mut in_time: Vec<_> = self.signals.iter().collect();
        in_time.retain(|signal| {
            signal.action != Action::Sign
                && (self.opened_at..=self.closes_at).contains(&signal.seen_at)
        });
        for signal in in_time {
            let rank = (signal.nonce, self.statement(signal).digest());
            let best = newest.entry(&signal.key).or_insert((rank, signal));
            if rank > best.0 {
                *best = (rank, signal);
            }
        }
        let holds = |signal: &Signal| {
            signal.head == self.head && (signal.from..=signal.to).contains(&self.height)
        };
        let counted = newest.into_iter().filter(|(_, (_, signal))| holds(signal));
        counted
            .map(|(key, (_, signal))| (key, signal.action))
            .collect()
    }

    /// What a signal signed.
    fn statement(&self, signal: &Signal) -> Statement {
        Statement {
            chain: self.chain.clone(),
            rules: self.rules.clone(),
            repository: self.repository.clone(),
            number: self.number,
            head: signal.head.clone(),
            action: signal.action,
            nonce: signal.nonce,
            from: signal.from,
            to: signal.to,
            reason: reason_hash(&signal.reason),
        }
    }

    /// Checks everything that can be checked without a chain.
    ///
    /// # Errors
    /// The first thing that is not true.
    pub fn verify(&self) -> Result<(), Broken> {
        if self.format != FORMAT {
            return Err(Broken::Format(self.format.clone()));
        }
        for (place, signal) in self.signals.iter().enumerate() {
            let key = signal.key.parse::<XOnlyPublicKey>();
            let signature = signal.signature.parse::<Signature>();
            let (Ok(key), Ok(signature)) = (key, signature) else {
                return Err(Broken::Signature(place));
            };
            // One key has one spelling, or it could speak twice, or be overheard.
            let one = key.to_string() == signal.key;
            if !one || !self.statement(signal).is_signed(&key, &signature) {
                return Err(Broken::Signature(place));
            }
        }
        self.verify_windows()?;
        self.verify_nodes()?;
        if self.closed && self.median_time < self.closes_at {
            return Err(Broken::TooEarly {
                median_time: self.median_time,
                closes_at: self.closes_at,
            });
        }
        let found = self.count();
        if found != self.tally {
            return Err(Broken::Tally {
                said: format!("{:?}", self.tally),
                found: format!("{found:?}"),
            });
        }
        Ok(())
    }

    /// Whether percents and hours are those of tiers of these rules.
    ///
    /// # Errors
    /// They are another set, or no tier of it.
    pub fn verify_rules(&self, rules: &Rules) -> Result<(), Broken> {
        let broken = |what| Err(Broken::Rules(rules.name.clone(), what));
        if self.rules != rules.name || self.rules_sha256 != rules.digest {
            return broken("it names others, by name or by SHA-256");
        }
        if !rules.can_ask(&self.rule) {
            return broken("no tiers of them ask for its percents and hours");
        }
        Ok(())
    }

    /// SHA-256 of its one form, which the event that told the end has, too.
    pub fn digest(&self) -> String {
        // All of it is text and integers.
        let json = serde_json::to_vec(self).unwrap_or_default();
        sha256::Hash::hash(&json).to_string()
    }

    /// A shorter window would raise everybody's share, another end would take signals in or out.
    fn verify_windows(&self) -> Result<(), Broken> {
        let from = (self.height.saturating_add(1)).saturating_sub(WINDOW);
        let seconds = i64::from(self.rule.hours) * 3600;
        for (what, said, wanted) in [
            ("`window_from`", self.window_from.into(), from.into()),
            (
                "`closes_at`",
                self.closes_at,
                self.opened_at.saturating_add(seconds),
            ),
        ] {
            if said != wanted {
                return Err(Broken::Window { what, said, wanted });
            }
        }
        Ok(())
    }

    fn verify_nodes(&self) -> Result<(), Broken> {
        let (mut keys, mut blocks) = (BTreeSet::new(), BTreeSet::new());
        for node in &self.nodes {
            let broken = |what| {
                Err(Broken::Node {
                    node: node.name.clone(),
                    what,
                })
            };
            let key = node.key.parse::<XOnlyPublicKey>();
            if key.map_or(true, |key| key.to_string() != node.key) {
                return broken("its key is not 64 hexadecimal digits in lower case");
            }
            if !keys.insert(&node.key) {
                return broken("its key is there twice");
            }
            for height in &node.blocks {
                if !(self.window_from..=self.height).contains(height) {
                    return broken("one of its blocks lies outside the window");
                }
                if !blocks.insert(height) {
                    return broken("one of its blocks is counted twice");
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
