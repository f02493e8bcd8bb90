//! `[face]`: where tools of Bitcoin Core reach the base node.

use std::net::SocketAddr;

use super::reader::{self, Key, Reader};

const ENABLED: Key = Key::new(
    "face.enabled",
    "true",
    "Answers JSON-RPC and REST as Bitcoin Core does, for bitcoin-cli and libraries.",
);
const LISTEN: Key = Key::new(
    "face.listen",
    "\"127.0.0.1:18453\"",
    "Its address and port. Port 0 takes a free one; the file face-address in the data directory\nnames it. Where the default is taken, the node runs without and says so.",
);
const OPEN_REST: Key = Key::new(
    "face.open_rest",
    "false",
    "Answers `/rest/` without a password, as Bitcoin Core does. Whoever reaches the port may then\nread the chain and the mempool.",
);

pub(super) const KEYS: &[Key] = &[ENABLED, LISTEN, OPEN_REST];

/// The settings of the Core-compatible face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Face {
    /// Where it listens; none where it is switched off.
    pub listen: Option<SocketAddr>,
    /// Whether the address was asked for, so that it must be had.
    pub required: bool,
    /// Whether `/rest/` needs no password.
    pub open_rest: bool,
}

impl Face {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let enabled = reader.get(&ENABLED, reader::boolean);
        let asked = reader.optional(LISTEN.path, reader::address);
        let listen = reader.get(&LISTEN, reader::address);
        if !listen.ip().is_loopback() {
            reader.refuse(
                LISTEN.path,
                format!(
                    "{listen} can be reached from other machines, and passwords would cross the network in the clear; listen on 127.0.0.1 and put a tunnel or a reverse proxy with TLS in front of it"
                ),
            );
        }
        Self {
            listen: enabled.then_some(listen),
            required: asked.is_some(),
            open_rest: reader.get(&OPEN_REST, reader::boolean),
        }
    }
}
