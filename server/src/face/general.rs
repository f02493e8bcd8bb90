//! Methods about the node itself.

use std::net::SocketAddr;

use bllvm_ipc::types::Peer;
use serde_json::json;

use super::Face;
use super::error::{MISC, NO_PEERS, Outcome, Refusal};
use super::methods::{METHODS, find};
use super::params::{self, Args};
use super::render::bitcoins;
use crate::api::auth::Caller;
use crate::node::NodeError;

/// The release of Bitcoin Core whose interface is followed, as clients compare it.
const INTERFACE: u32 = 300_000;
/// The version of the peer-to-peer protocol.
const PROTOCOL: u32 = 70_016;
/// What the embedded node offers its peers: blocks, with witnesses.
const OFFERED: u64 = 0b1001;
/// Names of service flags, by their bit.
const SERVICES: [(u32, &str); 6] = [
    (0, "NETWORK"),
    (2, "BLOOM"),
    (3, "WITNESS"),
    (6, "COMPACT_FILTERS"),
    (10, "NETWORK_LIMITED"),
    (11, "P2P_V2"),
];

/// Bits without a name are called as Bitcoin Core calls them.
fn service_names(services: u64) -> Vec<String> {
    let set = (0..64_u32).filter(|bit| services >> bit & 1 == 1);
    let name = |bit: u32| {
        let known = SERVICES.iter().find(|(at, _)| *at == bit);
        known.map_or_else(
            || format!("UNKNOWN[2^{bit}]"),
            |(_, name)| (*name).to_owned(),
        )
    };
    set.map(name).collect()
}

pub(super) async fn network_info(face: &Face, _: &Caller, _: Args) -> Outcome {
    let info = face.node().info().await?;
    let version = env!("CARGO_PKG_VERSION");
    let fees = super::mempool::status(face).await?;
    let peers = match face.node().peers().await {
        Ok(peers) => Some(peers.peers),
        Err(NodeError::Unsupported(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let ours = info.backend == "embedded" && peers.is_some();
    let offered = if ours { OFFERED } else { 0 };
    let peers = peers.unwrap_or_default();
    let inbound = peers.iter().filter(|peer| peer.inbound).count();
    // No proxy is used, and other networks are not reached.
    let network = |name: &str| {
        json!({
            "name": name,
            "limited": false,
            "reachable": true,
            "proxy": "",
            "proxy_randomize_credentials": false,
        })
    };
    let relay = fees.as_ref().map_or(0, |fees| fees.min_relay_sat_per_kvb);
    let incremental = fees.map_or(0, |fees| fees.incremental_sat_per_kvb);
    Ok(json!({
        "version": INTERFACE,
        "subversion": format!("/bllvm:{version}({} {})/", info.backend, info.version),
        "protocolversion": PROTOCOL,
        "localservices": format!("{offered:016x}"),
        "localservicesnames": service_names(offered),
        "localrelay": true,
        "timeoffset": 0,
        "networkactive": !info.unsupported.iter().any(|name| name == "network.peers"),
        "connections": peers.len(),
        "connections_in": inbound,
        "connections_out": peers.len() - inbound,
        "networks": [network("ipv4"), network("ipv6")],
        "relayfee": bitcoins(relay),
        "incrementalfee": bitcoins(incremental),
        "localaddresses": [],
        "warnings": [],
    }))
}

/// The peers, or Bitcoin Core's word for a node that has none to ask.
async fn connected(face: &Face) -> Outcome<Vec<Peer>> {
    match face.node().peers().await {
        Err(NodeError::Unsupported(_)) => {
            let text = "Error: Peer-to-peer functionality missing or disabled";
            Err(Refusal::new(NO_PEERS, text))
        }
        peers => Ok(peers?.peers),
    }
}

pub(super) async fn connection_count(face: &Face, _: &Caller, _: Args) -> Outcome {
    Ok(json!(connected(face).await?.len()))
}

pub(super) async fn peers(face: &Face, _: &Caller, _: Args) -> Outcome {
    let peers = connected(face).await?;
    let shown = peers.iter().enumerate().map(|(at, peer)| {
        json!({
            "id": at,
            "addr": peer.address,
            "network": network_of(&peer.address),
            "services": format!("{:016x}", peer.services),
            "servicesnames": service_names(peer.services),
            "relaytxes": true,
            "lastsend": peer.last_sent,
            "lastrecv": peer.last_received,
            "bytessent": peer.sent_bytes,
            "bytesrecv": peer.received_bytes,
            "conntime": peer.since,
            "timeoffset": 0,
            "version": peer.protocol,
            "subver": peer.user_agent,
            "inbound": peer.inbound,
            "startingheight": peer.height,
            // Not followed for each peer.
            "synced_headers": -1,
            "synced_blocks": -1,
            "inflight": [],
            "last_transaction": 0,
            "last_block": 0,
            // The embedded node neither passes on addresses nor speaks of compact blocks.
            "addr_relay_enabled": false,
            "addr_processed": 0,
            "addr_rate_limited": 0,
            "bip152_hb_to": false,
            "bip152_hb_from": false,
            "permissions": [],
            "minfeefilter": bitcoins(0),
            "transport_protocol_type": "v1",
            "session_id": "",
            "connection_type": if peer.inbound { "inbound" } else { "manual" },
        })
    });
    Ok(shown.collect())
}

fn network_of(address: &str) -> &'static str {
    match address.parse::<SocketAddr>() {
        Ok(SocketAddr::V4(_)) => "ipv4",
        Ok(SocketAddr::V6(_)) => "ipv6",
        Err(_) => "not_publicly_routable",
    }
}

pub(super) async fn uptime(face: &Face, _: &Caller, _: Args) -> Outcome {
    Ok(json!(face.uptime().as_secs()))
}

pub(super) async fn help(_: &Face, _: &Caller, args: Args) -> Outcome {
    let name = args
        .first()
        .map(params::text_of)
        .transpose()?
        .unwrap_or_default();
    if name.is_empty() {
        let lines: Vec<String> = METHODS.iter().map(super::methods::Method::usage).collect();
        return Ok(json!(lines.join("\n")));
    }
    if let Some(method) = find(name) {
        return Ok(json!(method.help()));
    }
    let shown: String = name.chars().take(64).collect();
    Ok(json!(format!("help: unknown command: {shown}\n")))
}

pub(super) async fn stop(_: &Face, _: &Caller, _: Args) -> Outcome {
    Err(Refusal::new(
        MISC,
        "the node is not stopped from here; end bllvm-node where it was started",
    ))
}
