//! `/audit`: who asked for what, and what came of it.

use axum::extract::State;
use axum::response::Response;
use bllvm_web::format::Hash;
use bllvm_web::pages::{Audit, AuditRow};
use bllvm_web::parts::{Badge, Pager, Tone};
use serde::Deserialize;

use super::address::with_query;
use super::present::{stamp, who};
use super::respond::page;
use super::visit::{Visit, now};
use crate::api::Api;
use crate::api::error::ApiResult;
use crate::api::extract::Query;
use crate::model::{AuditEntry, Outcome, Scope, UtcTime};
use crate::store::{AuditFilter, Page, PageRequest};

const PAGE: u32 = 100;
/// Rows that a search looks through for one page.
const SEARCHED: usize = 10_000;

/// What is searched for.
#[derive(Debug, Default, Deserialize)]
pub struct AuditQuery {
    #[serde(default)]
    q: String,
    cursor: Option<String>,
}

/// `GET /audit`
///
/// # Errors
/// When the store cannot be read.
pub async fn show(
    State(api): State<Api>,
    visit: Visit,
    Query(query): Query<AuditQuery>,
) -> ApiResult<Response> {
    visit.require(Scope::AuditRead)?;
    let search = query.q.trim().to_lowercase();
    let found = find(&api, &search, query.cursor.clone()).await?;
    let at = |cursor: &str| with_query("/audit", &[("q", &query.q), ("cursor", cursor)]);
    let now = now(&api);
    page(&Audit {
        chrome: visit.chrome(&api).await?,
        rows: found.items.iter().map(|entry| row(entry, now)).collect(),
        nothing: if search.is_empty() {
            "Nobody has changed anything yet.".to_owned()
        } else {
            "Nothing fits the search.".to_owned()
        },
        pager: Pager {
            newer: query.cursor.as_ref().map(|_| at("")),
            older: found.next.as_deref().map(at),
        },
        search: query.q.clone(),
    })
}

async fn find(api: &Api, search: &str, cursor: Option<String>) -> ApiResult<Page<AuditEntry>> {
    let filter = AuditFilter::default();
    if search.is_empty() {
        let request = PageRequest {
            after: cursor,
            limit: Some(PAGE),
        };
        return Ok(api.store.audit(&request, &filter).await?);
    }
    let (mut items, mut looked, mut after) = (Vec::new(), 0, cursor);
    loop {
        let request = PageRequest {
            after: after.clone(),
            limit: Some(PAGE),
        };
        let some = api.store.audit(&request, &filter).await?;
        looked += some.items.len();
        items.extend(some.items.into_iter().filter(|entry| holds(entry, search)));
        after = some.next;
        if after.is_none() || items.len() >= PAGE as usize || looked >= SEARCHED {
            return Ok(Page { items, next: after });
        }
    }
}

fn holds(entry: &AuditEntry, search: &str) -> bool {
    let request = entry.request.as_deref().unwrap_or_default();
    [
        &entry.actor,
        &entry.action,
        &entry.target,
        &entry.detail,
        &who(&entry.actor),
    ]
    .into_iter()
    .map(String::as_str)
    .chain([request])
    .any(|text| text.to_lowercase().contains(search))
}

fn row(entry: &AuditEntry, now: UtcTime) -> AuditRow {
    let outcome = match entry.outcome {
        Outcome::Accepted => Badge::new(Tone::Good, "done"),
        Outcome::Refused => Badge::new(Tone::Bad, "refused"),
    };
    AuditRow {
        at: stamp(entry.time, now),
        who: who(&entry.actor),
        verb: entry.action.replace('_', " "),
        target: entry.target.clone(),
        detail: entry.detail.clone(),
        outcome,
        request: entry.request.clone().map(Hash::new),
    }
}
