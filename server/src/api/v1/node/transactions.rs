//! `POST /node/transactions`, the next template, and fees.

use axum::Json as AxumJson;
use axum::extract::State;
use bitcoin::hashes::Hash as _;
use bllvm_ipc::types::{BlockHash, FeeRequest, Template, TransactionVerdict, Txid};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Json, Query};
use crate::api::state::Api;
use crate::model::Scope;

/// Targets that are answered where none is named.
const TARGETS: [u16; 5] = [1, 3, 6, 24, 72];
/// The longest target, as Bitcoin Core has it.
const LONGEST: u16 = 1008;

/// Transactions to be sent.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendBody {
    /// Their bytes in hex, in the order in which they depend on each other; 1 to 25.
    pub transactions: Vec<String>,
    /// Only asks whether they would be taken.
    #[serde(default)]
    pub test: bool,
}

/// What became of transactions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SendView {
    /// Whether all are in the mempool, or would be.
    pub accepted: bool,
    /// One verdict a transaction.
    pub results: Vec<TransactionVerdict>,
}

/// Sends transactions.
///
/// To the base node's mempool, and from there to its peers. A refusal by the mempool is an answer,
/// with Bitcoin Core's reason; a transaction that is there already is taken as it is.
#[utoipa::path(
    post, path = "/node/transactions", tag = "node",
    request_body = SendBody,
    responses((status = 200, description = "The verdicts.", body = SendView)),
    extensions(
        ("x-scope" = json!("node:broadcast")),
        ("x-problems" = json!(["invalid_request", "node_unavailable", "unavailable", "unsupported"]))
    )
)]
pub async fn send_transactions(
    caller: Caller,
    State(api): State<Api>,
    Json(body): Json<SendBody>,
) -> ApiResult<AxumJson<SendView>> {
    caller.require(Scope::NodeBroadcast)?;
    let verdict = if body.test {
        api.control.test_transactions(&body.transactions).await?
    } else {
        let actor = caller.actor();
        api.control.broadcast(&body.transactions, &actor).await?
    };
    Ok(AxumJson(SendView {
        accepted: verdict.results.iter().all(|one| one.accepted),
        results: verdict.results,
    }))
}

/// The block that would be mined next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TemplateView {
    /// Its height.
    pub height: u32,
    /// The block it builds on.
    pub prev: BlockHash,
    /// Compact target.
    pub bits: u32,
    /// Lowest time that is valid, Unix seconds.
    pub min_time: u32,
    /// Most that the coinbase may pay: subsidy and fees.
    pub coinbase_value_sat: u64,
    /// Weight of its transactions, without the coinbase.
    pub weight: u64,
    /// Its transactions, without the coinbase, in order.
    pub transactions: Vec<TemplateTransaction>,
}

/// A transaction of the next block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TemplateTransaction {
    /// Its id.
    pub txid: Txid,
    /// Its weight.
    pub weight: u64,
}

/// Shows the block that would be mined next.
///
/// By fee rate of whole families of transactions, as Bitcoin Core fills blocks.
#[utoipa::path(
    get, path = "/node/template", tag = "node",
    responses((status = 200, description = "The template.", body = TemplateView)),
    extensions(("x-scope" = json!("node:read")), ("x-problems" = json!(["internal", "node_unavailable", "unsupported"])))
)]
pub async fn get_template(
    caller: Caller,
    State(api): State<Api>,
) -> ApiResult<AxumJson<TemplateView>> {
    caller.require(Scope::NodeRead)?;
    let template = api.control.next_template().await?;
    Ok(AxumJson(in_short(&template).map_err(ApiError::internal)?))
}

/// A template as people are shown it.
///
/// # Errors
/// Where a transaction of it cannot be read, which is a fault of the base node.
pub fn in_short(template: &Template) -> Result<TemplateView, bitcoin::consensus::encode::Error> {
    let mut transactions = Vec::with_capacity(template.transactions.len());
    for raw in &template.transactions {
        let transaction: bitcoin::Transaction = bitcoin::consensus::deserialize(&raw.0)?;
        transactions.push(TemplateTransaction {
            txid: Txid(transaction.compute_txid().to_byte_array()),
            weight: transaction.weight().to_wu(),
        });
    }
    Ok(TemplateView {
        height: template.height,
        prev: template.prev,
        bits: template.bits,
        min_time: template.min_time,
        coinbase_value_sat: template.coinbase_value_sat,
        weight: transactions.iter().map(|one| one.weight).sum(),
        transactions,
    })
}

/// For which targets.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FeeQuery {
    /// Within how many blocks, 1 to 1008; where it is missing, several are answered.
    #[param(minimum = 1, maximum = 1008)]
    pub target_blocks: Option<u16>,
}

/// Fee rates for some targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FeesView {
    /// One a target.
    pub estimates: Vec<TargetFee>,
}

/// A fee rate for a target, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetFee {
    /// Within how many blocks.
    pub target_blocks: u16,
    /// Satoshi per 1,000 virtual bytes; none where the data is thin.
    pub sat_per_kvb: Option<u64>,
    /// What it rests on, or why there is none.
    pub basis: String,
}

/// Estimates fees.
///
/// From real blocks and never made up: where the data is thin, there is no rate, and `basis` says
/// why.
#[utoipa::path(
    get, path = "/node/fees", tag = "node",
    params(FeeQuery),
    responses((status = 200, description = "The estimates.", body = FeesView)),
    extensions(("x-scope" = json!("node:read")), ("x-problems" = json!(["node_unavailable", "unsupported"])))
)]
pub async fn get_fees(
    caller: Caller,
    Query(query): Query<FeeQuery>,
    State(api): State<Api>,
) -> ApiResult<AxumJson<FeesView>> {
    caller.require(Scope::NodeRead)?;
    if query
        .target_blocks
        .is_some_and(|target| !(1..=LONGEST).contains(&target))
    {
        return Err(ApiError::new(
            Code::InvalidParameter,
            "`target_blocks` is 1 to 1008 blocks",
        ));
    }
    let targets = query
        .target_blocks
        .map_or(TARGETS.to_vec(), |one| vec![one]);
    Ok(AxumJson(fees(&api, &targets).await?))
}

/// Estimates for these targets.
///
/// # Errors
/// Where the base node is away, or estimates nothing.
pub async fn fees(api: &Api, targets: &[u16]) -> ApiResult<FeesView> {
    let mut estimates = Vec::new();
    for target_blocks in targets.iter().copied() {
        let fee = api.node.fee(FeeRequest { target_blocks }).await?;
        estimates.push(TargetFee {
            target_blocks,
            sat_per_kvb: fee.sat_per_kvb,
            basis: fee.basis,
        });
    }
    Ok(FeesView { estimates })
}
