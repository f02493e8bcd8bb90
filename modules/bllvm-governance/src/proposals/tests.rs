//! Proposals out of facts: what counts, what is missing, when a review is over.

use super::{Moment, Proposal, Standing, all};
use crate::config::{Config, Maintainer, Repository};
use crate::facts::{Fact, Head, Pull, Signed, State, TierWish};
use crate::known::Known;
use crate::statement::tests::{key, sign, statement};
use crate::statement::{Action, Statement};

const DAY: i64 = 86_400;

fn known() -> Known {
    let maintainers = (1..=5).map(|number| Maintainer {
        login: format!("m{number}"),
        key: key(number).x_only_public_key().0.to_string(),
        layers: if number == 5 { vec![1] } else { Vec::new() },
    });
    let config = Config {
        repositories: vec![Repository {
            name: "Example/Node".to_owned(),
            layer: 5,
            tier: Some(1),
        }],
        maintainers: maintainers.collect(),
        ..Config::default()
    };
    Known::new(&config, config.preset.rules(), Some(statement().chain))
}

fn pull(head: char) -> Pull {
    Pull {
        updated_at: 1000,
        state: State::Open,
        repository: "example/node".to_owned(),
        number: 7,
        title: "A change".to_owned(),
        author: "author".to_owned(),
        head: head.to_string().repeat(40),
        base: "main".to_owned(),
        labels: Vec::new(),
        created_at: 0,
        merged_at: None,
        merge_commit: None,
    }
}

fn signed(number: u8, change: impl Fn(&mut Statement)) -> Fact {
    let mut said = statement();
    change(&mut said);
    Fact::Signed(Signed {
        signature: sign(&said, &key(number)).to_string(),
        key: key(number).x_only_public_key().0.to_string(),
        statement: said,
        reason: String::new(),
        seen_at: 10,
    })
}

fn at(days: i64) -> Moment {
    Moment {
        utc: days * DAY,
        median_time: Some(days * DAY),
        height: Some(100),
    }
}

fn judged(facts: &[Fact], moment: Moment) -> Proposal {
    let mut all = all(facts, &known(), &moment, None).proposals;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn three_signatures_of_the_head_and_fourteen_days_make_it_ready() {
    let mut facts = vec![Fact::Pull(pull('a'))];
    facts.extend((1..=2).map(|number| signed(number, |_| {})));
    let waiting = judged(&facts, at(13));
    assert_eq!((waiting.standing, waiting.signed), (Standing::Waiting, 2));
    assert_eq!(
        waiting.missing,
        [
            "1 more signature of aaaaaaaaaaaa",
            "review is open until 1970-01-15T00:00:00Z"
        ]
    );
    facts.push(signed(3, |_| {}));
    let ready = judged(&facts, at(14));
    assert_eq!((ready.standing, ready.signed), (Standing::Ready, 3));
}

#[test]
fn what_does_not_count_says_why() {
    let code = |fact: Fact| {
        let one = judged(&[Fact::Pull(pull('a')), fact], at(20));
        assert_eq!(one.signed, 0);
        one.signatures[0].code.clone().unwrap()
    };
    assert_eq!(code(signed(1, |s| s.head = "b".repeat(40))), "other_head");
    assert_eq!(code(signed(1, |s| s.from = 101)), "not_yet");
    assert_eq!(code(signed(1, |s| s.to = 99)), "expired");
    assert_eq!(code(signed(1, |s| s.rules = "x".into())), "other_rules");
    assert_eq!(code(signed(1, |s| s.chain = "x".into())), "other_chain");
    assert_eq!(code(signed(9, |_| {})), "not_a_maintainer");
    assert_eq!(code(signed(5, |_| {})), "not_a_maintainer");
    let no_chain = Moment {
        height: None,
        ..at(20)
    };
    let one = judged(&[Fact::Pull(pull('a')), signed(1, |_| {})], no_chain);
    assert_eq!(one.signatures[0].code.as_deref(), Some("no_chain"));
}

#[test]
fn a_push_takes_all_signatures_away_and_begins_the_review_anew() {
    let head = |head: char, seen_at| {
        Fact::Head(Head {
            repository: "example/node".to_owned(),
            number: 7,
            head: head.to_string().repeat(40),
            seen_at,
        })
    };
    let mut facts = vec![Fact::Pull(pull('a')), head('a', 0)];
    facts.extend((1..=3).map(|number| signed(number, |_| {})));
    assert_eq!(judged(&facts, at(14)).standing, Standing::Ready);
    facts[0] = Fact::Pull(pull('b'));
    facts.push(head('b', 10 * DAY));
    let pushed = judged(&facts, at(14));
    assert_eq!((pushed.standing, pushed.signed), (Standing::Waiting, 0));
    assert_eq!(pushed.review.ends_at, "1970-01-25T00:00:00Z");
}

#[test]
fn the_highest_nonce_of_a_key_is_what_it_says() {
    let facts = [
        Fact::Pull(pull('a')),
        signed(1, |s| s.nonce = 2),
        signed(1, |s| {
            s.nonce = 3;
            s.to = 50;
        }),
    ];
    let one = judged(&facts, at(20));
    assert_eq!(one.signed, 0);
    let mut codes: Vec<_> = one
        .signatures
        .iter()
        .map(|s| (s.nonce, s.code.clone()))
        .collect();
    codes.sort();
    let code = |text: &str| Some(text.to_owned());
    assert_eq!(codes, [(2, code("superseded")), (3, code("expired"))]);
}

#[test]
fn a_veto_is_no_signature_and_a_strangers_wish_changes_nothing() {
    let wish = |login: &str| {
        Fact::Tier(TierWish {
            repository: "example/node".to_owned(),
            number: 7,
            login: login.to_owned(),
            tier: 5,
            reason: String::new(),
            seen_at: 1,
        })
    };
    let veto = signed(1, |s| s.action = Action::Veto);
    let one = judged(&[Fact::Pull(pull('a')), veto, wish("stranger")], at(20));
    assert_eq!((one.signatures.len(), one.needs.review_days), (0, 14));
    assert!(
        one.tiers
            .iter()
            .any(|claim| claim.tier == 5 && !claim.counted)
    );
    let one = judged(&[Fact::Pull(pull('a')), wish("M1")], at(20));
    assert_eq!(one.needs.review_days, 180);
}

#[test]
fn two_pushes_within_a_second_make_nothing_ready() {
    let head = |head: char, seen_at| {
        Fact::Head(Head {
            repository: "example/node".to_owned(),
            number: 7,
            head: head.to_string().repeat(40),
            seen_at,
        })
    };
    // GitHub tells whole seconds, so `b` may have come after `a`, whose signatures are all there.
    let mut facts = vec![Fact::Pull(pull('a')), head('a', 0), head('b', 1000)];
    facts.extend((1..=3).map(|number| signed(number, |_| {})));
    let one = judged(&facts, at(14));
    assert_eq!((one.standing, one.signed), (Standing::Waiting, 3));
    assert!(one.missing[0].contains("same second"), "{:?}", one.missing);
    // The next change tells which one it is.
    let mut later = pull('a');
    later.updated_at += 1;
    facts[0] = Fact::Pull(later);
    assert_eq!(judged(&facts, at(14)).standing, Standing::Ready);
}

#[test]
fn what_is_signed_after_the_merge_was_not_signed_before() {
    let mut merged = pull('a');
    merged.state = State::Merged;
    for (merged_at, code) in [(9, Some("after_the_merge")), (10, None)] {
        merged.merged_at = Some(merged_at);
        let facts = [Fact::Pull(merged.clone()), signed(1, |_| {})];
        let one = judged(&facts, at(400));
        assert_eq!(one.signed, u32::from(code.is_none()));
        assert_eq!(one.signatures[0].code.as_deref(), code);
    }
}

#[test]
fn what_was_merged_too_early_says_what_was_missing() {
    let mut merged = pull('a');
    merged.state = State::Merged;
    merged.merged_at = Some(3 * DAY);
    let one = judged(&[Fact::Pull(merged)], at(400));
    assert_eq!(one.standing, Standing::Merged);
    assert_eq!(one.missing.len(), 2, "{:?}", one.missing);
}
