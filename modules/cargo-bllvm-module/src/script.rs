//! The chain that `run` shows to a module: a script of blocks, reorganisations and calls.
//!
//! ```text
//! # one step a line
//! block 3          three blocks join
//! reorg 1          the last one leaves, and two others join
//! call count {}    one of the module's methods is called
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use bllvm_manifest::Digest;
use bllvm_sdk::types::{BlockHash, Hex, Tip};
use serde_json::{Value, json};

use crate::error::Failure;

/// What is shown without a script.
pub const DEFAULT: &str = "block 3\nreorg 1\nblock 1\n";
/// Where the chain begins.
const FIRST_HEIGHT: u32 = 100;
const FIRST_TIME: u32 = 1_767_225_600;
const BLOCK_SECONDS: u32 = 600;
const MOST: u32 = 1000;

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// So many blocks join.
    Blocks(u32),
    /// So many leave, and one more joins.
    Reorg(u32),
    /// A method is called.
    Call(String, Value),
}

/// Reads a script.
///
/// # Errors
/// Names the line that is none.
pub fn parse(text: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let step = parse_line(line).ok_or_else(|| {
            Failure::because(
                "script_invalid",
                format!(
                    "line {number}: `{line}` is no step: write `block 3`, `reorg 1` (1 to {MOST}) or \
                     `call METHOD {{…}}`"
                ),
            )
        })?;
        steps.push(step);
    }
    Ok(steps)
}

fn parse_line(line: &str) -> Option<Step> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    let count = || {
        let count = if rest.is_empty() {
            Some(1)
        } else {
            rest.parse().ok()
        };
        count.filter(|count| (1..=MOST).contains(count))
    };
    match word {
        "block" => Some(Step::Blocks(count()?)),
        "reorg" => Some(Step::Reorg(count()?)),
        "call" => {
            let (method, params) = rest.split_once(' ').unwrap_or((rest, "{}"));
            let params = serde_json::from_str(params.trim()).ok()?;
            (!method.is_empty()).then(|| Step::Call(method.to_owned(), params))
        }
        _ => None,
    }
}

/// A block of the chain; nothing is in it but its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    height: u32,
    hash: BlockHash,
    prev: BlockHash,
    time: u32,
}

/// The chain in memory, shared with what answers the module.
#[derive(Clone, Debug)]
pub struct Chain(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    blocks: Vec<Block>,
    /// Blocks made so far: two of one height have different hashes.
    made: u32,
}

impl Chain {
    /// A chain of one block.
    pub fn new() -> Self {
        let first = Block {
            height: FIRST_HEIGHT,
            hash: hash(0),
            prev: BlockHash([0; 32]),
            time: FIRST_TIME,
        };
        Self(Arc::new(Mutex::new(Inner {
            blocks: vec![first],
            made: 1,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its end.
    pub fn tip(&self) -> Tip {
        let inner = self.lock();
        let tip = inner.tip();
        Tip {
            hash: tip.hash,
            height: tip.height,
            time: tip.time,
            median_time: tip.time.saturating_sub(5 * BLOCK_SECONDS),
            header: Hex(tip.header()),
        }
    }

    /// A block joins: the event that tells it.
    pub fn connect(&self) -> (&'static str, Value) {
        let mut inner = self.lock();
        let tip = inner.tip();
        let block = Block {
            height: tip.height + 1,
            hash: hash(inner.made),
            prev: tip.hash,
            time: FIRST_TIME + (tip.height + 1 - FIRST_HEIGHT) * BLOCK_SECONDS,
        };
        inner.made += 1;
        inner.blocks.push(block);
        let data = json!({
            "height": block.height, "hash": block.hash, "prev": block.prev, "time": block.time,
            "transactions": 1,
        });
        ("chain.block_connected", data)
    }

    /// The last block leaves: the event that tells it; none where only the first is left.
    pub fn disconnect(&self) -> Option<(&'static str, Value)> {
        let mut inner = self.lock();
        if inner.blocks.len() < 2 {
            return None;
        }
        let block = inner.blocks.pop()?;
        let data = json!({ "height": block.height, "hash": block.hash, "prev": block.prev });
        Some(("chain.block_disconnected", data))
    }
}

impl Inner {
    fn tip(&self) -> Block {
        // One block is there from the beginning and never leaves.
        self.blocks[self.blocks.len() - 1]
    }
}

impl Block {
    /// 80 bytes in a header's order; nobody did the work.
    fn header(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(80);
        bytes.extend(2_u32.to_le_bytes());
        bytes.extend(self.prev.0);
        bytes.extend(self.hash.0);
        bytes.extend(self.time.to_le_bytes());
        bytes.extend([0; 8]);
        bytes
    }
}

fn hash(number: u32) -> BlockHash {
    BlockHash(*Digest::of(format!("scripted block {number}")).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_has_a_step_a_line() {
        let steps = parse("block 2 # two\n\nreorg\ncall count {\"a\": 1}\ncall tip\n").unwrap();
        assert_eq!(
            steps,
            [
                Step::Blocks(2),
                Step::Reorg(1),
                Step::Call("count".to_owned(), json!({ "a": 1 })),
                Step::Call("tip".to_owned(), json!({})),
            ]
        );
        for wrong in [
            "blocks",
            "block 0",
            "block x",
            "call",
            "call m {",
            "reorg 2000",
        ] {
            let error = parse(&format!("block\n{wrong}")).unwrap_err();
            assert!(error.to_string().starts_with("line 2"), "{error}");
        }
    }

    #[test]
    fn after_a_reorganisation_the_height_is_the_same_and_the_hash_another() {
        let chain = Chain::new();
        let (_, first) = chain.connect();
        let (_, left) = chain.disconnect().unwrap();
        let (_, second) = chain.connect();
        assert_eq!(first["hash"], left["hash"]);
        assert_eq!(first["height"], second["height"]);
        assert_ne!(first["hash"], second["hash"]);
        assert_eq!(chain.tip().header.0.len(), 80);
        assert_eq!(chain.tip().height, 101);
        chain.disconnect().unwrap();
        assert_eq!(chain.disconnect(), None);
    }
}
