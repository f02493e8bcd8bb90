//! Which events a fact is worth: `governance.*`, told once, when it first holds.

use serde_json::json;

use crate::facts::{Fact, Pull, State};
use crate::store::News;

/// A pull request came.
pub const PROPOSAL_CREATED: &str = "governance.proposal_created";
/// Its head, its labels or its state changed.
pub const PROPOSAL_UPDATED: &str = "governance.proposal_updated";
/// It was merged.
pub const PROPOSAL_MERGED: &str = "governance.proposal_merged";
/// Somebody made a statement whose signature is good.
pub const STATEMENT_RECEIVED: &str = "governance.statement_received";

/// The news of a fact that was joined into its place, if there is any.
pub fn of(before: Option<&Fact>, after: &Fact) -> Option<News> {
    let (kind, data) = match (before, after) {
        (before, Fact::Pull(pull)) => {
            let was = match before {
                Some(Fact::Pull(was)) => Some(was),
                _ => None,
            };
            (about(was, pull)?, of_pull(pull))
        }
        (None, Fact::Signed(signed)) => {
            let said = &signed.statement;
            let data = json!({
                "proposal": format!("{}#{}", said.repository, said.number),
                "action": said.action, "head": said.head, "key": signed.key, "nonce": said.nonce,
            });
            (STATEMENT_RECEIVED, data)
        }
        _ => return None,
    };
    Some(News {
        kind: kind.to_owned(),
        data,
    })
}

fn about(was: Option<&Pull>, pull: &Pull) -> Option<&'static str> {
    let merged = |pull: &Pull| pull.state == State::Merged;
    match was {
        Some(was) if merged(pull) && !merged(was) => Some(PROPOSAL_MERGED),
        None if merged(pull) => Some(PROPOSAL_MERGED),
        None => Some(PROPOSAL_CREATED),
        Some(was) => {
            let changed =
                was.head != pull.head || was.state != pull.state || was.labels != pull.labels;
            changed.then_some(PROPOSAL_UPDATED)
        }
    }
}

fn of_pull(pull: &Pull) -> serde_json::Value {
    json!({
        "proposal": format!("{}#{}", pull.repository, pull.number),
        "title": pull.title, "author": pull.author, "head": pull.head, "state": pull.state,
        "labels": pull.labels,
    })
}
