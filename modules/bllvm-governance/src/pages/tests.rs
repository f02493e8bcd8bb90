//! Every page passes the host's door, however hostile the words in it are, and says what it must.

use bllvm_sdk::page::{Block, Page};

use super::*;
use crate::answers::{NodeWeight, NodeWeights, WebhookStatus};
use crate::config::Config;
use crate::facts::{Fact, Head, Pull, State};
use crate::known::Known;
use crate::mining::census::{EconomicNode, EconomicNodes, Unknown};
use crate::mining::fork::Fork;
use crate::mining::interval::Share;
use crate::proposals::{Moment, Proposals, all};
use crate::rules::VetoRule;
use crate::store::Untold;
use crate::veto::{Node, Transcript, tally};

const HOSTILE: &str = "<script>alert(1)</script>\u{202e}\u{0}\u{7}";

/// What the host reads, as text.
fn through(page: &Page) -> String {
    let document = serde_json::to_value(page).unwrap();
    let read = Page::read(&document).unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(&read, page);
    document.to_string()
}

fn some(count: u64, text: &str) -> Proposals {
    let config: Config = serde_json::from_value(serde_json::json!({
        "repositories": [{ "name": "example/node", "layer": 4, "tier": 3 }],
    }))
    .unwrap();
    let known = Known::new(&config, config.preset.rules(), Some("c".to_owned()));
    let moment = Moment {
        utc: 1_000_000,
        median_time: Some(1_000_000),
        height: Some(7),
    };
    let facts = (1..=count).flat_map(|number| {
        let pull = Pull {
            repository: "example/node".to_owned(),
            number,
            title: text.repeat(50),
            author: text.to_owned(),
            state: State::Open,
            head: "ab".repeat(20),
            base: text.to_owned(),
            labels: vec![text.repeat(9); 90],
            created_at: 1,
            updated_at: 1,
            merged_at: None,
            merge_commit: None,
        };
        let head = Head {
            repository: pull.repository.clone(),
            number,
            head: pull.head.clone(),
            seen_at: 1,
        };
        [Fact::Pull(pull), Fact::Head(head)]
    });
    all(&facts.collect::<Vec<_>>(), &known, &moment, None)
}

fn transcript(mining: (u64, u32), says: &str) -> Transcript {
    let node = |n: u64| Node {
        name: says.to_owned(),
        key: format!("{n:064x}"),
        blocks: (0..u32::try_from(mining.0).unwrap())
            .filter(|height| u64::from(*height) % 3 == n)
            .collect(),
        proven_sat: 100,
        attested_sat: 0,
    };
    let mut made = Transcript {
        format: "bllvm-governance/transcript/1".to_owned(),
        chain: "c".to_owned(),
        rules: "r".to_owned(),
        rules_sha256: "s".to_owned(),
        repository: "example/node".to_owned(),
        number: 7,
        head: "ab".repeat(20),
        rule: VetoRule {
            mining_percent: mining.1,
            economic_percent: 40,
            hours: 24,
            source: says.to_owned(),
        },
        opened_at: 0,
        closes_at: 86_400,
        closed: false,
        height: 2015,
        block: "b".to_owned(),
        median_time: 0,
        window_from: 0,
        nodes: (0..3).map(node).collect(),
        signals: Vec::new(),
        tally: tally(&[], 0, 1, 1),
    };
    made.tally = made.count();
    made
}

#[test]
fn proposals_of_any_number_and_words_fit_on_their_pages() {
    for count in [0, 1, 450] {
        let found = some(count, HOSTILE);
        let text = through(&proposals(&found, 1));
        assert!(!text.contains("\\u202e") && !text.contains('\u{202e}'));
        if let Some(one) = found.proposals.first() {
            let veto = transcript((900, 30), HOSTILE);
            let text = through(&proposal(one, 0, Some(&veto)));
            assert!(text.contains("What is missing"), "{text}");
            assert!(text.contains("Nobody has signed abababababab yet"));
        }
    }
    let text = through(&proposals(&some(0, ""), 0));
    assert!(text.contains("No repositories are configured"));
}

#[test]
fn a_veto_is_called_reachable_only_where_the_tally_is() {
    for (blocks, percent) in [
        (0, 30),
        (300, 30),
        (604, 30),
        (605, 30),
        (900, 30),
        (2016, 100),
    ] {
        let made = transcript((blocks, percent), "node");
        let page = vetoes(std::slice::from_ref(&made));
        let text = through(&page);
        let word = if made.tally.reachable { "yes" } else { "no" };
        assert!(
            text.contains(&format!("Can still be reached: {word}")),
            "{blocks}: {text}"
        );
        let mut bars = page.blocks.iter().filter_map(|block| match block {
            Block::Progress(bar) => Some(bar),
            _ => None,
        });
        let (mining, economic) = (bars.next().unwrap(), bars.next().unwrap());
        assert_eq!(
            mining.can >= mining.need,
            made.tally.mining.reachable,
            "{blocks}"
        );
        assert_eq!(mining.have >= mining.need, made.tally.mining.met);
        assert_eq!(economic.can >= economic.need, made.tally.economic.reachable);
    }
    assert!(through(&vetoes(&[])).contains("No open proposal can be vetoed"));
    through(&vetoes(&vec![transcript((2016, 30), HOSTILE); 30]));
}

#[test]
fn miners_stand_beside_the_unknown_ones() {
    let node = |id: u32, blocks: u32| EconomicNode {
        id,
        name: format!("{HOSTILE}{id}"),
        link: HOSTILE.to_owned(),
        blocks,
        by_tag: blocks,
        by_address: 0,
        share: Share::of(blocks, 2016),
        member: blocks > 20,
    };
    let census = EconomicNodes {
        node_id: None,
        height: Some(2015),
        hash: Some("00".repeat(32)),
        window: 2016,
        blocks: 2016,
        pool_list_sha256: "ab".repeat(32),
        nodes: (0..168).map(|id| node(id, 12)).collect(),
        unknown: Unknown {
            blocks: 0,
            share: Share::of(0, 2016),
        },
    };
    let weights = NodeWeights {
        height: 2015,
        block: "b".to_owned(),
        nodes: vec![NodeWeight {
            name: HOSTILE.to_owned(),
            key: "k".to_owned(),
            blocks: 3,
            proven_sat: u64::MAX,
            attested_sat: 5,
            holds_until: None,
        }],
    };
    let fork = Fork {
        depth: 3,
        fork_height: None,
        left_height: 2000,
        left_block: "00".repeat(32),
        left_miners: [(HOSTILE.to_owned(), 3)].into(),
        height: 2015,
        block: "01".repeat(32),
    };
    let text = through(&economic_nodes(Some(&census), Some(&weights), &[fork]));
    assert!(
        text.contains("Unknown") && text.contains("184,467,440,737.09551615 BTC"),
        "{text}"
    );
    assert!(text.contains("submit_proof"));
    let text = through(&economic_nodes(None, None, &[]));
    assert!(text.contains("No blocks are counted yet") && !text.contains("submit_proof"));
}

#[test]
fn deliveries_are_shown_with_their_verdicts() {
    let status = WebhookStatus {
        node_id: Some("ours".to_owned()),
        enabled: false,
        webhook_source: "github".to_owned(),
        webhook_url: Some("https://example.org/hook".to_owned()),
        chain: None,
        deliveries: 1234,
        applied: 1,
        refused: 2,
        failed: 3,
        untold: 4,
        facts: 5,
        facts_sha256: "ab".repeat(32),
    };
    let one = Untold {
        delivery: "01KAR".to_owned(),
        word: "refused".to_owned(),
        code: Some("unknown_key".to_owned()),
        detail: HOSTILE.repeat(99),
    };
    let text = through(&deliveries(&status, &[one]));
    for wanted in [
        "1,234",
        "unknown_key",
        "Nothing is sent there",
        "are not read",
        "3 deliveries wait",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
}
