//! `GET /node/peers`.

use axum::Json;
use axum::extract::State;
use bllvm_ipc::types::Peers;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::state::Api;
use crate::model::Scope;

/// Lists the base node's peers.
///
/// Those that have shaken hands, whoever called whom.
#[utoipa::path(
    get, path = "/node/peers", tag = "node",
    responses((status = 200, description = "The peers.", body = Peers)),
    extensions(("x-scope" = json!("node:read")), ("x-problems" = json!(["node_unavailable", "unsupported"])))
)]
pub async fn list_peers(caller: Caller, State(api): State<Api>) -> ApiResult<Json<Peers>> {
    caller.require(Scope::NodeRead)?;
    Ok(Json(api.node.peers().await?))
}
