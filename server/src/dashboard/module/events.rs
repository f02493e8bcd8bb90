//! `/modules/{name}/events`: how far it is with what it is told, and what happened.

use axum::extract::State;
use axum::response::Response;
use bllvm_manifest::ModuleName;
use bllvm_web::format;
use bllvm_web::pages::module::{ModuleEvents, SubscriptionRow, Tab};
use bllvm_web::parts::{Badge, Pager, Tone};
use serde::Deserialize;

use super::{find, head};
use crate::api::Api;
use crate::api::error::ApiResult;
use crate::api::extract::{Path, Query};
use crate::dashboard::events::is_about;
use crate::dashboard::journal::Walk;
use crate::dashboard::present::event;
use crate::dashboard::respond::page;
use crate::dashboard::visit::{Visit, now};
use crate::model::{Scope, kinds};

const PAGE: usize = 50;
/// More behind than this is worth a colour.
const LAGGING: u64 = 1024;

/// Where the list goes on.
#[derive(Debug, Default, Deserialize)]
pub struct EventsQuery {
    before: Option<u64>,
}

/// `GET /modules/{name}/events`
///
/// # Errors
/// When there is no module of this name.
pub async fn show(
    State(api): State<Api>,
    visit: Visit,
    Path(name): Path<ModuleName>,
    Query(query): Query<EventsQuery>,
) -> ApiResult<Response> {
    visit.require(Scope::EventsRead)?;
    let seen = find(&api, &name).await?;
    let walk = Walk::before(&api, query.before, |event| {
        // Steps of an operation are on its own page.
        let under_way = event.kind == kinds::OPERATION && event.data["status"] == "running";
        event.kind != kinds::AUDIT && !under_way && is_about(event, name.as_str())
    });
    let found = walk.take(PAGE).await?;
    let now = now(&api);
    let path = format!("/modules/{name}/events");
    page(&ModuleEvents {
        chrome: visit.chrome(&api).await?,
        head: head(&api, &seen, Tab::Events).await?,
        subscriptions: subscriptions(&api, &name).await?,
        events: found
            .events
            .iter()
            .map(|one| event::row(one, now))
            .collect(),
        pager: Pager {
            newer: query.before.map(|_| path.clone()),
            older: found.next.map(|next| format!("{path}?before={next}")),
        },
    })
}

async fn subscriptions(api: &Api, name: &ModuleName) -> ApiResult<Vec<SubscriptionRow>> {
    let Some(cursor) = api.store.cursor(name).await? else {
        return Ok(Vec::new());
    };
    // While it is connected, the journal knows better than the stored cursor.
    let behind = api.journal.lag(name);
    let state = match behind {
        None => Badge::new(Tone::Quiet, "not connected"),
        Some(behind) if behind > LAGGING => Badge::new(Tone::Warn, "behind"),
        Some(_) => Badge::new(Tone::Good, "up to date"),
    };
    let last = api.store.last_seq();
    let behind = behind.unwrap_or_else(|| last.saturating_sub(cursor));
    Ok(vec![SubscriptionRow {
        types: "events that it subscribed to".to_owned(),
        state,
        cursor: format!("no. {}", last.saturating_sub(behind).max(cursor)),
        behind: format::plural(behind, "event", "events"),
    }])
}
