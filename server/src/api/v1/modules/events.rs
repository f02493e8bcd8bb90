//! `GET /modules/{name}/events`.

use axum::Json;
use axum::extract::State;
use bllvm_ipc::EventEnvelope;
use bllvm_manifest::ModuleName;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Path, Query};
use crate::api::page::{PageQuery, PageView, checked_limit};
use crate::api::state::Api;
use crate::model::Scope;

/// Events that are looked at together.
const WINDOW: u64 = 512;
/// Windows of one page at the most; a page may be short, or empty, and still have a next one.
const WINDOWS: usize = 16;

/// Lists durable events about a module, newest first.
///
/// Those that it published, and those of the host that name it. A page may be shorter than asked
/// for and still have a next one.
#[utoipa::path(
    get, path = "/modules/{name}/events", tag = "modules",
    params(("name" = String, Path, description = "The module's name."), PageQuery),
    responses((status = 200, description = "The events.", body = PageView<EventEnvelope>)),
    extensions(("x-scope" = json!("events:read")), ("x-problems" = json!(["module_not_found"])))
)]
pub async fn list_module_events(
    caller: Caller,
    Path(name): Path<ModuleName>,
    Query(page): Query<PageQuery>,
    State(api): State<Api>,
) -> ApiResult<Json<PageView<EventEnvelope>>> {
    caller.require(Scope::EventsRead)?;
    super::find(&api, &name).await?;
    let limit = checked_limit(page.limit)? as usize;
    let first = api.store.first_seq().await?;
    let mut before = match &page.cursor {
        None => api.store.last_seq() + 1,
        Some(cursor) => cursor.parse().map_err(|_| {
            ApiError::new(
                Code::InvalidParameter,
                "`cursor` is not `next` of an earlier page; leave it out for the newest events",
            )
        })?,
    };
    let everything = ["*".to_owned()];
    let mut items = Vec::new();
    for _ in 0..WINDOWS {
        if before <= first || items.len() == limit {
            break;
        }
        let after = before.saturating_sub(WINDOW + 1).max(first - 1);
        let count = usize::try_from(before - 1 - after).unwrap_or(usize::MAX);
        let window = api.store.events_after(after, &everything, count).await?;
        let about = window
            .into_iter()
            .rev()
            .filter(|event| is_about(event, &name));
        items.extend(about.take(limit - items.len()));
        before = match items.last() {
            Some(event) if items.len() == limit => event.seq,
            _ => after + 1,
        };
    }
    let next = (before > first).then(|| before.to_string());
    Ok(Json(PageView { items, next }))
}

fn is_about(event: &EventEnvelope, name: &ModuleName) -> bool {
    let names = |field: &str| event.data.get(field).and_then(|v| v.as_str()) == Some(name.as_str());
    event.publisher == name.as_str()
        || names("module")
        || (event.publisher == "host" && (names("name") || names("target")))
}
