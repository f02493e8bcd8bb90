//! Methods about the node itself.

use serde_json::json;

use super::Face;
use super::error::{MISC, NO_PEERS, Outcome, Refusal};
use super::methods::{METHODS, find};
use super::params::Args;
use super::render::bitcoins;
use crate::api::auth::Caller;
use crate::node::NodeError;

/// The release of Bitcoin Core whose interface is followed, as clients compare it.
const INTERFACE: u32 = 300_000;
/// The version of the peer-to-peer protocol.
const PROTOCOL: u32 = 70_016;

pub(super) async fn network_info(face: &Face, _: &Caller, _: Args) -> Outcome {
    let info = face.node().info().await?;
    let version = env!("CARGO_PKG_VERSION");
    let fees = super::mempool::status(face).await?;
    let listens = info.p2p_address.is_some();
    let relay = fees.as_ref().map_or(0, |fees| fees.min_relay_sat_per_kvb);
    let incremental = fees.map_or(0, |fees| fees.incremental_sat_per_kvb);
    Ok(json!({
        "version": INTERFACE,
        "subversion": format!("/bllvm:{version}({} {})/", info.backend, info.version),
        "protocolversion": PROTOCOL,
        "localservices": if listens { "0000000000000009" } else { "0000000000000000" },
        "localservicesnames": if listens { json!(["NETWORK", "WITNESS"]) } else { json!([]) },
        "localrelay": true,
        "timeoffset": 0,
        "networkactive": !info.unsupported.iter().any(|name| name == "network.peers"),
        "connections": info.peers,
        "networks": [],
        "relayfee": bitcoins(relay),
        "incrementalfee": bitcoins(incremental),
        "localaddresses": [],
        "warnings": [],
    }))
}

pub(super) async fn peers(face: &Face, _: &Caller, _: Args) -> Outcome {
    let peers = match face.node().peers().await {
        Err(NodeError::Unsupported(_)) => {
            let text = "Error: Peer-to-peer functionality missing or disabled";
            return Err(Refusal::new(NO_PEERS, text));
        }
        peers => peers?.peers,
    };
    let shown = peers.iter().enumerate().map(|(at, peer)| {
        json!({
            "id": at,
            "addr": peer.address,
            "inbound": peer.inbound,
            "subver": peer.user_agent,
            "startingheight": peer.height,
        })
    });
    Ok(shown.collect())
}

pub(super) async fn uptime(face: &Face, _: &Caller, _: Args) -> Outcome {
    Ok(json!(face.uptime().as_secs()))
}

pub(super) async fn help(_: &Face, _: &Caller, args: Args) -> Outcome {
    if args.value(0).is_none() {
        let lines: Vec<String> = METHODS.iter().map(super::methods::Method::usage).collect();
        return Ok(json!(lines.join("\n")));
    }
    let name = args.text(0);
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
