//! `GET /modules/{name}/logs`.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::sse::Event;
use axum::response::{IntoResponse as _, Response};
use bllvm_ipc::log::Level;
use bllvm_manifest::ModuleName;
use futures_util::Stream;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa::IntoParams;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::{Path, Query};
use crate::api::page::{PageView, checked_limit};
use crate::api::state::Api;
use crate::logs::LogLine;
use crate::model::Scope;

/// Which lines.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogsQuery {
    /// Only lines after this number: `next` of the page before. The newest where it is missing.
    #[serde(alias = "cursor")]
    pub after: Option<u64>,
    /// Only lines that are at least this severe.
    #[param(value_type = Option<String>, example = "info")]
    pub level: Option<Level>,
    /// At most so many lines, 1 to 1000; 100 where it is missing.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Goes on with new lines, as server-sent events.
    #[serde(default)]
    #[param(required = false)]
    pub follow: bool,
}

/// Shows what a module says.
///
/// Its standard output and error and what it logs over its channel, oldest first, secrets replaced.
/// JSON, or a line each with `Accept: application/x-ndjson`. With `?follow=true` the answer is a
/// stream of server-sent events, whose `id` is the line's number, with `event: gap` where a slow
/// reader missed lines.
#[utoipa::path(
    get, path = "/modules/{name}/logs", tag = "modules",
    params(("name" = String, Path, description = "The module's name."), LogsQuery),
    responses((status = 200, description = "The lines.", content(
        (PageView<LogLine> = "application/json"), (LogLine = "application/x-ndjson"),
        (LogLine = "text/event-stream")
    ))),
    extensions(
        ("x-scope" = json!("modules:read")),
        ("x-problems" = json!(["module_not_found", "too_many_streams", "shutting_down"]))
    )
)]
pub async fn get_module_logs(
    caller: Caller,
    Path(name): Path<ModuleName>,
    Query(query): Query<LogsQuery>,
    headers: HeaderMap,
    State(api): State<Api>,
) -> ApiResult<Response> {
    caller.require(Scope::ModulesRead)?;
    super::find(&api, &name).await?;
    let limit = checked_limit(query.limit)? as usize;
    let live = query.follow.then(|| api.logs.subscribe(&name));
    let lines = api.logs.tail(&name, query.after, query.level, limit);
    if let Some(live) = live {
        return api.inner().streams.answer(follow(lines, live, query.level));
    }
    let wants_lines = headers
        .get(ACCEPT)
        .is_some_and(|kind| kind == "application/x-ndjson");
    if wants_lines {
        let text: String = lines
            .iter()
            .map(|line| json!(line).to_string() + "\n")
            .collect();
        return Ok(([(CONTENT_TYPE, "application/x-ndjson")], text).into_response());
    }
    let next = lines.last().map(|line| line.seq).or(query.after);
    Ok(Json(PageView {
        items: lines,
        next: next.map(|seq| seq.to_string()),
    })
    .into_response())
}

/// The lines that are there, then those that come.
fn follow(
    lines: Vec<LogLine>,
    coming: Receiver<Arc<LogLine>>,
    level: Option<Level>,
) -> impl Stream<Item = Event> + Send {
    let seen = lines.last().map_or(0, |line| line.seq);
    let kept: VecDeque<LogLine> = lines.into();
    futures_util::stream::unfold((kept, coming), move |(mut kept, mut coming)| async move {
        if let Some(line) = kept.pop_front() {
            return Some((message(&line), (kept, coming)));
        }
        loop {
            match coming.recv().await {
                Ok(line) if line.seq <= seen || level.is_some_and(|least| line.level < least) => {}
                Ok(line) => return Some((message(&line), (kept, coming))),
                Err(RecvError::Lagged(missed)) => {
                    let gap = Event::default()
                        .event("gap")
                        .data(json!({ "missed": missed }).to_string());
                    return Some((gap, (kept, coming)));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    })
}

fn message(line: &LogLine) -> Event {
    Event::default()
        .id(line.seq.to_string())
        .data(json!(line).to_string())
}
