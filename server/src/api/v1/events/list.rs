//! `GET /events`.

use axum::Json;
use axum::extract::State;
use bllvm_ipc::EventEnvelope;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{patterns, position};
use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::Query;
use crate::api::page::{PageView, checked_limit};
use crate::api::state::Api;
use crate::model::Scope;

/// Which events.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Patterns, separated by commas: `*`, `chain.*`, or a whole type.
    pub types: Option<String>,
    /// At most so many items, 1 to 1000; 100 where it is missing.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Only events after this number: `next` of the page before, or a `seq`.
    pub cursor: Option<String>,
}

/// Lists durable events, oldest first.
///
/// `next` is always there: ask again with it to get what came meanwhile.
#[utoipa::path(
    get, path = "/events", tag = "events",
    params(EventsQuery),
    responses((status = 200, description = "The events.", body = PageView<EventEnvelope>)),
    extensions(("x-scope" = json!("events:read")))
)]
pub async fn list_events(
    caller: Caller,
    Query(query): Query<EventsQuery>,
    State(api): State<Api>,
) -> ApiResult<Json<PageView<EventEnvelope>>> {
    caller.require(Scope::EventsRead)?;
    let limit = checked_limit(query.limit)?;
    let patterns = patterns(query.types.as_deref())?;
    let after = query
        .cursor
        .as_deref()
        .map_or(Ok(0), |text| position("cursor", text))?;
    let last = api.store.last_seq();
    let items = api
        .store
        .events_after(after, &patterns, limit as usize)
        .await?;
    // A page that is not full was looked for up to the end.
    let next = match items.last() {
        Some(event) if items.len() == limit as usize => event.seq,
        Some(event) => event.seq.max(last),
        None => after.max(last),
    };
    Ok(Json(PageView {
        items,
        next: Some(next.to_string()),
    }))
}
