//! `GET /events/stream`.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::Response;
use axum::response::sse::Event;
use bllvm_ipc::{EventClass, EventEnvelope};
use futures_util::Stream;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::{patterns, position};
use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::Query;
use crate::api::state::Api;
use crate::journal::{FeedItem, LiveFeed};
use crate::model::Scope;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Which events, and from where.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// Patterns, separated by commas: `*`, `chain.*`, or a whole type.
    pub types: Option<String>,
    /// Durable events after this number come first. `Last-Event-ID` goes before it.
    pub after: Option<u64>,
}

/// Streams events.
///
/// Server-sent events: each message's `data` is an event as JSON, and durable ones carry their
/// number as `id`, from which a client resumes by `Last-Event-ID`. Beside messages there are
/// `event: reset` (`{"first": n}`: older events are gone, fetch the state again) and
/// `event: gap` (`{"missed": n}`: so many lossy events were dropped). A comment every 15 s shows
/// that the stream lives.
#[utoipa::path(
    get, path = "/events/stream", tag = "events",
    params(
        StreamQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The number of the last durable event that was seen.")
    ),
    responses((status = 200, description = "The stream.", body = EventEnvelope, content_type = "text/event-stream")),
    extensions(("x-scope" = json!("events:read")), ("x-problems" = json!(["too_many_streams", "shutting_down"])))
)]
pub async fn stream_events(
    caller: Caller,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
    State(api): State<Api>,
) -> ApiResult<Response> {
    caller.require(Scope::EventsRead)?;
    let patterns = patterns(query.types.as_deref())?;
    let after = match headers.get(LAST_EVENT_ID) {
        Some(id) => Some(position("Last-Event-ID", id.to_str().unwrap_or_default())?),
        None => query.after,
    };
    api.inner()
        .streams
        .answer(follow(api.journal.live(patterns, after)))
}

/// A feed as server-sent events; ends when the journal does.
pub(in crate::api) fn follow(feed: LiveFeed) -> impl Stream<Item = Event> + Send {
    futures_util::stream::unfold(feed, |mut feed| async move {
        match feed.next().await {
            Ok(Some(item)) => Some((message(item), feed)),
            Ok(None) => None,
            Err(error) => {
                tracing::error!(%error, "an event stream ended because the journal cannot be read");
                None
            }
        }
    })
}

fn message(item: FeedItem) -> Event {
    match item {
        FeedItem::Event(event) => data(&event),
        FeedItem::Reset { first } => named("reset", &json!({ "first": first })),
        FeedItem::Gap { missed } => named("gap", &json!({ "missed": missed })),
    }
}

fn data(event: &EventEnvelope) -> Event {
    // JSON on one line: it has no line breaks of its own.
    let message = Event::default().data(serde_json::to_string(event).unwrap_or_default());
    if event.class == EventClass::Durable {
        message.id(event.seq.to_string())
    } else {
        message
    }
}

fn named(name: &str, data: &serde_json::Value) -> Event {
    Event::default().event(name).data(data.to_string())
}
