//! `GET /node`.

use axum::Json;
use axum::extract::State;
use bllvm_ipc::types::{NetworkInfo, Tip};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::state::Api;
use crate::model::Scope;
use crate::node::NodeState;

/// The base node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    /// `embedded`, `core` or `none`.
    pub backend: String,
    /// `starting`, `ready` or `unavailable`.
    pub state: String,
    /// Why it is not ready.
    pub reason: Option<String>,
    /// What an operator should know about its data.
    pub warnings: Vec<String>,
    /// What it is and can do; none while it is away.
    pub network: Option<NetworkInfo>,
    /// The end of its best chain; none while it is away.
    pub tip: Option<Tip>,
    /// The height of the best chain that it knows of, blocks or not; higher than the tip while it
    /// catches up. None while it is away.
    pub headers: Option<u32>,
    /// What the blocks take on disk, in bytes; none while it is away.
    pub size_on_disk: Option<u64>,
}

/// Shows the base node.
///
/// Answers also while the base node is away, and says why it is.
#[utoipa::path(
    get, path = "/node", tag = "node",
    responses((status = 200, description = "The base node.", body = NodeView)),
    extensions(("x-scope" = json!("node:read")))
)]
pub async fn get_node(caller: Caller, State(api): State<Api>) -> ApiResult<Json<NodeView>> {
    caller.require(Scope::NodeRead)?;
    let (state, reason) = match api.node.state() {
        NodeState::Starting => ("starting", None),
        NodeState::Ready => ("ready", None),
        NodeState::Unavailable { why } => ("unavailable", Some(why)),
    };
    let status = api.node.chain_status().await.ok();
    Ok(Json(NodeView {
        backend: api.node.backend().to_owned(),
        state: state.to_owned(),
        reason,
        warnings: api.node.warnings(),
        network: api.node.info().await.ok(),
        tip: api.node.tip().await.ok(),
        headers: status.as_ref().map(|status| status.headers),
        size_on_disk: status.map(|status| status.size_on_disk),
    }))
}
