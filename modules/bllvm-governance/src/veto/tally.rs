//! The count: integers only, both sides, and a quorum.
//!
//! `part` of `total` reaches `percent` when `part * 100 >= percent * total`, in 128 bits; nothing of
//! nothing reaches nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LEAST_NODES;
use crate::statement::Action;

/// What one node brings, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Blocks of the window that were proven to be its own.
    pub blocks: u64,
    /// Satoshi that were proven to be its own, or attested by the operator.
    pub sat: u64,
    /// What it says; none if it has not spoken.
    pub says: Option<Action>,
}

/// One side of the count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// Against.
    pub veto: u64,
    /// For.
    pub support: u64,
    /// Neither.
    pub abstain: u64,
    /// Of nodes that have not spoken.
    pub silent: u64,
    /// The denominator.
    pub total: u64,
    /// What is to be reached, in percent of it.
    pub percent: u32,
    /// Whether the veto reaches it.
    pub met: bool,
    /// Whether it would, if every node with weight said veto.
    pub reachable: bool,
}

/// The whole count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Blocks of the window; strangers' and unproven ones are in the total.
    pub mining: Side,
    /// Satoshi.
    pub economic: Side,
    /// Nodes with economic weight.
    pub nodes: u32,
    /// Whether these are enough.
    pub quorum: bool,
    /// Whether both sides are met, with quorum.
    pub vetoed: bool,
    /// Whether that can still come about with the nodes that there are.
    pub reachable: bool,
}

/// Counts. `blocks` is the length of the window, `mining` and `economic` the percents to reach.
pub fn tally(weights: &[Weight], blocks: u64, mining: u32, economic: u32) -> Tally {
    let sat = weights.iter().map(|one| u128::from(one.sat)).sum::<u128>();
    let total_sat = u64::try_from(sat).unwrap_or(u64::MAX);
    let mining = side(weights, |one| one.blocks, blocks, mining);
    let economic = side(weights, |one| one.sat, total_sat, economic);
    let nodes = weights.iter().filter(|one| one.sat > 0).count();
    let nodes = u32::try_from(nodes).unwrap_or(u32::MAX);
    let quorum = nodes >= LEAST_NODES;
    Tally {
        mining,
        economic,
        nodes,
        quorum,
        vetoed: both(mining.met, economic.met) && quorum,
        reachable: both(mining.reachable, economic.reachable) && quorum,
    }
}

/// Mining AND economic: RULES.md, 1.
fn both(mining: bool, economic: bool) -> bool {
    mining && economic
}

fn side(weights: &[Weight], of: impl Fn(&Weight) -> u64, total: u64, percent: u32) -> Side {
    let sum = |says: Option<Action>| {
        let those = weights.iter().filter(|one| one.says == says);
        those.map(&of).fold(0, u64::saturating_add)
    };
    let (veto, support) = (sum(Some(Action::Veto)), sum(Some(Action::Support)));
    let (abstain, silent) = (sum(Some(Action::Abstain)), sum(None));
    let all = weights.iter().map(&of).fold(0, u64::saturating_add);
    Side {
        veto,
        support,
        abstain,
        silent,
        total,
        percent,
        met: reaches(veto, percent, total),
        reachable: reaches(all, percent, total),
    }
}

/// Whether a part reaches a percentage of a total.
fn reaches(part: u64, percent: u32, total: u64) -> bool {
    total > 0 && u128::from(part) * 100 >= u128::from(percent) * u128::from(total)
}
