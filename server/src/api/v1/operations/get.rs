//! `GET /operations/{id}`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout_at};
use utoipa::IntoParams;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::{Path, Query, wait_time};
use crate::api::state::Api;
use crate::model::{Id, Operation, Scope};

/// Events that come in quick succession are looked at together.
const DEBOUNCE: Duration = Duration::from_millis(10);

/// Whether to wait.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WaitQuery {
    /// Waits for the end, at most so long: `500ms`, `10s`, `1m`. The answer is the operation as it
    /// stands then.
    pub wait: Option<String>,
}

/// Shows an operation.
///
/// With `?wait=10s` the answer comes when the operation is over, or after that time.
#[utoipa::path(
    get, path = "/operations/{id}", tag = "operations",
    params(("id" = String, Path, description = "The operation's id."), WaitQuery),
    responses((status = 200, description = "The operation.", body = Operation)),
    extensions(("x-scope" = json!("modules:read")), ("x-problems" = json!(["operation_not_found"])))
)]
pub async fn get_operation(
    caller: Caller,
    Path(id): Path<Id>,
    Query(query): Query<WaitQuery>,
    State(api): State<Api>,
) -> ApiResult<Json<Operation>> {
    caller.require(Scope::ModulesRead)?;
    super::reach(&api, &caller, id).await?;
    let wait = query.wait.as_deref().map(wait_time).transpose()?;
    Ok(Json(waited(&api, id, wait.unwrap_or_default()).await?))
}

/// The operation when it is over, or as it stands after `wait`, or when the node shuts down.
pub(in crate::api) async fn waited(api: &Api, id: Id, wait: Duration) -> ApiResult<Operation> {
    let deadline = Instant::now() + wait;
    let mut changes = api.store.feed().changes();
    loop {
        changes.borrow_and_update();
        let operation = api
            .store
            .operation(id)
            .await?
            .ok_or_else(|| super::not_found(id))?;
        if operation.status.is_final() || Instant::now() >= deadline {
            return Ok(operation);
        }
        tokio::select! {
            // Either way the row is read once more; a closed feed means that the node stops.
            _ = timeout_at(deadline, changes.changed()) => {}
            () = api.soft.cancelled() => return Ok(operation),
        }
        sleep(DEBOUNCE.min(deadline.saturating_duration_since(Instant::now()))).await;
    }
}
