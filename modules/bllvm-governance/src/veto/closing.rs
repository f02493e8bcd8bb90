//! At which block a veto's weights are taken: the first whose median time is past the end.
//!
//! That block is the chain's, so nodes whose wall's clocks differ take the same weights. The wall's
//! clock only decides when the result is called final. A node that was off when that block came takes
//! the first that it sees; the transcript names it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::At;
use crate::proofs::Proven;

/// Weights as of a block, kept until the result is final.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The block's height.
    pub height: u32,
    /// The block.
    pub block: String,
    /// Its median time.
    pub median_time: i64,
    /// What each key had proven then.
    pub proven: BTreeMap<String, Proven>,
}

/// Whether the chain is past the end, so that weights are no longer those of the tip.
pub fn is_due(at: &At, closes_at: i64) -> bool {
    at.moment
        .median_time
        .is_some_and(|median| median >= closes_at)
}

impl Snapshot {
    /// The weights of a block.
    pub fn of(at: &At, proven: &BTreeMap<String, Proven>) -> Self {
        Self {
            height: at.height,
            block: at.block.clone(),
            median_time: at.moment.median_time.unwrap_or(i64::MIN),
            proven: proven.clone(),
        }
    }

    /// The same moment of the wall's clock, at this block.
    pub fn at(&self, now: &At) -> At {
        let mut at = now.clone();
        at.height = self.height;
        at.block.clone_from(&self.block);
        at.moment.height = Some(self.height);
        at.moment.median_time = Some(self.median_time);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proposals::Moment;

    const ENDS: i64 = 1_000_000;

    /// A node that follows the chain with a clock of its own.
    struct Node {
        skew: i64,
        /// It is off between these times.
        off: (i64, i64),
        kept: Option<Snapshot>,
        result: Option<(i64, Snapshot)>,
    }

    impl Node {
        fn new(skew: i64) -> Self {
            Self {
                skew,
                off: (0, 0),
                kept: None,
                result: None,
            }
        }

        /// As `weighing.rs` does it at each block.
        fn sees(&mut self, time: i64, at: &At, proven: &BTreeMap<String, Proven>) {
            if self.result.is_some() || (self.off.0..self.off.1).contains(&time) {
                return;
            }
            if !is_due(at, ENDS) {
                return;
            }
            let kept = self
                .kept
                .get_or_insert_with(|| Snapshot::of(at, proven))
                .clone();
            let mut now = kept.at(at);
            now.moment.utc = time + self.skew;
            if now.moment.is_past(ENDS) {
                self.result = Some((time, kept));
            }
        }
    }

    /// Blocks every ten minutes, whose median time lags by an hour; each spends a coin.
    fn run(nodes: &mut [Node]) {
        for number in 0..200_u32 {
            let time = ENDS - 60_000 + i64::from(number) * 600;
            let at = At {
                height: number,
                block: format!("{number:064}"),
                moment: Moment {
                    utc: time,
                    median_time: Some(time - 3600),
                    height: Some(number),
                },
            };
            let weight = Proven {
                sat: 1_000_000 - u64::from(number),
                ..Proven::default()
            };
            let proven = BTreeMap::from([("k".to_owned(), weight)]);
            for node in nodes.iter_mut() {
                node.sees(time, &at, &proven);
            }
        }
    }

    #[test]
    fn clocks_that_are_two_hours_off_come_to_the_same_weights() {
        let mut nodes: Vec<_> = [-7200, 0, 7200].into_iter().map(Node::new).collect();
        // This one slept through the end of its wall's clock, and not through the block.
        nodes.push(Node {
            off: (ENDS + 4200, ENDS + 20_000),
            ..Node::new(0)
        });
        run(&mut nodes);
        let results: Vec<_> = nodes
            .iter()
            .map(|node| node.result.clone().unwrap())
            .collect();
        for (_, snapshot) in &results {
            assert_eq!(*snapshot, results[1].1);
        }
        // The block is the chain's: the first whose median time is past the end.
        assert_eq!(results[1].1.median_time, ENDS);
        // None was final before its own wall's clock was past the end, nor before the chain's was.
        for (node, (time, _)) in nodes.iter().zip(&results) {
            assert!(time + node.skew >= ENDS && *time >= ENDS + 3600);
        }
        assert!(results[0].0 > results[1].0, "the slow clock is final later");
    }

    #[test]
    fn a_node_that_was_off_takes_the_first_block_that_it_sees_and_says_which() {
        let mut nodes = [Node {
            off: (ENDS, ENDS + 9000),
            ..Node::new(0)
        }];
        run(&mut nodes);
        let (_, snapshot) = nodes[0].result.clone().unwrap();
        assert_eq!(snapshot.median_time, ENDS + 9000 - 3600);
    }
}
