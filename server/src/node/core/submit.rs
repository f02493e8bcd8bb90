//! The submitting trait, answered by Bitcoin Core.

use async_trait::async_trait;
use bitcoin::Transaction;
use bitcoin::consensus::encode::deserialize;
use bitcoin::hashes::Hash as _;
use bllvm_ipc::types as t;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::rpc::{Rpc, RpcError};
use super::shapes::Package;
use super::{CoreNode, mempool, mining};
use crate::node::{MineRequest, NodeError, SubmitNode};

#[async_trait]
impl SubmitNode for CoreNode {
    async fn submit_block(&self, block: Bytes) -> Result<t::BlockVerdict, NodeError> {
        mining::submit(self.ready()?, &block).await
    }

    async fn mine(
        &self,
        request: MineRequest,
        progress: mpsc::Sender<u32>,
        cancel: CancellationToken,
    ) -> Result<Vec<t::BlockHash>, NodeError> {
        let chain = &self.shared.settings.chain;
        if chain != "regtest" {
            let text = format!("blocks are mined at once on regtest only; this is {chain}");
            return Err(NodeError::Unsupported(text));
        }
        mining::mine(self.ready()?, request, progress, cancel).await
    }

    async fn broadcast(&self, transactions: t::Transactions) -> Result<t::Acceptance, NodeError> {
        let rpc = self.ready()?;
        let parsed: Result<Vec<Transaction>, _> = transactions
            .transactions
            .iter()
            .map(|raw| deserialize(&raw.0))
            .collect();
        let parsed = parsed.map_err(|error| NodeError::Invalid {
            code: "params".to_owned(),
            message: format!("`transactions`: {error}"),
        })?;
        match &parsed[..] {
            [] => Ok(t::Acceptance {
                results: Vec::new(),
            }),
            [one] => Ok(t::Acceptance {
                results: vec![send(rpc, one, &transactions.transactions[0]).await?],
            }),
            many => send_package(rpc, many, &transactions).await,
        }
    }

    async fn template(&self, request: t::TemplateRequest) -> Result<t::Template, NodeError> {
        self.ready()?;
        mining::template(&self.shared, request).await
    }

    async fn check_block(&self, block: Bytes) -> Result<t::BlockVerdict, NodeError> {
        mining::check(self.ready()?, &self.shared.settings.chain, &block).await
    }
}

/// The most that may be burned: whoever sends has judged that already.
const ANY_AMOUNT: u32 = 21_000_000;
/// How Bitcoin Core begins to refuse a list that is no package.
const TOPOLOGY: &str = "package topology disallowed";

async fn send(
    rpc: &Rpc,
    transaction: &Transaction,
    raw: &t::Hex,
) -> Result<t::TransactionVerdict, NodeError> {
    let params = json!([raw, 0, ANY_AMOUNT]);
    let reason = match rpc.call::<t::Txid>("sendrawtransaction", params).await {
        Ok(_) => None,
        Err(RpcError::Refused { code: -27, .. }) => Some("txn-already-known".to_owned()),
        Err(RpcError::Refused {
            code: -26 | -25,
            message,
        }) => Some(mempool::plain(&message)),
        Err(error) => return Err(error.into()),
    };
    Ok(t::TransactionVerdict {
        txid: t::Txid(transaction.compute_txid().to_byte_array()),
        accepted: reason.is_none(),
        reason,
        fee_sat: None,
    })
}

pub(super) async fn send_package(
    rpc: &Rpc,
    transactions: &[Transaction],
    raw: &t::Transactions,
) -> Result<t::Acceptance, NodeError> {
    let params = json!([raw.transactions, 0, ANY_AMOUNT]);
    let mut package: Package = match rpc.call("submitpackage", params).await {
        Ok(package) => package,
        // It takes nothing but a child with its parents; others go one after the other.
        Err(RpcError::Refused { code: -25, message }) if message.starts_with(TOPOLOGY) => {
            let mut results = Vec::with_capacity(transactions.len());
            for (transaction, raw) in transactions.iter().zip(&raw.transactions) {
                results.push(send(rpc, transaction, raw).await?);
            }
            return Ok(t::Acceptance { results });
        }
        // The package as a whole is refused, before any of its transactions is looked at.
        Err(RpcError::Refused {
            code: -25 | -26,
            message,
        }) => Package {
            package_msg: message,
            results: std::collections::HashMap::new(),
        },
        Err(error) => return Err(error.into()),
    };
    let mut results = Vec::new();
    for transaction in transactions {
        let wtxid = t::Txid(transaction.compute_wtxid().to_byte_array());
        results.push(match package.results.remove(&wtxid) {
            Some(verdict) => mempool::verdict(verdict)?,
            None => t::TransactionVerdict {
                txid: t::Txid(transaction.compute_txid().to_byte_array()),
                accepted: false,
                reason: Some(package.package_msg.clone()),
                fee_sat: None,
            },
        });
    }
    Ok(t::Acceptance { results })
}
