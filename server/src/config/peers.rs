//! `[node]`, the keys of the embedded node's peers.

use std::net::SocketAddr;

use super::reader::{self, Key, Reader};
use crate::node::PeerSettings;

pub(super) const CONNECT: Key = Key::new(
    "node.connect",
    "[]",
    "Peers of the embedded node that are called: addresses such as \"127.0.0.1:18444\". Nobody else is.",
);
pub(super) const LISTEN: Key = Key::derived(
    "node.p2p_listen",
    "\"127.0.0.1:18454\"",
    "Where peers may call the embedded node. Default: nowhere.",
);
pub(super) const MAX_PEERS: Key = Key::new(
    "node.max_peers",
    "16",
    "How many peers may call at the same time.",
);
pub(super) const PATIENCE: Key = Key::new(
    "node.peer_patience",
    "\"20 s\"",
    "How long a peer may take to greet, or to give the headers and blocks that it owes.",
);

pub(super) fn read(reader: &mut Reader) -> PeerSettings {
    let listen = reader.optional(LISTEN.path, reader::address);
    if let Some(address) = listen.filter(|address| !address.ip().is_loopback()) {
        reader.refuse(
            LISTEN.path,
            format!(
                "{address} can be reached by strangers; the embedded node is for those that you know: listen on 127.0.0.1, and lead friends there through a tunnel"
            ),
        );
    }
    PeerSettings {
        connect: reader.get(&CONNECT, addresses),
        listen,
        max_inbound: reader.get(&MAX_PEERS, reader::count) as usize,
        patience: reader.get(&PATIENCE, reader::duration),
    }
}

fn addresses(value: &toml::Value) -> Result<Vec<SocketAddr>, String> {
    let read = |text: String| {
        text.parse().map_err(|_| {
            format!(
                "must list addresses with their ports such as \"127.0.0.1:18444\", not \"{}\"",
                text.escape_debug()
            )
        })
    };
    reader::texts(value)?.into_iter().map(read).collect()
}
