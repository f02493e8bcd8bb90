//! From facts and weights to a transcript: one for each proposal that can be vetoed.

use std::collections::{BTreeMap, BTreeSet};

use super::transcript::FORMAT;
use super::{Node, Signal, Transcript, tally};
use crate::facts::{Fact, Signed};
use crate::known::Known;
use crate::mining::window::WINDOW;
use crate::proofs::Proven;
use crate::proposals::{Moment, Proposal};
use crate::statement::Action;

/// The block at which weights were taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// Its height.
    pub height: u32,
    /// Its hash.
    pub block: String,
    /// Both clocks.
    pub moment: Moment,
}

/// The transcript of a proposal as of a block; none if it cannot be vetoed.
pub fn gather(
    proposal: &Proposal,
    facts: &[Fact],
    known: &Known,
    proven: &BTreeMap<String, Proven>,
    at: &At,
) -> Option<Transcript> {
    let rule = proposal.needs.veto.clone()?;
    let opened_at = proposal.opened_at;
    let closes_at = proposal.veto_closes_at()?;
    let chain = known.chain().ok()?.to_owned();
    let mut made = Transcript {
        format: FORMAT.to_owned(),
        rules: known.rules.name.clone(),
        rules_sha256: known.rules.digest.clone(),
        repository: proposal.repository.clone(),
        number: proposal.number,
        head: proposal.head.clone(),
        rule,
        opened_at,
        closes_at,
        closed: at.moment.is_past(closes_at),
        height: at.height,
        block: at.block.clone(),
        median_time: at.moment.median_time.unwrap_or(i64::MIN),
        window_from: (at.height + 1).saturating_sub(WINDOW),
        nodes: nodes(known, proven),
        signals: Vec::new(),
        tally: tally(&[], 0, 1, 1),
        chain,
    };
    made.signals = signals(facts, &made);
    made.tally = made.count();
    Some(made)
}

/// What a frozen transcript is with what came since. Nodes, weights and the end stay; what was said in
/// time counts whenever its delivery comes, so that the order of deliveries decides nothing.
pub fn gather_again(frozen: &Transcript, facts: &[Fact]) -> Transcript {
    let mut made = frozen.clone();
    made.signals = signals(facts, &made);
    made.tally = made.count();
    made
}

/// What the nodes of a transcript said of its proposal until the end.
fn signals(facts: &[Fact], of: &Transcript) -> Vec<Signal> {
    let keys: BTreeSet<_> = of.nodes.iter().map(|node| node.key.as_str()).collect();
    let ours = |signed: &&Signed| {
        let said = &signed.statement;
        said.repository == of.repository
            && said.number == of.number
            && said.action != Action::Sign
            && said.chain == of.chain
            && said.rules == of.rules
            && signed.seen_at <= of.closes_at
            && keys.contains(signed.key.as_str())
    };
    let signed = facts.iter().filter_map(|fact| match fact {
        Fact::Signed(signed) => Some(signed),
        _ => None,
    });
    signed.filter(ours).map(signal).collect()
}

fn nodes(known: &Known, proven: &BTreeMap<String, Proven>) -> Vec<Node> {
    known
        .economic_nodes()
        .map(|(key, node)| {
            let none = Proven::default();
            let weight = proven.get(&key).unwrap_or(&none);
            Node {
                name: node.name.clone(),
                blocks: weight.blocks.clone(),
                proven_sat: weight.sat,
                attested_sat: node.attested_sat,
                key,
            }
        })
        .collect()
}

fn signal(signed: &Signed) -> Signal {
    let said = &signed.statement;
    Signal {
        key: signed.key.clone(),
        action: said.action,
        head: said.head.clone(),
        nonce: said.nonce,
        from: said.from,
        to: said.to,
        reason: signed.reason.clone(),
        seen_at: signed.seen_at,
        signature: signed.signature.clone(),
    }
}
