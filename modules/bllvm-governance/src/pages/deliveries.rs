//! What came in by webhooks, and what became of it.

use bllvm_sdk::page::{Block, Cell, Facts, Page, Table, Tone};

use super::{brief, count};
use crate::answers::WebhookStatus;
use crate::store::Untold;

/// The page.
pub fn deliveries(status: &WebhookStatus, newest: &[Untold]) -> Page {
    let mut page = Page::new("Deliveries");
    if !status.enabled {
        let text = "“enabled” is false in this module's configuration: deliveries are not read.";
        page.push(Block::notice(Tone::Warn, text));
    }
    if status.failed > 0 {
        let text = format!(
            "{} deliveries wait for the node to have a chain, since statements bind one. Replay them then.",
            status.failed
        );
        page.push(Block::notice(Tone::Warn, text));
    }
    let chain = match &status.chain {
        Some(chain) => Cell::code(chain),
        None => Cell::badge(Tone::Warn, "the node never had one"),
    };
    let mut facts = Facts::new("")
        .fact("Webhook source", status.webhook_source.as_str())
        .fact("Taken in", count(status.deliveries))
        .fact("Applied", count(status.applied))
        .fact("Refused", count(status.refused))
        .fact("Verdicts on their way", count(status.untold))
        .fact("Facts", count(status.facts))
        .fact("Their SHA-256", Cell::code(&status.facts_sha256))
        .fact("Chain", chain);
    if let Some(node_id) = &status.node_id {
        facts = facts.fact("This node", brief(node_id, 100));
    }
    if let Some(url) = &status.webhook_url {
        facts = facts.fact("webhook_url", Cell::code(brief(url, 300)));
        page.push(Block::notice(
            Tone::Info,
            "“webhook_url” is from an older configuration. Nothing is sent there by this module: add \
             it to the node's outgoing webhooks instead, which sign and try again.",
        ));
    }
    page.push(facts);
    let mut table = Table::new("Newest verdicts", &["Delivery", "Verdict", "Code", "+Why"]);
    table.empty = format!(
        "Nothing has come from the source “{}” yet. “bllvm-node webhook source add {0} --scheme github” makes it.",
        status.webhook_source
    );
    table.rows = newest
        .iter()
        .map(|one| {
            let tone = match one.word.as_str() {
                "applied" => Tone::Good,
                "refused" => Tone::Warn,
                _ => Tone::Bad,
            };
            vec![
                Cell::code(&one.delivery).to_delivery(&one.delivery),
                Cell::badge(tone, &one.word),
                Cell::new(one.code.as_deref().unwrap_or_default()),
                brief(&one.detail.replace('`', ""), 300).into(),
            ]
        })
        .collect();
    page.push(table);
    page.with(Block::text(
        "The SHA-256 of the facts is equal wherever the same deliveries came, in whatever order and \
         however often.",
    ))
}
