//! Templates, blocks to be judged, and mining on regtest.

use std::sync::Arc;
use std::time::Duration;

use bllvm_ipc::types as t;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::read::hash_of;
use super::rpc::{Rpc, RpcError};
use super::shapes::Template;
use crate::node::{MineRequest, NodeError};

/// Blocks that one call mines, so that progress shows and a cancel is heard.
const AT_ONCE: u32 = 25;
/// The most blocks of one request.
const MAX_BLOCKS: u32 = 1000;
/// Who waits for a new template that long is told of the one that there is.
const LONGPOLL: Duration = Duration::from_mins(1);
/// Bitcoin Core itself answers a longpoll when there is news, be it after days.
const UNTIL_NEWS: Duration = Duration::from_hours(24 * 365);
/// The longpolls that wait at Bitcoin Core: each takes one of its few threads (`rpcthreads`), and
/// without one left it answers nobody.
pub(super) const LONGPOLLS: usize = 2;
/// A script that anyone can spend, as a descriptor.
const ANYONE: &str = "raw(51)#8lvh9jxk";

pub(super) async fn submit(rpc: &Rpc, block: &[u8]) -> Result<t::BlockVerdict, NodeError> {
    let reason: Option<String> = rpc.call("submitblock", json!([hex::encode(block)])).await?;
    let accepted = matches!(reason.as_deref(), None | Some("inconclusive"));
    let tip: t::BlockHash = rpc.call("getbestblockhash", json!([])).await?;
    Ok(t::BlockVerdict {
        accepted,
        new_tip: reason.is_none() && Some(tip) == hash_of(block),
        reason,
    })
}

fn rules(chain: &str) -> &'static [&'static str] {
    match chain {
        "signet" => &["segwit", "signet"],
        _ => &["segwit"],
    }
}

pub(super) async fn check(
    rpc: &Rpc,
    chain: &str,
    block: &[u8],
) -> Result<t::BlockVerdict, NodeError> {
    let request = json!({ "mode": "proposal", "rules": rules(chain), "data": hex::encode(block) });
    let reason: Option<String> = rpc.call("getblocktemplate", json!([request])).await?;
    Ok(t::BlockVerdict {
        accepted: reason.is_none(),
        new_tip: false,
        reason,
    })
}

/// Waits at Bitcoin Core where there is room, and else here for the room: a longpoll that comes late
/// is answered at once if there is news. Who leaves keeps the room until Bitcoin Core has answered:
/// it does not notice, and its thread is not free before.
async fn longpoll(shared: &Arc<Shared>, wanted: Value) -> Result<Template, RpcError> {
    let room = shared.longpolls.clone().acquire_owned().await;
    let own = shared.clone();
    let asked = shared.tracker.spawn(async move {
        let _room = room;
        let params = json!([wanted]);
        let call = own.rpc.call_within("getblocktemplate", params, UNTIL_NEWS);
        let answered = own.stop.run_until_cancelled(call).await;
        answered.unwrap_or_else(|| Err(RpcError::Away("the host is shutting down".to_owned())))
    });
    asked
        .await
        .unwrap_or_else(|error| Err(RpcError::Away(error.to_string())))
}

/// Bitcoin Core's template. How much room it leaves for the coinbase is its own setting.
pub(super) async fn template(
    shared: &Arc<Shared>,
    request: t::TemplateRequest,
) -> Result<t::Template, NodeError> {
    template_within(LONGPOLL, shared, request).await
}

pub(super) async fn template_within(
    patience: Duration,
    shared: &Arc<Shared>,
    request: t::TemplateRequest,
) -> Result<t::Template, NodeError> {
    let wanted = json!({ "rules": rules(&shared.settings.chain) });
    let news = match request.longpoll_id {
        None => None,
        Some(id) => {
            let mut wanted = wanted.clone();
            wanted["longpollid"] = json!(id);
            timeout(patience, longpoll(shared, wanted)).await.ok()
        }
    };
    let found = match news {
        Some(news) => news,
        None => shared.rpc.call("getblocktemplate", json!([wanted])).await,
    };
    let found: Template = found.map_err(|error| match error {
        // It is syncing, or has no peers: it will mine later.
        RpcError::Refused {
            code: -9 | -10,
            message,
        } => super::away(&message),
        other => other.into(),
    })?;
    let bits = u32::from_str_radix(&found.bits, 16);
    let (mut transactions, mut fees_sat, mut sigop_costs) = (Vec::new(), Vec::new(), Vec::new());
    let count = found.transactions.len();
    for transaction in found.transactions {
        transactions.push(transaction.data);
        fees_sat.extend(transaction.fee);
        sigop_costs.extend(transaction.sigops);
    }
    // BIP22 lets them be left out; a list with holes tells nothing.
    for list in [&mut fees_sat, &mut sigop_costs] {
        if list.len() != count {
            list.clear();
        }
    }
    Ok(t::Template {
        longpoll_id: found.longpollid,
        prev: found.previousblockhash,
        height: found.height,
        bits: bits.map_err(|_| NodeError::Internal("the template's `bits` is no number".into()))?,
        min_time: found.mintime,
        coinbase_value_sat: found.coinbasevalue,
        transactions,
        fees_sat,
        sigop_costs,
    })
}

/// Mines. Bitcoin Core writes no mark of the asker into coinbases, so mining that our own end cut
/// short begins anew.
pub(super) async fn mine(
    rpc: &Rpc,
    request: MineRequest,
    progress: mpsc::Sender<u32>,
    cancel: CancellationToken,
) -> Result<Vec<t::BlockHash>, NodeError> {
    let wrong = |message: String| NodeError::Invalid {
        code: "params".to_owned(),
        message,
    };
    if !(1..=MAX_BLOCKS).contains(&request.count) {
        let count = request.count;
        return Err(wrong(format!("`count` is {count}; use 1 to {MAX_BLOCKS}")));
    }
    let mut mined = Vec::new();
    let mut left = request.count;
    while left > 0 {
        if cancel.is_cancelled() {
            return Err(NodeError::Invalid {
                code: "cancelled".to_owned(),
                message: "cancelled; blocks mined before stay".to_owned(),
            });
        }
        let count = left.min(AT_ONCE);
        let found = match &request.address {
            Some(address) => rpc.call("generatetoaddress", json!([count, address])).await,
            None => {
                rpc.call("generatetodescriptor", json!([count, ANYONE]))
                    .await
            }
        };
        let found: Vec<t::BlockHash> = found.map_err(|error| match error {
            RpcError::Refused { code: -5, message } => wrong(format!("`address`: {message}")),
            other => other.into(),
        })?;
        left = left.saturating_sub(count);
        mined.extend(found);
        // Progress is for show: a full channel skips a step.
        let _ = progress.try_send(request.count - left);
    }
    Ok(mined)
}
