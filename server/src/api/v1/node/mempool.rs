//! `GET /node/mempool` and what is in it.

use axum::Json;
use axum::extract::State;
use bllvm_ipc::types::{TransactionRequest, Txid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Path, Query};
use crate::api::page::{PageQuery, PageView, checked_limit};
use crate::api::state::Api;
use crate::model::Scope;
use crate::node::{MempoolPicture, Relatives, picture};

/// An unconfirmed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MempoolEntryView {
    /// Its id.
    pub txid: Txid,
    /// Its id with the witness.
    pub wtxid: Txid,
    /// Virtual bytes.
    pub vsize: u64,
    /// Weight.
    pub weight: u64,
    /// The fee.
    pub fee_sat: u64,
    /// When it came, Unix seconds.
    pub time: u64,
    /// The tip's height when it came.
    pub height: u32,
    /// It and the unconfirmed transactions that it stands on.
    pub ancestors: RelativesView,
    /// It and the unconfirmed transactions that stand on it.
    pub descendants: RelativesView,
    /// Unconfirmed transactions whose outputs it spends.
    pub depends: Vec<Txid>,
    /// Unconfirmed transactions that spend its outputs.
    pub spent_by: Vec<Txid>,
    /// Whether it says that it may be replaced (BIP125).
    pub replaceable: bool,
    /// Its bytes in hex.
    pub raw: String,
}

/// Sums over a transaction and its unconfirmed relatives, itself included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RelativesView {
    /// How many.
    pub count: u64,
    /// Their virtual bytes.
    pub vsize: u64,
    /// Their fees.
    pub fees_sat: u64,
}

impl From<Relatives> for RelativesView {
    fn from(sums: Relatives) -> Self {
        Self {
            count: sums.count,
            vsize: sums.vsize,
            fees_sat: sums.fees_sat,
        }
    }
}

/// Shows the mempool by fee rate.
///
/// Of a mempool with more than 2,000 transactions the bands are made of a part, as `looked_at` says.
#[utoipa::path(
    get, path = "/node/mempool", tag = "node",
    responses((status = 200, description = "The mempool.", body = MempoolPicture)),
    extensions(("x-scope" = json!("node:read")), ("x-problems" = json!(["node_unavailable", "unsupported"])))
)]
pub async fn get_mempool(
    caller: Caller,
    State(api): State<Api>,
) -> ApiResult<Json<MempoolPicture>> {
    caller.require(Scope::NodeRead)?;
    Ok(Json(picture(&*api.node).await?))
}

/// Lists the ids of unconfirmed transactions.
///
/// In no order that means anything; the cursor is an id.
#[utoipa::path(
    get, path = "/node/mempool/transactions", tag = "node",
    params(PageQuery),
    responses((status = 200, description = "The ids.", body = PageView<Txid>)),
    extensions(("x-scope" = json!("node:read")), ("x-problems" = json!(["node_unavailable", "unsupported"])))
)]
pub async fn list_mempool(
    caller: Caller,
    Query(page): Query<PageQuery>,
    State(api): State<Api>,
) -> ApiResult<Json<PageView<Txid>>> {
    caller.require(Scope::NodeRead)?;
    let page = bllvm_ipc::types::PageRequest {
        limit: Some(checked_limit(page.limit)?),
        cursor: page.cursor,
    };
    let found = api.node.mempool_list(page).await?;
    Ok(Json(PageView {
        items: found.items,
        next: found.next,
    }))
}

/// Shows an unconfirmed transaction.
///
/// Its fee, what it stands on and what stands on it, and its bytes.
#[utoipa::path(
    get, path = "/node/mempool/transactions/{txid}", tag = "node",
    params(("txid" = String, Path, description = "The transaction's id.")),
    responses((status = 200, description = "The transaction.", body = MempoolEntryView)),
    extensions(
        ("x-scope" = json!("node:read")),
        ("x-problems" = json!(["node_unavailable", "transaction_not_found", "unsupported"]))
    )
)]
pub async fn get_mempool_transaction(
    caller: Caller,
    Path(txid): Path<String>,
    State(api): State<Api>,
) -> ApiResult<Json<MempoolEntryView>> {
    caller.require(Scope::NodeRead)?;
    let txid: Txid = txid.parse().map_err(|fault| {
        ApiError::new(
            Code::InvalidParameter,
            format!("`txid` in the address is no transaction id: {fault}"),
        )
    })?;
    let missing = |error| match error {
        crate::node::NodeError::NotFound(detail) => {
            ApiError::new(Code::TransactionNotFound, detail)
        }
        other => other.into(),
    };
    let entry = api.node.mempool_entry(txid).await.map_err(missing)?;
    let request = TransactionRequest { txid, block: None };
    let raw = api
        .node
        .mempool_transaction(request)
        .await
        .map_err(missing)?;
    Ok(Json(MempoolEntryView {
        txid,
        wtxid: entry.wtxid,
        vsize: entry.vsize,
        weight: entry.weight,
        fee_sat: entry.fee_sat,
        time: entry.time,
        height: entry.height,
        ancestors: entry.ancestors.into(),
        descendants: entry.descendants.into(),
        depends: entry.depends,
        spent_by: entry.spent_by,
        replaceable: entry.replaceable,
        raw: hex::encode(raw.raw.0),
    }))
}
