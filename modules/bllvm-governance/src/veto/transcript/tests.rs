//! What makes a transcript true, and every way in which it is not.

use super::*;
use crate::rules::Preset;
use crate::statement::tests::{key, sign, statement};

const OPENS: i64 = 100;
/// Tier 3 takes signals for 90 days.
const ENDS: i64 = OPENS + 90 * 86_400;

fn signal(number: u8, change: impl Fn(&mut Statement), seen_at: i64) -> Signal {
    let mut said = statement();
    said.action = Action::Veto;
    change(&mut said);
    Signal {
        key: key(number).x_only_public_key().0.to_string(),
        action: said.action,
        head: said.head.clone(),
        nonce: said.nonce,
        from: said.from,
        to: said.to,
        reason: String::new(),
        seen_at,
        signature: sign(&said, &key(number)).to_string(),
    }
}

fn transcript(signals: Vec<Signal>) -> Transcript {
    let said = statement();
    let rule = Preset::EconomicVeto2025
        .rules()
        .tier(3)
        .unwrap()
        .veto
        .clone();
    let nodes = (1..=4_u8).map(|number| Node {
        name: format!("n{number}"),
        key: key(number).x_only_public_key().0.to_string(),
        blocks: (u32::from(number) * 10..u32::from(number) * 10 + 10).collect(),
        proven_sat: 100,
        attested_sat: 0,
    });
    let mut made = Transcript {
        format: FORMAT.to_owned(),
        chain: said.chain,
        rules: said.rules,
        rules_sha256: Preset::EconomicVeto2025.rules().digest,
        repository: said.repository,
        number: said.number,
        head: said.head,
        rule: rule.unwrap(),
        opened_at: OPENS,
        closes_at: ENDS,
        closed: true,
        height: 99,
        block: "b".repeat(64),
        median_time: ENDS,
        window_from: 0,
        nodes: nodes.collect(),
        signals,
        tally: tally(&[], 0, 1, 1),
    };
    made.tally = made.count();
    made
}

#[test]
fn a_true_transcript_holds_and_says_who_vetoed() {
    let signals = (1..=4).map(|number| signal(number, |_| {}, 150)).collect();
    let made = transcript(signals);
    assert!(made.tally.vetoed, "{:?}", made.tally);
    assert_eq!(made.tally.mining.veto, 40);
    assert_eq!(made.verify(), Ok(()));
    let json = serde_json::to_string(&made).unwrap();
    let read: Transcript = serde_json::from_str(&json).unwrap();
    assert_eq!(read.verify(), Ok(()));
    assert_eq!(read.digest(), made.digest());
    assert_eq!(read.verify_rules(&Preset::EconomicVeto2025.rules()), Ok(()));
}

#[test]
fn whatever_is_changed_the_transcript_is_broken() {
    let made = transcript((1..=4).map(|number| signal(number, |_| {}, 150)).collect());
    let broken = |change: fn(&mut Transcript)| {
        let mut other = made.clone();
        change(&mut other);
        other.verify().unwrap_err()
    };
    assert_eq!(
        broken(|t| t.signals[2].action = Action::Support),
        Broken::Signature(2)
    );
    assert_eq!(broken(|t| t.repository.push('x')), Broken::Signature(0));
    assert_eq!(
        broken(|t| t.signals[0].key = t.signals[1].key.clone()),
        Broken::Signature(0)
    );
    assert!(matches!(
        broken(|t| t.nodes[0].proven_sat += 1),
        Broken::Tally { .. }
    ));
    assert!(matches!(
        broken(|t| t.tally.vetoed = false),
        Broken::Tally { .. }
    ));
    assert!(matches!(
        broken(|t| drop(t.signals.pop())),
        Broken::Tally { .. }
    ));
    assert!(matches!(
        broken(|t| t.head = "b".repeat(40)),
        Broken::Tally { .. }
    ));
    assert!(matches!(
        broken(|t| t.nodes[0].blocks.push(20)),
        Broken::Node { .. }
    ));
    assert!(matches!(
        broken(|t| t.nodes[0].blocks.push(200)),
        Broken::Node { .. }
    ));
    assert!(matches!(
        broken(|t| t.median_time = ENDS - 1),
        Broken::TooEarly { .. }
    ));
    assert!(matches!(broken(|t| t.format.push('2')), Broken::Format(_)));
}

/// Altered, and counted again by who altered it, so that everything adds up.
#[test]
fn a_transcript_that_was_altered_and_counted_again_is_broken() {
    let made = transcript((1..=4).map(|number| signal(number, |_| {}, 150)).collect());
    let altered = |change: fn(&mut Transcript)| {
        let mut other = made.clone();
        change(&mut other);
        other.tally = other.count();
        other
    };
    let broken = |change| altered(change).verify().unwrap_err();
    // A key in capitals would be another voice for the count, and the same one for secp256k1.
    assert_eq!(
        broken(|t| t.signals[0].key = t.signals[0].key.to_uppercase()),
        Broken::Signature(0)
    );
    let twice = |t: &mut Transcript| {
        let mut node = t.nodes[0].clone();
        node.key = node.key.to_uppercase();
        node.blocks.clear();
        t.nodes.push(node);
    };
    assert!(matches!(broken(twice), Broken::Node { .. }));
    assert!(matches!(
        broken(|t| t.nodes[0].key.push('0')),
        Broken::Node { .. }
    ));
    // Fewer blocks in all, a longer or a shorter time for signals.
    let shorter = |t: &mut Transcript| {
        t.height = 2500;
        t.window_from = 2400;
        t.nodes.iter_mut().for_each(|node| node.blocks.clear());
    };
    assert!(matches!(broken(shorter), Broken::Window { .. }));
    assert!(matches!(
        broken(|t| t.closes_at = 149),
        Broken::Window { .. }
    ));
    assert!(matches!(
        broken(|t| t.opened_at = 151),
        Broken::Window { .. }
    ));
    assert!(matches!(
        broken(|t| t.rule.hours += 1),
        Broken::Window { .. }
    ));
    // Other percents, other rules: the rules tell.
    let rules = Preset::EconomicVeto2025.rules();
    for change in [
        (|t: &mut Transcript| t.rule.mining_percent = 1) as fn(&mut Transcript),
        |t| t.rule.economic_percent = 1,
        |t| t.rules_sha256 = "0".repeat(64),
    ] {
        let other = altered(change);
        assert_eq!(other.verify(), Ok(()), "by itself it adds up");
        assert!(matches!(other.verify_rules(&rules), Err(Broken::Rules(..))));
    }
    // What no rule tells, the digest does.
    let fewer = altered(|t| drop(t.signals.pop()));
    assert_eq!(fewer.verify(), Ok(()));
    assert_ne!(fewer.digest(), made.digest());
}

#[test]
fn the_newest_nonce_in_time_is_what_a_key_says() {
    let veto = |signals| transcript(signals).tally.mining.veto;
    assert_eq!(veto(vec![signal(1, |_| {}, 150)]), 10);
    let change_of_mind = |s: &mut Statement| (s.nonce, s.action) = (2, Action::Support);
    let both = || vec![signal(1, |_| {}, 150), signal(1, change_of_mind, 160)];
    assert_eq!(veto(both()), 0);
    assert_eq!(transcript(both()).tally.mining.support, 10);
    // Too late to change anything, too early to count.
    assert_eq!(
        veto(vec![
            signal(1, |_| {}, 150),
            signal(1, change_of_mind, ENDS + 1)
        ]),
        10
    );
    assert_eq!(veto(vec![signal(1, |_| {}, 99)]), 0);
    // Over another commit, or outside its window of heights.
    assert_eq!(veto(vec![signal(1, |s| s.head = "b".repeat(40), 150)]), 0);
    assert_eq!(veto(vec![signal(1, |s| s.to = 98, 150)]), 0);
    assert_eq!(veto(vec![signal(1, |s| s.from = 100, 150)]), 0);
    // A maintainer's signature is no signal.
    assert_eq!(veto(vec![signal(1, |s| s.action = Action::Sign, 150)]), 0);
}
