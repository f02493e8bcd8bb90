//! `GET /node/blocks/{block}`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use bitcoin::hashes::Hash as _;
use bllvm_ipc::types::{BlockRef, HeaderInfo, Txid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::Path;
use crate::api::state::Api;
use crate::model::Scope;

/// A block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BlockView {
    /// Its header and place.
    #[serde(flatten)]
    pub header: HeaderInfo,
    /// Its size with witnesses, in bytes.
    pub size: u64,
    /// Its weight.
    pub weight: u64,
    /// The ids of its transactions, in order.
    pub transactions: Vec<Txid>,
}

/// Shows a block.
///
/// By hash, or by height in the best chain. With `Accept: application/octet-stream` the answer is
/// the raw block.
#[utoipa::path(
    get, path = "/node/blocks/{block}", tag = "node",
    params(("block" = String, Path, description = "The block's hash or height.")),
    responses((status = 200, description = "The block.", content(
        (BlockView = "application/json"), (Vec<u8> = "application/octet-stream")
    ))),
    extensions(
        ("x-scope" = json!("node:read")),
        ("x-problems" = json!(["block_not_found", "node_unavailable", "unsupported"]))
    )
)]
pub async fn get_block(
    caller: Caller,
    Path(block): Path<String>,
    headers: HeaderMap,
    State(api): State<Api>,
) -> ApiResult<Response> {
    caller.require(Scope::NodeRead)?;
    let header = api.node.header(block_ref(&block)?).await?;
    let raw = api.node.block(header.hash).await?;
    if headers
        .get(ACCEPT)
        .is_some_and(|kind| kind == "application/octet-stream")
    {
        return Ok(([(CONTENT_TYPE, "application/octet-stream")], raw).into_response());
    }
    let block: bitcoin::Block =
        bitcoin::consensus::deserialize(&raw).map_err(ApiError::internal)?;
    let view = BlockView {
        header,
        size: raw.len() as u64,
        weight: block.weight().to_wu(),
        transactions: block
            .txdata
            .iter()
            .map(|transaction| Txid(transaction.compute_txid().to_byte_array()))
            .collect(),
    };
    Ok(axum::Json(view).into_response())
}

fn block_ref(text: &str) -> ApiResult<BlockRef> {
    if let Ok(height) = text.parse() {
        return Ok(BlockRef {
            hash: None,
            height: Some(height),
        });
    }
    match text.parse() {
        Ok(hash) => Ok(BlockRef {
            hash: Some(hash),
            height: None,
        }),
        Err(fault) => Err(ApiError::new(
            Code::InvalidParameter,
            format!("`block` in the address is neither a height nor a block hash: {fault}"),
        )),
    }
}
