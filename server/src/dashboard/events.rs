//! `/events`: the journal with a filter.

use axum::extract::State;
use axum::response::Response;
use bllvm_ipc::EventEnvelope;
use bllvm_ipc::event::matches;
use bllvm_web::pages::Events;
use bllvm_web::parts::{Choice, Pager};
use serde::Deserialize;

use super::address::with_query;
use super::journal::Walk;
use super::present::event;
use super::respond::page;
use super::visit::{Visit, now};
use crate::api::Api;
use crate::api::error::ApiResult;
use crate::api::extract::Query;
use crate::model::Scope;

const PAGE: usize = 100;
const KINDS: [&str; 7] = [
    "chain.*",
    "module.*",
    "operation.*",
    "audit.*",
    "node.*",
    "host.*",
    "events.*",
];

/// Which events.
#[derive(Debug, Default, Deserialize)]
pub struct EventsQuery {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    module: String,
    before: Option<u64>,
}

/// `GET /events`
///
/// # Errors
/// When the store cannot be read.
pub async fn show(
    State(api): State<Api>,
    visit: Visit,
    Query(query): Query<EventsQuery>,
) -> ApiResult<Response> {
    visit.require(Scope::EventsRead)?;
    let names = api
        .store
        .modules()
        .await?
        .into_iter()
        .map(|module| module.name.to_string());
    let names: Vec<String> = names.collect();
    let fits = |event: &EventEnvelope| {
        (query.kind.is_empty() || matches(&query.kind, &event.kind))
            && (query.module.is_empty() || is_about(event, &query.module))
    };
    let found = Walk::before(&api, query.before, fits).take(PAGE).await?;
    let filtered = !query.kind.is_empty() || !query.module.is_empty();
    let now = now(&api);
    let at = |before: &str| {
        with_query(
            "/events",
            &[
                ("type", &query.kind),
                ("module", &query.module),
                ("before", before),
            ],
        )
    };
    page(&Events {
        chrome: visit.chrome(&api).await?,
        kinds: choices(
            KINDS.iter().map(ToString::to_string),
            names.iter(),
            &query.kind,
        ),
        modules: choices(names.iter().cloned(), [].iter(), &query.module),
        events: found
            .events
            .iter()
            .map(|one| event::row(one, now))
            .collect(),
        live: query.before.is_none(),
        nothing: if filtered {
            "No event matches the filter.".to_owned()
        } else {
            "Nothing has happened yet.".to_owned()
        },
        retention: "Events are kept for 30 days or 1 GiB, whichever is less.".to_owned(),
        pager: Pager {
            newer: query.before.map(|_| at("")),
            older: found.next.map(|next| at(&next.to_string())),
        },
    })
}

/// All, then the given ones, then each module's own namespace.
fn choices<'n>(
    words: impl Iterator<Item = String>,
    modules: impl Iterator<Item = &'n String>,
    chosen: &str,
) -> Vec<Choice> {
    let own = modules.map(|name| format!("{name}.*"));
    let mut all: Vec<Choice> = words
        .chain(own)
        .map(|word| {
            let selected = word == chosen;
            Choice::plain(word, selected)
        })
        .collect();
    if !chosen.is_empty() && all.iter().all(|choice| !choice.selected) {
        all.push(Choice::plain(chosen, true));
    }
    all.insert(0, Choice::new("", "all", chosen.is_empty()));
    all
}

/// Whether an event was published by a module or tells of it.
pub fn is_about(event: &EventEnvelope, module: &str) -> bool {
    let names =
        |field: &str| event.data.get(field).and_then(|value| value.as_str()) == Some(module);
    event.publisher == module || names("module") || (event.publisher == "host" && names("target"))
}
