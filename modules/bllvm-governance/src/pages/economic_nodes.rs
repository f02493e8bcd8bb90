//! Who mines, with intervals and unknown as its own bar; what economic nodes have proven; the proof.

use bllvm_sdk::page::{Bar, Bars, Block, Cell, Facts, Form, Page, Table, Tone};

use super::{brief, btc, count};
use crate::answers::NodeWeights;
use crate::mining::census::{EconomicNode, EconomicNodes};
use crate::mining::fork::Fork;
use crate::mining::interval::Share;

/// Parts per million.
const WHOLE: u64 = 1_000_000;
/// Bars of pools, beside the one of unknown miners.
const MOST: usize = 150;

/// The page; without a census the blocks are still being counted.
pub fn economic_nodes(
    census: Option<&EconomicNodes>,
    weights: Option<&NodeWeights>,
    forks: &[Fork],
) -> Page {
    let mut page = Page::new("Economic nodes");
    match census {
        Some(census) => miners(&mut page, census),
        None => page.push(Block::notice(
            Tone::Busy,
            "No blocks are counted yet: the node has no chain, they are being counted for the first \
             time, or “enabled” is false.",
        )),
    }
    page.push(left(forks));
    match weights {
        Some(weights) => page.push(proven(weights)),
        None => page.push(Block::notice(
            Tone::Warn,
            "The base node does not answer, so nothing can be weighed.",
        )),
    }
    if weights.is_some_and(|weights| !weights.nodes.is_empty()) {
        forms(&mut page, weights);
    }
    page.with(Block::text(
        "Only what is proven weighs in a veto. Coins may be borrowed, debts are unseen, and two nodes \
         may be one owner’s. Volume and custody cannot be shown on a chain: they weigh nothing, or are \
         your own word, shown as attested.",
    ))
}

fn miners(page: &mut Page, census: &EconomicNodes) {
    let mut bars: Vec<_> = census.nodes.iter().take(MOST).map(bar).collect();
    let unknown = &census.unknown;
    bars.push(Bar {
        label: Cell::new("Unknown"),
        tone: Some(Tone::Quiet),
        words: format!(
            "{} blocks that nobody in the list mined",
            count(unknown.blocks.into())
        ),
        ..of_share(unknown.share)
    });
    page.push(Bars {
        title: format!(
            "Who mined the newest {} blocks",
            count(census.blocks.into())
        ),
        of: WHOLE,
        bars: if census.blocks == 0 { Vec::new() } else { bars },
        empty: "No blocks are counted yet.".to_owned(),
    });
    let squares = census
        .nodes
        .iter()
        .map(|node| u64::from(node.share.ppm).pow(2));
    // Shares in percent, squared: 10,000 is one miner alone.
    let concentration = squares.sum::<u64>() / 100_000_000;
    let height = census
        .height
        .map_or("none".to_owned(), |height| height.to_string());
    page.push(
        Facts::new("How it is counted")
            .fact("Counted up to", height)
            .fact("Block", Cell::code(census.hash.clone().unwrap_or_default()))
            .fact(
                "Denominator",
                format!(
                    "all {} blocks, strangers’ included",
                    count(census.blocks.into())
                ),
            )
            .fact(
                "Concentration (HHI)",
                format!(
                    "{} of 10,000, unknown miners left out",
                    count(concentration)
                ),
            )
            .fact("Pool list, SHA-256", Cell::code(&census.pool_list_sha256)),
    );
    page.push(Block::text(
        "By tag: only the coinbase’s text says so, and any miner can write any text. By address: at \
         least half of the coinbase is paid to the pool. A pool is not a decision maker: several pools \
         may hand out one pool’s templates. A member had 21 blocks in two whole periods in a row.",
    ));
}

fn of_share(share: Share) -> Bar {
    Bar {
        label: Cell::default(),
        value: share.ppm.into(),
        low: Some(share.low_ppm.min(share.ppm).into()),
        high: Some(share.high_ppm.max(share.ppm).into()),
        tone: None,
        words: String::new(),
    }
}

fn bar(node: &EconomicNode) -> Bar {
    let how = match (node.by_tag, node.by_address) {
        (tag, 0) => format!("{} blocks by tag", count(tag.into())),
        (0, address) => format!("{} blocks by address", count(address.into())),
        (tag, address) => format!(
            "{} blocks: {} by tag, {} by address",
            count(node.blocks.into()),
            count(tag.into()),
            count(address.into())
        ),
    };
    let member = if node.member { "; a member" } else { "" };
    Bar {
        label: Cell::new(brief(&node.name, 100)),
        words: format!("{how}{member}"),
        ..of_share(node.share)
    }
}

fn left(forks: &[Fork]) -> Table {
    let columns = [
        "Left at height",
        "#Blocks",
        "Its last block",
        "+Who mined them",
        "Gone on at",
    ];
    let mut table = Table::new("Branches that the chain left, from two blocks on", &columns)
        .or("None since this module counts.");
    table.rows = forks
        .iter()
        .take(20)
        .map(|fork| {
            let miners = fork
                .left_miners
                .iter()
                .map(|(name, blocks)| format!("{name} {blocks}"));
            let miners = miners.collect::<Vec<_>>().join(", ");
            let from = fork
                .fork_height
                .map_or("below what is kept".to_owned(), |at| at.to_string());
            vec![
                fork.left_height.to_string().into(),
                fork.depth.to_string().into(),
                Cell::code(&fork.left_block),
                brief(&miners, 300).into(),
                from.into(),
            ]
        })
        .collect();
    table
}

fn proven(weights: &NodeWeights) -> Table {
    let mut table = Table::new(
        format!(
            "What economic nodes have proven, as of height {}",
            weights.height
        ),
        &[
            "Node",
            "+Key",
            "#Blocks",
            "#Coins",
            "#Attested by you",
            "Proof holds until",
        ],
    )
    .or("No economic nodes are configured: they are those who may veto, support or abstain.");
    table.rows = weights
        .nodes
        .iter()
        .take(300)
        .map(|node| {
            let until = match node.holds_until {
                Some(until) => Cell::badge(Tone::Good, format!("height {until}")),
                None => Cell::badge(Tone::Quiet, "no proof"),
            };
            vec![
                brief(&node.name, 100).into(),
                Cell::code(&node.key),
                count(node.blocks.into()).into(),
                btc(node.proven_sat).into(),
                btc(node.attested_sat).into(),
                until,
            ]
        })
        .collect();
    table
}

fn forms(page: &mut Page, weights: Option<&NodeWeights>) {
    let mut nodes = weights.into_iter().flat_map(|weights| &weights.nodes);
    let key = nodes
        .next()
        .map(|node| ("key".to_owned(), node.key.clone()));
    page.push(Form {
        method: "get_challenge".to_owned(),
        title: "Prove, step 1: get the words to sign".to_owned(),
        text:
            "They name this chain, the node’s key and a young block. Sign them by BIP322 with the \
               script that coinbases pay or that holds the coins."
                .to_owned(),
        button: "Get a challenge".to_owned(),
        values: key.into_iter().collect(),
    });
    page.push(Form {
        method: "submit_proof".to_owned(),
        title: "Prove, step 2: hand in the signature".to_owned(),
        text: "Each input is checked by this node’s own script verification, each coin against its own \
               set of unspent outputs."
            .to_owned(),
        button: "Check the proof".to_owned(),
        ..Form::default()
    });
}
