//! One proposal: its state, clocks, who signed what over which commit, and what is missing.

use bllvm_sdk::page::{Block, Cell, Facts, Page, Progress, Table, Tone};

use super::{brief, short, standing, vetoes, when};
use crate::proposals::{Clock, Proposal, Signature, Standing};
use crate::veto::Transcript;

/// The page. `keys` are the maintainers whose signatures could count.
pub fn proposal(one: &Proposal, keys: usize, transcript: Option<&Transcript>) -> Page {
    let mut page = Page::new(format!("{}: {}", one.id, brief(&one.title, 120)));
    page.push(verdict(one));
    page.push(
        Facts::new("")
            .fact("State", standing(one.standing))
            .fact("By", brief(&one.author, 100))
            .fact("Head", Cell::code(brief(&one.head, 100)))
            .fact("Into", brief(&one.base, 100))
            .fact("Labels", brief(&or_none(one.labels.join(", ")), 400))
            .fact("Layer", format!("{}: {}", one.layer, one.layer_title)),
    );
    page.push(signatures_progress(one, keys));
    let mut clocks = Table::new("Clocks", &["Period", "Began", "Ends", "State"]);
    clocks.rows.push(clock("Review", &one.review));
    clocks
        .rows
        .extend(one.veto.as_ref().map(|veto| clock("Veto", veto)));
    page.push(clocks);
    page.push(signatures(one));
    if !one.weak.is_empty() {
        let mut weak = Table::new(
            "Weak signatures, never counted",
            &["By", "+What was written"],
        );
        let rows = one.weak.iter().take(100);
        weak.rows = rows
            .map(|one| {
                vec![
                    brief(&one.login, 100).into(),
                    Cell::code(brief(&one.signature, 200)),
                ]
            })
            .collect();
        page.push(weak);
        page.push(Block::text(
            "They are over upstream's text, which names neither commit nor action.",
        ));
    }
    page.push(reviews(one));
    page.push(tiers(one));
    if let Some(transcript) = transcript {
        page.push(Block::heading("Veto"));
        vetoes::one(&mut page, transcript);
    }
    let sources = one.needs.sources.join("; ");
    page.with(Block::text(format!(
        "The numbers are from: {}",
        brief(&sources, 2000)
    )))
}

fn or_none(text: String) -> String {
    if text.is_empty() {
        "none".to_owned()
    } else {
        text
    }
}

fn verdict(one: &Proposal) -> Block {
    let missing = super::missing(one);
    let (level, text) = match (one.standing, one.missing.is_empty()) {
        (Standing::Closed, _) => (Tone::Quiet, "It was closed.".to_owned()),
        (Standing::Ready, _) => (Tone::Good, "Nothing is missing.".to_owned()),
        (Standing::Waiting, _) => (Tone::Busy, format!("What is missing: {missing}.")),
        (Standing::Merged, true) => (
            Tone::Good,
            "It was merged, and nothing was missing.".to_owned(),
        ),
        (Standing::Merged, false) => (
            Tone::Warn,
            format!("It was merged while this was missing: {missing}."),
        ),
    };
    Block::notice(level, text)
}

fn signatures_progress(one: &Proposal, keys: usize) -> Progress {
    let needed = one.needs.signatures;
    let keys = u64::try_from(keys)
        .unwrap_or(u64::MAX)
        .max(one.signed.into());
    Progress {
        title: "Signatures".to_owned(),
        have: one.signed.into(),
        need: needed.needed.into(),
        can: keys,
        of: keys.max(needed.of.into()),
        unit: "signatures".to_owned(),
        words: format!(
            "The rules ask for {} of {}; {keys} maintainers’ keys are configured for this layer. A \
             signature counts if it is over {}.",
            needed.needed,
            needed.of,
            short(&one.head)
        ),
    }
}

fn clock(name: &str, clock: &Clock) -> Vec<Cell> {
    let state = if clock.passed {
        Cell::badge(Tone::Good, "over")
    } else {
        let names = clock.waits_for.iter().map(|one| match one.as_str() {
            "utc" => "the wall’s clock",
            _ => "the chain’s median time",
        });
        let names: Vec<_> = names.collect();
        Cell::badge(
            Tone::Busy,
            format!("open: waits for {}", names.join(" and ")),
        )
    };
    vec![
        name.into(),
        when(&clock.began_at).into(),
        when(&clock.ends_at).into(),
        state,
    ]
}

fn signatures(one: &Proposal) -> Table {
    let mut table = Table::new(
        "Who signed what",
        &[
            "Who",
            "Over commit",
            "#Nonce",
            "+Holds at heights",
            "Counts",
        ],
    );
    table.empty = format!("Nobody has signed {} yet.", short(&one.head));
    table.rows = one
        .signatures
        .iter()
        .take(200)
        .map(|signed| signature(signed, one))
        .collect();
    table
}

fn signature(signed: &Signature, of: &Proposal) -> Vec<Cell> {
    let who = match &signed.login {
        Some(login) => Cell::new(brief(login, 100)),
        None => Cell::code(&signed.key),
    };
    let head = if signed.head == of.head {
        format!("{}, the head", short(&signed.head))
    } else {
        format!("{}, an older one", short(&signed.head))
    };
    let counts = match &signed.code {
        None => Cell::badge(Tone::Good, "yes"),
        Some(code) => Cell::badge(Tone::Warn, format!("no: {}", in_words(code))),
    };
    vec![
        who,
        brief(&head, 100).into(),
        signed.nonce.to_string().into(),
        format!("{} to {}", signed.from, signed.to).into(),
        counts,
    ]
}

/// Why a signature does not count.
fn in_words(code: &str) -> &str {
    match code {
        "superseded" => "a newer one of this key replaced it",
        "other_head" => "it is over another commit",
        "other_rules" => "it is for other rules",
        "other_chain" => "it is for another chain",
        "not_a_maintainer" => "the key is no maintainer’s here",
        "not_yet" => "its heights have not come",
        "expired" => "its heights are past",
        "no_chain" => "the node has no chain",
        "after_the_merge" => "it was said after the merge",
        other => other,
    }
}

fn reviews(one: &Proposal) -> Table {
    let mut table = Table::new(
        "Reviews at GitHub, which are no signatures",
        &["By", "What", "Over commit"],
    )
    .or("None.");
    let rows = one.reviews.iter().take(200);
    table.rows = rows
        .map(|review| {
            let current = if review.current { ", the head" } else { "" };
            vec![
                brief(&review.login, 100).into(),
                brief(&review.state.replace('_', " "), 40).into(),
                format!("{}{current}", short(&brief(&review.commit, 100))).into(),
            ]
        })
        .collect();
    table
}

fn tiers(one: &Proposal) -> Table {
    let mut table = Table::new("What it is claimed to be", &["Tier", "By", "Counts"]);
    table.rows = one
        .tiers
        .iter()
        .take(100)
        .map(|claim| {
            let counts = if claim.counted { "yes" } else { "no" };
            let tier = format!("{}: {}", claim.tier, claim.title);
            vec![
                brief(&tier, 200).into(),
                brief(&claim.by, 200).into(),
                counts.into(),
            ]
        })
        .collect();
    table
}
