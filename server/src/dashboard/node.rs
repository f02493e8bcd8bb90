//! `/node`: the base node, its last blocks, and mining where blocks cost nothing.

use axum::extract::State;
use axum::response::Response;
use bllvm_ipc::types::{BlockRef, NetworkInfo, Peer, Tip};
use bllvm_web::format::{self, Hash};
use bllvm_web::pages::{BlockRow, MineForm, Node, PeerRow, SendForm};
use bllvm_web::parts::{Badge, Fact, Tone, Value};
use tokio::time::timeout;

use super::form::Signed;
use super::mempool;
use super::overview::node_problem;
use super::present::{sentence, stamp};
use super::respond::{page, refused_page, see, tell_outcome};
use super::visit::{NODE_PATIENCE, Visit, node_badge, now, seconds};
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::model::Scope;
use crate::node::{ChainStatus, NodeState};

/// Peers in the list.
const PEERS: usize = 16;
/// Blocks in the list.
const BLOCKS: u32 = 12;

/// `GET /node`
///
/// # Errors
/// When the store cannot be read.
pub async fn show(State(api): State<Api>, visit: Visit) -> ApiResult<Response> {
    visit.require(Scope::NodeRead)?;
    page(&view(&api, &visit, Typed::default(), SendForm::default()).await?)
}

/// The form to mine, as it was filled in.
#[derive(Debug)]
struct Typed {
    count: String,
    count_error: Option<String>,
    address: String,
    address_error: Option<String>,
}

impl Default for Typed {
    fn default() -> Self {
        Self {
            count: "1".to_owned(),
            count_error: None,
            address: String::new(),
            address_error: None,
        }
    }
}

/// `POST /node/mine {count, address}`
///
/// # Errors
/// When the fault is ours.
pub async fn mine(State(api): State<Api>, Signed { visit, fields }: Signed) -> ApiResult<Response> {
    visit.require(Scope::NodeControl)?;
    let visit = visit.at("/node");
    let mut typed = Typed {
        count: fields.get("count").trim().to_owned(),
        address: fields.get("address").trim().to_owned(),
        ..Typed::default()
    };
    let Ok(count) = typed.count.parse::<u32>() else {
        typed.count_error = Some("Write a whole number from 1 to 1000.".to_owned());
        return refused_page(&view(&api, &visit, typed, SendForm::default()).await?);
    };
    let address = Some(typed.address.clone()).filter(|address| !address.is_empty());
    match api.control.mine(count, address, &visit.actor()).await {
        Ok(begun) => {
            tell_outcome(&api, &visit, begun).await?;
            Ok(see("/node"))
        }
        Err(error) => {
            let refused = ApiError::from(error);
            if refused.code() != Code::InvalidRequest {
                return Err(refused);
            }
            let why = Some(sentence(&refused.problem().detail));
            if (1..=1000).contains(&count) {
                typed.address_error = why;
            } else {
                typed.count_error = why;
            }
            refused_page(&view(&api, &visit, typed, SendForm::default()).await?)
        }
    }
}

/// `POST /node/transactions {transactions, test}`
///
/// # Errors
/// When the fault is ours.
pub async fn send(State(api): State<Api>, Signed { visit, fields }: Signed) -> ApiResult<Response> {
    visit.require(Scope::NodeBroadcast)?;
    let visit = visit.at("/node");
    let typed = fields.get("transactions").trim().to_owned();
    let test = fields.get("test") == "true";
    let (send, accepted) = mempool::send(&api, &visit.actor(), typed, test).await?;
    let view = view(&api, &visit, Typed::default(), send).await?;
    if accepted {
        page(&view)
    } else {
        refused_page(&view)
    }
}

async fn view(api: &Api, visit: &Visit, typed: Typed, send: SendForm) -> ApiResult<Node> {
    let (info, tip, peers, status) = tokio::join!(
        timeout(NODE_PATIENCE, api.node.info()),
        timeout(NODE_PATIENCE, api.node.tip()),
        timeout(NODE_PATIENCE, api.node.peers()),
        timeout(NODE_PATIENCE, api.node.chain_status()),
    );
    let status = status.ok().and_then(Result::ok);
    let peers = peers.ok().and_then(Result::ok);
    let peers = peers.map(|peers| peers.peers).unwrap_or_default();
    let info = info.ok().and_then(Result::ok);
    let tip = tip.ok().and_then(Result::ok);
    let blocks = match &tip {
        Some(tip) => timeout(NODE_PATIENCE * 3, blocks(api, tip))
            .await
            .unwrap_or_default(),
        None => Vec::new(),
    };
    let parts = timeout(NODE_PATIENCE * 3, mempool::parts(api)).await;
    let parts = parts.unwrap_or_default();
    let may_send = visit.session.caller.may(Scope::NodeBroadcast) && parts.mempool.is_some();
    let mine = info
        .as_ref()
        .filter(|info| info.chain == "regtest")
        .map(|info| MineForm {
            chain: info.chain.clone(),
            count: typed.count,
            count_error: typed.count_error,
            address: typed.address,
            address_error: typed.address_error,
        });
    Ok(Node {
        chrome: visit.chrome(api).await?,
        state: node_badge(api),
        problem: node_problem(api),
        chain: chain(api, info.as_ref(), tip.as_ref(), status.as_ref()),
        backend: backend(api, info.as_ref()),
        blocks,
        more_peers: peers
            .len()
            .checked_sub(PEERS)
            .filter(|more| *more > 0)
            .map(|more| {
                let more = format::count(more as u64);
                format!("And {more} more: `bllvm-node node peers` lists them all.")
            }),
        peers: peers
            .iter()
            .take(PEERS)
            .map(|peer| peer_row(api, peer))
            .collect(),
        mempool: parts.mempool,
        template: parts.template,
        fees: parts.fees,
        send: may_send.then_some(send),
        mine,
    })
}

fn chain(
    api: &Api,
    info: Option<&NetworkInfo>,
    tip: Option<&Tip>,
    status: Option<&ChainStatus>,
) -> Vec<Fact> {
    let now = now(api);
    let mut facts = Vec::new();
    if let (NodeState::Unavailable { why }, "none" | "core") =
        (api.node.state(), api.node.backend())
    {
        facts.push(Fact::text("Chain", sentence(&why)));
    }
    if let Some(info) = info {
        facts.push(Fact::text("Chain", &info.chain));
    }
    if let Some(tip) = tip {
        let height = format::count(tip.height.into());
        let known = status.map_or(0, |status| status.headers);
        let shown = if known > tip.height {
            let known = format::count(known.into());
            format!("{height} of {known}, catching up")
        } else {
            height
        };
        facts.push(Fact::text("Height", shown));
        facts.push(Fact::new(
            "Tip",
            Value::Hash(Hash::new(tip.hash.to_string())),
        ));
        facts.push(Fact::new(
            "Mined",
            Value::Time(stamp(seconds(tip.time), now)),
        ));
        facts.push(Fact::new(
            "Median time",
            Value::Time(stamp(seconds(tip.median_time), now)),
        ));
    }
    if let Some(status) = status.filter(|status| status.size_on_disk > 0) {
        let size = format::bytes(status.size_on_disk);
        facts.push(Fact::text("Blocks take", size));
    }
    if let Some(info) = info {
        facts.push(Fact::new(
            "Genesis",
            Value::Hash(Hash::new(info.genesis.to_string())),
        ));
    }
    facts
}

fn backend(api: &Api, info: Option<&NetworkInfo>) -> Vec<Fact> {
    let kind = match api.node.backend() {
        "embedded" => "embedded: Bitcoin Core's own validation in a process beside this one",
        "core" => "core: a running Bitcoin Core, asked by its RPC",
        "none" => "none: modules run without a chain",
        other => other,
    };
    let mut facts = vec![Fact::text("Kind", kind)];
    if let Some(info) = info {
        facts.push(Fact::text("Engine", &info.version));
        facts.push(Fact::text("Peers", format::count(info.peers.into())));
        let lacks = if info.unsupported.is_empty() {
            Value::Badge(Badge::new(Tone::Good, "answers everything"))
        } else {
            Value::Text(info.unsupported.join(", "))
        };
        facts.push(Fact::new("Does not answer", lacks));
    }
    facts
}

fn peer_row(api: &Api, peer: &Peer) -> PeerRow {
    // What Bitcoin Core says may be anything.
    let since = u32::try_from(peer.since).unwrap_or(u32::MAX);
    PeerRow {
        address: peer.address.clone(),
        software: peer.user_agent.clone(),
        inbound: peer.inbound,
        height: format::count(peer.height.into()),
        since: stamp(seconds(since), now(api)),
        sent: format::bytes(peer.sent_bytes),
        received: format::bytes(peer.received_bytes),
    }
}

/// The last blocks, newest first; fewer where the base node does not answer.
async fn blocks(api: &Api, tip: &Tip) -> Vec<BlockRow> {
    let now = now(api);
    let mut rows = Vec::new();
    for height in (0..=tip.height).rev().take(BLOCKS as usize) {
        let at = BlockRef {
            hash: None,
            height: Some(height),
        };
        let Ok(header) = api.node.header(at).await else {
            break;
        };
        let raw = api.node.block(header.hash).await.ok();
        let unknown = || "–".to_owned();
        rows.push(BlockRow {
            height: format::count(header.height.into()),
            hash: Hash::new(header.hash.to_string()),
            time: stamp(seconds(header.time), now),
            transactions: raw
                .as_deref()
                .and_then(transactions)
                .map_or_else(unknown, format::count),
            size: raw.map_or_else(unknown, |raw| format::bytes(raw.len() as u64)),
        });
    }
    rows
}

/// The number of transactions, which stands behind the 80 bytes of the header.
fn transactions(raw: &[u8]) -> Option<u64> {
    let rest = raw.get(80..)?;
    let (&first, rest) = rest.split_first()?;
    let little_endian = |count: usize| {
        let bytes = rest.get(..count)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    };
    match first {
        0xfd => little_endian(2),
        0xfe => little_endian(4),
        0xff => little_endian(8),
        small => Some(small.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::transactions;

    #[test]
    fn transactions_are_counted_without_reading_them() {
        let block = |count: &[u8]| [&[0; 80], count].concat();
        assert_eq!(transactions(&block(&[1])), Some(1));
        assert_eq!(transactions(&block(&[0xfd, 0x34, 0x12])), Some(0x1234));
        assert_eq!(transactions(&block(&[0xfe, 1, 0, 0, 1])), Some(0x0100_0001));
        assert_eq!(transactions(&block(&[])), None);
        assert_eq!(transactions(&block(&[0xfd, 1])), None);
        assert_eq!(transactions(&[0; 12]), None);
    }
}
