//! Which signatures count: the newest of each key, over the present head, within its window.

use std::collections::BTreeMap;

use super::clock::Moment;
use super::view::Signature;
use crate::facts::{Pull, Signed, State};
use crate::known::Known;
use crate::statement::Action;

/// What was signed of a pull request, each with whether it counts.
pub fn judge(
    pull: &Pull,
    layer: u8,
    signed: &[&Signed],
    known: &Known,
    moment: &Moment,
) -> Vec<Signature> {
    let ours: Vec<_> = signed
        .iter()
        .filter(|one| one.statement.action == Action::Sign)
        .collect();
    let mut newest: BTreeMap<&str, (u64, [u8; 32])> = BTreeMap::new();
    for one in &ours {
        let rank = (one.statement.nonce, one.statement.digest());
        let best = newest.entry(&one.key).or_insert(rank);
        *best = (*best).max(rank);
    }
    ours.iter()
        .map(|one| {
            let said = &one.statement;
            let superseded = newest.get(one.key.as_str()) != Some(&(said.nonce, said.digest()));
            let code = if superseded {
                Some("superseded")
            } else {
                why_not(pull, layer, one, known, moment)
            };
            Signature {
                login: known.maintainer(&one.key).map(|who| who.login.clone()),
                key: one.key.clone(),
                action: said.action,
                head: said.head.clone(),
                nonce: said.nonce,
                from: said.from,
                to: said.to,
                reason: one.reason.clone(),
                signature: one.signature.clone(),
                counted: code.is_none(),
                code: code.map(str::to_owned),
            }
        })
        .collect()
}

fn why_not(
    pull: &Pull,
    layer: u8,
    signed: &Signed,
    known: &Known,
    moment: &Moment,
) -> Option<&'static str> {
    let said = &signed.statement;
    let signs = |key| {
        known
            .maintainer(key)
            .is_some_and(|who| who.signs_for(layer))
    };
    if !signs(&signed.key) {
        return Some("not_a_maintainer");
    }
    if said.rules != known.rules.name {
        return Some("other_rules");
    }
    if known.chain().is_ok_and(|chain| chain != said.chain) {
        return Some("other_chain");
    }
    if said.head != pull.head {
        return Some("other_head");
    }
    // What was merged is what had been signed by then.
    if pull
        .merged_at
        .is_some_and(|merged_at| signed.seen_at > merged_at)
    {
        return Some("after_the_merge");
    }
    // What was merged or closed is not judged by heights that came later.
    if pull.state != State::Open {
        return None;
    }
    let Some(height) = moment.height else {
        return Some("no_chain");
    };
    if height < said.from {
        return Some("not_yet");
    }
    (height > said.to).then_some("expired")
}
