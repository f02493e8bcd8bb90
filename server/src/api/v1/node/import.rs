//! `POST /node/import`.

use std::path::PathBuf;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::{Accepted, Json};
use crate::api::state::Api;
use crate::model::{Operation, Scope};

/// Block files to be taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportBody {
    /// The full path of a `blk00000.dat`, or of the folder that such files lie in, on the node's
    /// machine.
    #[schema(value_type = String, example = "/home/me/.bitcoin/regtest/blocks")]
    pub path: PathBuf,
}

/// Takes in block files.
///
/// Those of Bitcoin Core or of another bllvm-node, which must not be running on them. The base node
/// judges each block as if a peer had sent it. What is cut off or of another network is refused by
/// its file's name before the first block is taken. The operation's result counts the blocks.
#[utoipa::path(
    post, path = "/node/import", tag = "node",
    request_body = ImportBody,
    responses((status = 202, description = "The files are being taken in.", body = Operation)),
    extensions(
        ("x-scope" = json!("node:control")),
        ("x-problems" = json!(["invalid_request", "node_unavailable", "unsupported"]))
    )
)]
pub async fn import_blocks(
    caller: Caller,
    State(api): State<Api>,
    Json(body): Json<ImportBody>,
) -> ApiResult<Accepted> {
    caller.require(Scope::NodeControl)?;
    let operation = api
        .control
        .import_blocks(body.path, &caller.actor())
        .await?;
    Ok(Accepted(operation))
}
