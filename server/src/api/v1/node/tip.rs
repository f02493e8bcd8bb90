//! `GET /node/tip`.

use axum::Json;
use axum::extract::State;
use bllvm_ipc::types::Tip;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::state::Api;
use crate::model::Scope;

/// Shows the end of the best chain.
///
/// Hash, height, times and header of the newest valid block.
#[utoipa::path(
    get, path = "/node/tip", tag = "node",
    responses((status = 200, description = "The tip.", body = Tip)),
    extensions(("x-scope" = json!("node:read")), ("x-problems" = json!(["node_unavailable", "unsupported"])))
)]
pub async fn get_tip(caller: Caller, State(api): State<Api>) -> ApiResult<Json<Tip>> {
    caller.require(Scope::NodeRead)?;
    Ok(Json(api.node.tip().await?))
}
