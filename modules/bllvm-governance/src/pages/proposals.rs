//! All proposals in a table, newest first.

use bllvm_sdk::page::{Block, Cell, Facts, Page, Table, Tone};

use super::{MOST, brief, short, standing, when};
use crate::facts::Release;
use crate::proposals::{Proposal, Proposals, Standing};

/// The page.
pub fn proposals(all: &Proposals, repositories: usize) -> Page {
    let mut page = Page::new("Proposals");
    if repositories == 0 {
        let text = "No repositories are configured, so no pull request is a proposal. Name some, and \
                    the keys of their maintainers, in this module's configuration.";
        page.push(Block::notice(Tone::Warn, text));
    }
    let count = |wanted| {
        all.proposals
            .iter()
            .filter(|one| one.standing == wanted)
            .count()
    };
    let (waiting, ready) = (count(Standing::Waiting), count(Standing::Ready));
    let mut table = Table::new(
        format!("{waiting} waiting, {ready} with nothing missing"),
        &[
            "Proposal",
            "State",
            "Signatures",
            "Review until",
            "+What is missing",
        ],
    )
    .or("No pull request has come yet. They come by the node’s webhooks.");
    table.rows = all.proposals.iter().take(MOST).map(row).collect();
    page.push(table);
    if all.proposals.len() > MOST {
        let text = format!(
            "The newest {MOST} of {} are shown; “get_proposals” has all.",
            all.proposals.len()
        );
        page.push(Block::text(text));
    }
    let mut releases = Table::new("Releases", &["Repository", "Tag", "By", "State"]);
    releases.rows = all.releases.iter().take(20).map(release).collect();
    if !releases.rows.is_empty() {
        page.push(releases);
    }
    let height = all
        .height
        .map_or("none: no review ends".to_owned(), |height| {
            height.to_string()
        });
    page.push(
        Facts::new("Judged by")
            .fact("Rules", all.rules.as_str())
            .fact("In words", brief(&all.rules_description, 500))
            .fact("Their SHA-256", Cell::code(&all.rules_sha256))
            .fact("As of", when(&all.at))
            .fact("Height", height),
    );
    page.with(Block::text(
        "Nobody is bound by this. It shows what the rules ask for and what is there.",
    ))
}

fn row(one: &Proposal) -> Vec<Cell> {
    let number = one.number.to_string();
    let to = [
        ("repository", one.repository.as_str()),
        ("number", number.as_str()),
    ];
    let title = format!("{}: {}", one.id, brief(&one.title, 120));
    let needed = one.needs.signatures.needed;
    let review = if one.review.passed {
        "over".to_owned()
    } else {
        when(&one.review.ends_at)
    };
    let missing = if one.missing.is_empty() {
        format!("nothing, for {}", short(&one.head))
    } else {
        super::missing(one)
    };
    vec![
        Cell::new(title).to_page("proposal", &to),
        standing(one.standing),
        format!("{} of {needed}", one.signed).into(),
        review.into(),
        brief(&missing, 300).into(),
    ]
}

fn release(one: &Release) -> Vec<Cell> {
    let state = match (one.deleted, one.draft, one.prerelease) {
        (true, _, _) => "deleted",
        (_, true, _) => "a draft",
        (_, _, true) => "a pre-release",
        _ => "published",
    };
    vec![
        brief(&one.repository, 200).into(),
        Cell::code(brief(&one.tag, 200)),
        brief(&one.author, 100).into(),
        state.into(),
    ]
}
