//! A branch that was left: the node's best chain went on elsewhere, from two blocks deep or deeper.
//!
//! One block is left on any day. What is said is a fact about two branches of the chain that this node
//! held, and nothing about who follows which rules: RULES.md, 18.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::mining::coinbase::Mined;
use crate::mining::pools::Pools;
use crate::store::News;

/// So many blocks were left at least.
const LEAST_DEPTH: u32 = 2;
/// The event.
const FORK_DETECTED: &str = "governance.fork_detected";

/// A branch that was left for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "the field's word, as answers have it"
)]
pub struct Fork {
    /// Blocks that were left.
    pub depth: u32,
    /// Height of the last block that both branches have; none if it lies below what is kept.
    pub fork_height: Option<u32>,
    /// Height of the end of the branch that was left.
    pub left_height: u32,
    /// Its last block.
    pub left_block: String,
    /// Who mined the blocks that were left, as far as the pool list names them.
    pub left_miners: BTreeMap<String, u32>,
    /// Height of the better chain's end, when this was noticed.
    pub height: u32,
    /// Its last block then.
    pub block: String,
}

impl Fork {
    /// The branch that is left, newest block first; none if too little is.
    pub fn of(
        left: &[(u32, &Mined)],
        fork_height: Option<u32>,
        (height, block): (u32, String),
        pools: &Pools,
    ) -> Option<Self> {
        let depth = u32::try_from(left.len()).unwrap_or(u32::MAX);
        let (left_height, last) = left.first().filter(|_| depth >= LEAST_DEPTH)?;
        let mut left_miners = BTreeMap::new();
        for (_, mined) in left {
            let pool = pools.attribute(mined).and_then(|(id, _)| pools.get(id));
            let name = pool.map_or("unknown", |pool| pool.name.as_str());
            *left_miners.entry(name.to_owned()).or_default() += 1;
        }
        Some(Self {
            depth,
            fork_height,
            left_height: *left_height,
            left_block: last.hash.to_string(),
            left_miners,
            height,
            block,
        })
    }

    /// Under which name it is told once.
    pub fn name(&self) -> String {
        format!("fork {}", self.left_block)
    }

    /// Its event.
    pub fn news(&self) -> News {
        News {
            kind: FORK_DETECTED.to_owned(),
            data: json!(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mining::synthetic::{Chain, list};

    #[test]
    fn one_block_is_left_on_any_day_and_two_are_told() {
        let pools = Pools::read(list().as_bytes()).unwrap();
        let chain = Chain::mined(9, 1);
        let blocks: Vec<_> = (0..9)
            .map(|height| (height, chain.mined_at(height)))
            .collect();
        let left = |from: usize| {
            let left: Vec<_> = blocks[from..]
                .iter()
                .rev()
                .map(|(at, one)| (*at, one))
                .collect();
            let fork_height = u32::try_from(from).unwrap().checked_sub(1);
            Fork::of(&left, fork_height, (10, "new".to_owned()), &pools)
        };
        assert_eq!(left(9), None);
        assert_eq!(left(8), None);
        let two = left(7).unwrap();
        assert_eq!(
            (two.depth, two.fork_height, two.left_height),
            (2, Some(6), 8)
        );
        assert_eq!(two.left_block, blocks[8].1.hash.to_string());
        assert_eq!(left(0).unwrap().fork_height, None);
        let nine = left(0).unwrap();
        assert_eq!(nine.left_miners.values().sum::<u32>(), 9);
        assert_eq!(nine.news().data["depth"], 9);
        assert_eq!(two.name(), nine.name(), "the same branch is told once");
    }
}
