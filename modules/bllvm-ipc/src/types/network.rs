//! The network and its peers, and names of hosts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BlockHash, Hex, Sample, hash, wire_types};

wire_types! {
    /// What the base node is and can do.
    NetworkInfo {
        /// `main`, `test`, `testnet4`, `signet` or `regtest`.
        chain: String = "regtest".to_owned(),
        /// `embedded` or `core`.
        backend: String = "embedded".to_owned(),
        /// The engine's own version.
        version: String = "bitcoinkernel 0.3.2".to_owned(),
        /// Genesis block.
        genesis: BlockHash = hash(1),
        /// Methods that this backend cannot serve.
        #[serde(default)]
        unsupported: Vec<String> = vec!["mempool.info".to_owned()],
        /// Connected peers.
        peers: u32 = 0,
        /// Where it listens for peers, if it does and tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        p2p_address: Option<String> = None,
        /// Of a signet of one's own, the script that its blocks satisfy (BIP 325); Bitcoin Core
        /// tells the public signet's, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signet_challenge: Option<Hex> = None,
    }

    /// One peer of the base node.
    Peer {
        /// Its address.
        address: String = "127.0.0.1:18444".to_owned(),
        /// Whether it called us.
        inbound: bool = false,
        /// What it says it is.
        user_agent: String = "/Satoshi:30.0.0/".to_owned(),
        /// Its best height.
        height: u32 = 840_000,
        /// What it offers: the service flags of its `version` message.
        #[serde(default)]
        services: u64 = 1033,
        /// Its version of the peer-to-peer protocol.
        #[serde(default)]
        protocol: u32 = 70_016,
        /// When the line was made, in seconds since 1970.
        #[serde(default)]
        since: u64 = 1_700_000_000,
        /// Bytes that went to it.
        #[serde(default)]
        sent_bytes: u64 = 2048,
        /// Bytes that came from it.
        #[serde(default)]
        received_bytes: u64 = 4096,
        /// When something last went to it, in seconds since 1970.
        #[serde(default)]
        last_sent: u64 = 1_700_000_060,
        /// When something last came from it, in seconds since 1970.
        #[serde(default)]
        last_received: u64 = 1_700_000_060,
    }

    /// The base node's peers.
    Peers {
        /// The peers.
        peers: Vec<Peer> = vec![Peer::sample()],
    }

    /// A host name to look up.
    ResolveRequest {
        /// The name.
        host: String = "localhost".to_owned(),
        /// The port.
        port: u16 = 9735,
    }

    /// The addresses of a host name.
    Resolved {
        /// Socket addresses.
        addresses: Vec<String> = vec!["127.0.0.1:9735".to_owned()],
    }
}
