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
    Ok(Json(NodeView {
        backend: api.node.backend().to_owned(),
        state: state.to_owned(),
        reason,
        warnings: api.node.warnings(),
        network: api.node.info().await.ok(),
        tip: api.node.tip().await.ok(),
    }))
}
