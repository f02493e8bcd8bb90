//! `/healthz` and `/readyz`: for whatever watches the process. Without credentials, and without
//! details.

use axum::extract::State;

use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::state::Api;
use crate::node::NodeState;

/// Whether the process answers.
///
/// It never fails because a module or the base node is down.
#[utoipa::path(
    get, path = "/healthz", tag = "host",
    responses((status = 200, description = "It answers.", body = str, content_type = "text/plain")),
    extensions(("x-public" = json!(true)))
)]
pub async fn get_healthz() -> &'static str {
    "ok\n"
}

/// Whether the node can do its work.
///
/// The database answers, the base node is ready, and no shutdown is under way.
#[utoipa::path(
    get, path = "/readyz", tag = "host",
    responses(
        (status = 200, description = "It can.", body = str, content_type = "text/plain"),
    ),
    extensions(("x-public" = json!(true)), ("x-problems" = json!(["shutting_down", "unavailable"])))
)]
pub async fn get_readyz(State(api): State<Api>) -> ApiResult<&'static str> {
    let unready = |what| Err(ApiError::new(Code::Unavailable, what).retry_after_ms(1000));
    if api.soft.is_cancelled() {
        return Err(ApiError::new(
            Code::ShuttingDown,
            "the node is shutting down",
        ));
    }
    if api.store.first_seq().await.is_err() {
        return unready("the database does not answer");
    }
    match api.node.state() {
        NodeState::Ready => Ok("ready\n"),
        NodeState::Unavailable { .. } if api.node.backend() == "none" => Ok("ready\n"),
        NodeState::Starting => unready("the base node is starting"),
        NodeState::Unavailable { .. } => unready("the base node is away"),
    }
}
