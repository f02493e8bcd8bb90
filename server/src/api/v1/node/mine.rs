//! `POST /node/mine`.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::{Accepted, Json};
use crate::api::state::Api;
use crate::model::{Operation, Scope};

/// Blocks to be mined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MineBody {
    /// How many, 1 to 1000.
    #[schema(minimum = 1, maximum = 1000)]
    pub count: u32,
    /// Whom the coinbase pays; where it is missing, a script that anyone can spend.
    pub address: Option<String>,
}

/// Mines blocks.
///
/// On a test network such as regtest. The operation's result lists the new blocks' hashes.
#[utoipa::path(
    post, path = "/node/mine", tag = "node",
    request_body = MineBody,
    responses((status = 202, description = "The blocks are being mined.", body = Operation)),
    extensions(
        ("x-scope" = json!("node:control")),
        ("x-problems" = json!(["invalid_request", "node_unavailable", "unsupported"]))
    )
)]
pub async fn mine_blocks(
    caller: Caller,
    State(api): State<Api>,
    Json(body): Json<MineBody>,
) -> ApiResult<Accepted> {
    caller.require(Scope::NodeControl)?;
    let operation = api
        .control
        .mine(body.count, body.address, &caller.actor())
        .await?;
    Ok(Accepted(operation))
}
