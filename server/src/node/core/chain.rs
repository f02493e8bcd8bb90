//! Headers, blocks, and the way from a cursor to the tip.

use bllvm_ipc::types::{BlockHash, HeaderInfo, HeadersRequest};
use serde_json::json;

use super::rpc::{Rpc, RpcError};
use super::shapes::Header;
use crate::node::{ChainStep, NodeError};

/// Headers that one request fetches.
const HEADERS_AT_ONCE: u32 = 500;
/// Headers of one answer.
const MAX_HEADERS: u32 = 2000;
/// The known blocks of a cursor that are looked for.
const MAX_KNOWN: usize = 1000;

pub(super) async fn header(rpc: &Rpc, hash: BlockHash) -> Result<Header, NodeError> {
    let found = rpc.call("getblockheader", json!([hash])).await;
    found.map_err(|error: RpcError| error.or_missing(|| format!("there is no block {hash}")))
}

async fn header_if_known(rpc: &Rpc, hash: BlockHash) -> Result<Option<Header>, NodeError> {
    match header(rpc, hash).await {
        Ok(header) => Ok(Some(header)),
        Err(NodeError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn hash_at(rpc: &Rpc, height: u32) -> Result<BlockHash, NodeError> {
    let found = rpc.call("getblockhash", json!([height])).await;
    found.map_err(|error: RpcError| {
        error.or_missing(|| format!("the best chain has no block at height {height}"))
    })
}

/// Headers of the best chain from a height on, ascending and without a gap; fewer where the chain
/// moved meanwhile.
async fn run(rpc: &Rpc, from: u32, upto: u32, below: BlockHash) -> Result<Vec<Header>, NodeError> {
    let mut found: Vec<Header> = Vec::new();
    let mut low = from;
    while low <= upto {
        let high = upto.min(low.saturating_add(HEADERS_AT_ONCE - 1));
        let hashes = rpc.batch("getblockhash", (low..=high).map(|height| json!([height])));
        let hashes: Vec<BlockHash> = match hashes.await {
            // The chain became shorter.
            Err(error) if error.is(-8) => break,
            hashes => hashes?,
        };
        let headers = hashes.iter().map(|hash| json!([hash]));
        let headers: Vec<Header> = rpc.batch("getblockheader", headers).await?;
        for header in headers {
            let prev = found.last().map_or(below, |last| last.hash);
            if header.prev() != prev {
                return Ok(found);
            }
            found.push(header);
        }
        low = high + 1;
    }
    Ok(found)
}

async fn tip(rpc: &Rpc) -> Result<Header, NodeError> {
    let best: BlockHash = rpc.call("getbestblockhash", json!([])).await?;
    header(rpc, best).await
}

pub(super) async fn headers(
    rpc: &Rpc,
    request: HeadersRequest,
) -> Result<Vec<HeaderInfo>, NodeError> {
    let tip = tip(rpc).await?;
    let (mut height, mut hash) = (0, None);
    for known in request.locator.into_iter().take(MAX_KNOWN) {
        if let Some(header) = header_if_known(rpc, known).await?
            && header.in_best_chain()
        {
            (height, hash) = (header.height, Some(header.hash));
            break;
        }
    }
    let below = match hash {
        Some(hash) => hash,
        None => hash_at(rpc, 0).await?,
    };
    let upto = tip
        .height
        .min(height.saturating_add(request.max.min(MAX_HEADERS)));
    let found = run(rpc, height + 1, upto, below).await?;
    let found: Result<Vec<HeaderInfo>, RpcError> = found.iter().map(Header::info).collect();
    Ok(found?)
}

/// The steps from a cursor to the tip: what only the reader knows is undone by its own list, then
/// the way goes down to the best chain, and up along it.
pub(super) async fn since(
    rpc: &Rpc,
    known: Vec<(u32, BlockHash)>,
    max: u32,
) -> Result<Vec<ChainStep>, NodeError> {
    let max = max.max(1) as usize;
    let unknown = || {
        let text = "Bitcoin Core knows none of the cursor's blocks; start again from the tip";
        NodeError::NotFound(text.to_owned())
    };
    let known = if known.is_empty() {
        vec![(0, hash_at(rpc, 0).await?)]
    } else {
        known
    };
    let mut steps = Vec::new();
    let mut from = None;
    for (index, (height, hash)) in known.iter().take(MAX_KNOWN).enumerate() {
        if let Some(header) = header_if_known(rpc, *hash).await?
            && header.height == *height
        {
            from = Some(header);
            break;
        }
        match known.get(index + 1) {
            Some((below, prev)) if below.checked_add(1) == Some(*height) => {
                steps.push(ChainStep::Disconnected {
                    height: *height,
                    hash: *hash,
                    prev: *prev,
                });
            }
            _ => return Err(unknown()),
        }
    }
    let mut at = from.ok_or_else(unknown)?;
    while !at.in_best_chain() && steps.len() < max {
        steps.push(ChainStep::Disconnected {
            height: at.height,
            hash: at.hash,
            prev: at.prev(),
        });
        at = header(rpc, at.prev()).await?;
    }
    if steps.len() >= max {
        steps.truncate(max);
        return Ok(steps);
    }
    let room = u32::try_from(max - steps.len()).unwrap_or(u32::MAX);
    let upto = tip(rpc).await?.height.min(at.height.saturating_add(room));
    let joined = run(rpc, at.height + 1, upto, at.hash).await?;
    steps.extend(joined.iter().map(|header| ChainStep::Connected {
        height: header.height,
        hash: header.hash,
        prev: header.prev(),
        time: header.time,
        transactions: header.transactions,
    }));
    Ok(steps)
}
