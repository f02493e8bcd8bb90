//! `[http]`: where people and tools reach the node.

use std::net::SocketAddr;

use super::reader::{self, Key, Reader};

const LISTEN: Key = Key::new(
    "http.listen",
    "\"127.0.0.1:8480\"",
    "Address and port of the API and the dashboard. Port 0 takes a free one.",
);
const ALLOW_REMOTE: Key = Key::new(
    "http.allow_remote_without_tls",
    "false",
    "The node speaks no TLS. It listens beyond this machine only if you say so here; put a\nreverse proxy with TLS in front of it instead.",
);
const ALLOWED_HOSTS: Key = Key::new(
    "http.allowed_hosts",
    "[]",
    "Names under which a reverse proxy passes requests on, beside localhost and 127.0.0.1.",
);

pub(super) const KEYS: &[Key] = &[LISTEN, ALLOW_REMOTE, ALLOWED_HOSTS];

/// The settings of the HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Further names under which it answers.
    pub allowed_hosts: Vec<String>,
}

impl Http {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let listen = reader.get(&LISTEN, reader::address);
        let allowed = reader.get(&ALLOW_REMOTE, reader::boolean);
        if !listen.ip().is_loopback() && !allowed {
            reader.refuse(
                LISTEN.path,
                format!(
                    "{listen} can be reached from other machines, and the node speaks no TLS; listen on 127.0.0.1 behind a reverse proxy, or set `{}` to true",
                    ALLOW_REMOTE.path
                ),
            );
        }
        Self {
            listen,
            allowed_hosts: reader.get(&ALLOWED_HOSTS, host_names),
        }
    }
}

fn host_names(value: &toml::Value) -> Result<Vec<String>, String> {
    let names = reader::texts(value)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'[' | b']' | b':');
    match names
        .iter()
        .find(|name| name.is_empty() || !name.bytes().all(plain))
    {
        Some(bad) => Err(format!(
            "has `{}`, which is not a host name; write it without scheme and port",
            bad.escape_debug()
        )),
        None => Ok(names),
    }
}
