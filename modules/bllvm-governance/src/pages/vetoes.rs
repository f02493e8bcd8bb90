//! Vetoes: an honest bar for each side, what was said, and the transcript to count again.

use bllvm_sdk::page::{Block, Cell, Code, Facts, Page, Progress, Table, Tone};

use super::{brief, btc, count, short, when};
use crate::mining::interval::Share;
use crate::proposals::stamp;
use crate::statement::Action;
use crate::veto::{LEAST_NODES, Side, Transcript};

/// Longer transcripts are told by the method alone.
const LONGEST: usize = 12_000;
/// As many as a page has room for.
const MOST: usize = 10;

/// The page.
pub fn vetoes(all: &[Transcript]) -> Page {
    let mut page = Page::new("Vetoes");
    if all.is_empty() {
        page.push(Block::text(
            "No open proposal can be vetoed. Tiers 3 to 5 can be, where the rules have a veto.",
        ));
    }
    for transcript in all.iter().take(MOST) {
        let number = transcript.number.to_string();
        let to = [
            ("repository", transcript.repository.as_str()),
            ("number", number.as_str()),
        ];
        let name = format!("{}#{}", transcript.repository, transcript.number);
        page.push(Block::heading(name));
        page.push(Facts::new("").fact(
            "Signals",
            Cell::new("who said what").to_page("proposal", &to),
        ));
        bars(&mut page, transcript);
    }
    if all.len() > MOST {
        let text = format!("{MOST} of {} are shown; “get_vetoes” has all.", all.len());
        page.push(Block::text(text));
    }
    page
}

/// One veto with all that was said, on a page that says which.
pub fn one(page: &mut Page, made: &Transcript) {
    bars(page, made);
    page.push(signals(made));
    page.push(transcript(made));
}

fn bars(page: &mut Page, made: &Transcript) {
    let tally = &made.tally;
    let (level, text) = match (tally.vetoed, made.closed, tally.reachable) {
        (true, true, _) => (
            Tone::Bad,
            "Vetoed: both sides were reached, with quorum.".to_owned(),
        ),
        (true, false, _) => (
            Tone::Warn,
            "Both sides are reached now, with quorum; signals are still taken.".to_owned(),
        ),
        (false, true, _) => (Tone::Good, "Not vetoed: the time is over.".to_owned()),
        (false, false, true) => (
            Tone::Busy,
            "Not vetoed so far. Can still be reached: yes.".to_owned(),
        ),
        (false, false, false) => (
            Tone::Quiet,
            format!(
                "Not vetoed so far. Can still be reached: no, {}.",
                why_not(made)
            ),
        ),
    };
    page.push(Block::notice(level, text));
    let share = Share::of(
        u32::try_from(tally.mining.veto).unwrap_or(u32::MAX),
        u32::try_from(tally.mining.total).unwrap_or(u32::MAX),
    );
    page.push(progress(
        "Mining",
        "blocks",
        &tally.mining,
        &doubt(&tally.mining, share),
    ));
    page.push(progress("Economic nodes", "satoshi", &tally.economic, ""));
    let state = if made.closed {
        format!(
            "over since {}; weights are frozen",
            when(&stamp(made.closes_at))
        )
    } else {
        format!("open until {} on both clocks", when(&stamp(made.closes_at)))
    };
    let quorum = if tally.quorum {
        "reached"
    } else {
        "not reached"
    };
    page.push(
        Facts::new("")
            .fact("Signals", state)
            .fact(
                "Quorum",
                format!(
                    "{quorum}: {} nodes with economic weight, {LEAST_NODES} are needed",
                    tally.nodes
                ),
            )
            .fact(
                "Weights as of",
                Cell::code(format!("{} {}", made.height, made.block)),
            )
            .fact("Head", Cell::code(&made.head)),
    );
}

fn transcript(made: &Transcript) -> Code {
    let text = serde_json::to_string_pretty(made).unwrap_or_default();
    let fits =
        text.chars().count() <= LONGEST && !text.chars().any(|c| c.is_control() && c != '\n');
    Code {
        title: "Transcript, for “bllvm-governance verify”".to_owned(),
        text: if fits {
            text
        } else {
            format!(
                "bllvm-node module call bllvm-governance get_vetoes number={} --json | jq .vetoes[0]",
                made.number
            )
        },
        folded: true,
    }
}

fn why_not(made: &Transcript) -> &'static str {
    let tally = &made.tally;
    match (
        tally.quorum,
        tally.mining.reachable,
        tally.economic.reachable,
    ) {
        (false, _, _) => "too few nodes have economic weight",
        (_, false, _) => "all proven miners together are too few",
        _ => "all economic nodes together are too few",
    }
}

fn progress(title: &str, unit: &str, side: &Side, words: &str) -> Progress {
    let all = [side.veto, side.support, side.abstain, side.silent];
    let can = all
        .iter()
        .fold(0, |sum: u64, part| sum.saturating_add(*part))
        .min(side.total);
    let need = (u128::from(side.percent) * u128::from(side.total))
        .div_ceil(100)
        .max(1);
    let said = format!(
        "{} % must say veto: {} do, {} support, {} abstain, {} have not spoken.",
        side.percent,
        count(side.veto),
        count(side.support),
        count(side.abstain),
        count(side.silent)
    );
    Progress {
        title: title.to_owned(),
        have: side.veto.min(can),
        need: u64::try_from(need).unwrap_or(u64::MAX),
        can,
        of: side.total,
        unit: unit.to_owned(),
        words: format!("{said} {words}").trim().to_owned(),
    }
}

/// A count of blocks is a sample: a threshold within its interval is met by count alone.
fn doubt(side: &Side, share: Share) -> String {
    let at = side.percent.saturating_mul(10_000);
    if side.veto == 0 || !(share.low_ppm..=share.high_ppm).contains(&at) {
        return String::new();
    }
    let percent = |ppm: u32| format!("{}.{}", ppm / 10_000, ppm / 1000 % 10);
    format!(
        "The share’s 95 % interval is {} to {} %, with the threshold in it: it is {} by count, and \
         not distinguishable from the opposite.",
        percent(share.low_ppm),
        percent(share.high_ppm),
        if side.met { "met" } else { "not met" }
    )
}

fn signals(made: &Transcript) -> Table {
    let mut table = Table::new(
        "What economic nodes say",
        &["Node", "Says", "#Blocks", "#Proven", "#+Attested", "#Nonce"],
    )
    .or("No economic nodes are configured.");
    table.rows = made
        .nodes
        .iter()
        .take(200)
        .map(|node| {
            let newest = made.signals.iter().filter(|one| one.key == node.key);
            let newest = newest.max_by_key(|one| one.nonce);
            let says = match newest {
                None => Cell::badge(Tone::Quiet, "nothing"),
                Some(one) if one.head != made.head => Cell::badge(
                    Tone::Quiet,
                    format!("{} over {}", one.action, short(&one.head)),
                ),
                Some(one) if one.action == Action::Veto => Cell::badge(Tone::Bad, "veto"),
                Some(one) if one.action == Action::Support => Cell::badge(Tone::Good, "support"),
                Some(one) => Cell::badge(Tone::Quiet, one.action.to_string()),
            };
            vec![
                brief(&node.name, 100).into(),
                says,
                count(node.blocks.len() as u64).into(),
                btc(node.proven_sat).into(),
                btc(node.attested_sat).into(),
                newest
                    .map_or(String::new(), |one| one.nonce.to_string())
                    .into(),
            ]
        })
        .collect();
    table
}
