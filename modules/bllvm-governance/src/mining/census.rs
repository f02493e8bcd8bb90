//! The answer: who mined the newest blocks, from blocks, list and standing alone.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::mining::coinbase::Mined;
use crate::mining::interval::Share;
use crate::mining::pools::{Pools, Strength};
use crate::mining::standing::Counts;
use crate::mining::window::{WINDOW, Window};

/// Who mined the newest blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EconomicNodes {
    /// The name of this node, where the configuration gives it one.
    pub node_id: Option<String>,
    /// Height of the newest counted block; none before the first one.
    pub height: Option<u32>,
    /// Its hash.
    pub hash: Option<String>,
    /// Blocks that the window holds at most.
    pub window: u32,
    /// Blocks that are counted: the denominator of every share, whoever mined them.
    pub blocks: u32,
    /// SHA-256 of the pool list that names them.
    pub pool_list_sha256: String,
    /// Those who mined at least one of the blocks, most blocks first.
    pub nodes: Vec<EconomicNode>,
    /// Blocks that nobody in the list mined.
    pub unknown: Unknown,
}

/// One pool of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EconomicNode {
    /// Its number in the list.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its web page.
    pub link: String,
    /// Its blocks in the window.
    pub blocks: u32,
    /// Those that only their text attributes; any miner can write any text.
    pub by_tag: u32,
    /// Those that pay at least half of their coinbase to one of its addresses.
    pub by_address: u32,
    /// Its share of the counted blocks, with the 95 % interval.
    pub share: Share,
    /// Whether it is in: 21 blocks in two whole periods in a row let it in, fewer than 13 in one
    /// put it out.
    pub member: bool,
}

/// Blocks that nobody in the list mined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unknown {
    /// How many.
    pub blocks: u32,
    /// Their share of the counted blocks, with the 95 % interval.
    pub share: Share,
}

/// Blocks of each pool.
pub fn count<'a>(blocks: impl Iterator<Item = &'a Mined>, pools: &Pools) -> Counts {
    let mut counts = Counts::new();
    for (id, _) in blocks.filter_map(|mined| pools.attribute(mined)) {
        *counts.entry(id).or_default() += 1;
    }
    counts
}

/// The census of a window.
pub fn take(
    window: &Window,
    pools: &Pools,
    members: &BTreeSet<u32>,
    node_id: Option<String>,
) -> EconomicNodes {
    let mut counted: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    let (mut blocks, mut unknown) = (0, 0);
    for mined in window.newest() {
        blocks += 1;
        match pools.attribute(mined) {
            Some((id, Strength::Tag)) => counted.entry(id).or_default().0 += 1,
            Some((id, Strength::Address)) => counted.entry(id).or_default().1 += 1,
            None => unknown += 1,
        }
    }
    let nodes = counted
        .into_iter()
        .filter_map(|(id, (by_tag, by_address))| {
            let pool = pools.get(id)?;
            Some(EconomicNode {
                id,
                name: pool.name.clone(),
                link: pool.link.clone(),
                blocks: by_tag + by_address,
                by_tag,
                by_address,
                share: Share::of(by_tag + by_address, blocks),
                member: members.contains(&id),
            })
        });
    let mut nodes: Vec<_> = nodes.collect();
    nodes.sort_by_key(|node| (std::cmp::Reverse(node.blocks), node.id));
    EconomicNodes {
        node_id,
        height: window.top().map(|(height, _)| height),
        hash: window.top().map(|(_, mined)| mined.hash.to_string()),
        window: WINDOW,
        blocks,
        pool_list_sha256: pools.digest().to_owned(),
        nodes,
        unknown: Unknown {
            blocks: unknown,
            share: Share::of(unknown, blocks),
        },
    }
}
