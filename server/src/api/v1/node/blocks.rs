//! `GET /node/blocks`.

use axum::Json;
use axum::extract::State;
use bllvm_ipc::types::{BlockRef, HeaderInfo};

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::Query;
use crate::api::page::{PageQuery, PageView, checked_limit};
use crate::api::state::Api;
use crate::model::Scope;

/// Headers of one page at the most; each is asked of the base node.
const MOST: u32 = 100;

/// Lists the best chain's blocks, newest first.
///
/// The cursor is a height. A page has at most 100 blocks.
#[utoipa::path(
    get, path = "/node/blocks", tag = "node",
    params(PageQuery),
    responses((status = 200, description = "The blocks.", body = PageView<HeaderInfo>)),
    extensions(("x-scope" = json!("node:read")), ("x-problems" = json!(["node_unavailable", "unsupported"])))
)]
pub async fn list_blocks(
    caller: Caller,
    Query(page): Query<PageQuery>,
    State(api): State<Api>,
) -> ApiResult<Json<PageView<HeaderInfo>>> {
    caller.require(Scope::NodeRead)?;
    let limit = checked_limit(page.limit)?.min(MOST);
    let tip = api.node.tip().await?.height;
    let from = match &page.cursor {
        None => tip,
        Some(cursor) => cursor
            .parse::<u32>()
            .map(|height| height.min(tip))
            .map_err(|_| {
                ApiError::new(
                    Code::InvalidParameter,
                    "`cursor` is not `next` of an earlier page; leave it out for the newest blocks",
                )
            })?,
    };
    let mut items = Vec::new();
    for height in (0..=from).rev().take(limit as usize) {
        let block = BlockRef {
            hash: None,
            height: Some(height),
        };
        items.push(api.node.header(block).await?);
    }
    let next = from.checked_sub(limit).map(|height| height.to_string());
    Ok(Json(PageView { items, next }))
}
