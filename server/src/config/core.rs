//! `[node]`, the keys of a Bitcoin Core as base node.

use std::path::{Path, PathBuf};

use bitcoin::ScriptBuf;

use super::reader::{self, Key, Reader};
use crate::node::{CoreSettings, Credentials};

pub(super) const URL: Key = Key::derived(
    "node.core_url",
    "\"http://127.0.0.1:8332\"",
    "Where Bitcoin Core's RPC is. Default: its usual port of the chain on this machine.",
);
pub(super) const COOKIE: Key = Key::derived(
    "node.core_cookie",
    "\"/home/me/.bitcoin/.cookie\"",
    "Bitcoin Core's cookie file. Default: where it is kept for the chain in the home folder.",
);
pub(super) const USER: Key = Key::derived(
    "node.core_user",
    "\"bllvm\"",
    "A user of Bitcoin Core's `rpcauth`; where one is named, the cookie file is not read.",
);
pub(super) const PASSWORD_FILE: Key = Key::derived(
    "node.core_password_file",
    "\"/etc/bllvm/core-password\"",
    "A file with that user's password and nothing else.",
);
pub(super) const POLL: Key = Key::new(
    "node.core_poll",
    "\"1 s\"",
    "The pause between two looks at Bitcoin Core's tip.",
);
pub(super) const DEADLINE: Key = Key::new(
    "node.core_deadline",
    "\"1 min\"",
    "How long Bitcoin Core may take to answer.",
);
pub(super) const ZMQ: Key = Key::derived(
    "node.core_zmq",
    "\"tcp://127.0.0.1:28332\"",
    "Where Bitcoin Core publishes `hashblock` by ZMQ (its option zmqpubhashblock), so that blocks\nare seen before the next poll. Default: the poll alone.",
);

/// The settings, where they make sense together.
pub(super) fn read(
    reader: &mut Reader,
    chain: &str,
    challenge: Option<&ScriptBuf>,
    home: Option<&Path>,
) -> Option<CoreSettings> {
    let url = reader.optional(URL.path, url);
    let cookie = reader.path(COOKIE.path);
    let user = reader.optional(USER.path, reader::text);
    let password_file = reader.path(PASSWORD_FILE.path);
    let poll = reader.get(&POLL, reader::duration);
    let call_deadline = reader.get(&DEADLINE, reader::duration);
    let zmq = reader.optional(ZMQ.path, zmq);
    let (port, folder) = usual_places(chain);
    let credentials = match (user, password_file, cookie) {
        (None, None, Some(path)) => Credentials::Cookie(path),
        (None, None, None) => {
            let home = home.map_or_else(PathBuf::new, Path::to_owned);
            Credentials::Cookie(home.join(".bitcoin").join(folder).join(".cookie"))
        }
        (Some(name), Some(password_file), _) => Credentials::User {
            name,
            password_file,
        },
        (Some(_), None, _) => {
            reader.refuse(USER.path, "needs `node.core_password_file` beside it");
            return None;
        }
        (None, Some(_), _) => {
            reader.refuse(PASSWORD_FILE.path, "needs `node.core_user` beside it");
            return None;
        }
    };
    Some(CoreSettings {
        url: url.unwrap_or_else(|| format!("http://127.0.0.1:{port}")),
        chain: chain.to_owned(),
        challenge: challenge.cloned(),
        credentials,
        poll,
        call_deadline,
        zmq,
    })
}

/// Bitcoin Core's RPC port on a chain, and its folder below its data directory.
fn usual_places(chain: &str) -> (u16, &'static str) {
    match chain {
        "main" => (8332, ""),
        "test" => (18332, "testnet3"),
        "testnet4" => (48332, "testnet4"),
        "signet" => (38332, "signet"),
        _ => (18443, "regtest"),
    }
}

/// `tcp://host:port`, as `host:port`.
fn zmq(value: &toml::Value) -> Result<String, String> {
    let text = reader::text(value)?;
    let place = text.strip_prefix("tcp://").filter(|place| {
        let (host, port) = place.rsplit_once(':').unwrap_or_default();
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    place.map(str::to_owned).ok_or_else(|| {
        format!(
            "must be an address such as \"tcp://127.0.0.1:28332\", not \"{}\"",
            text.escape_debug()
        )
    })
}

fn url(value: &toml::Value) -> Result<String, String> {
    let text = reader::text(value)?;
    let parsed = reqwest::Url::parse(&text)
        .ok()
        .filter(|url| url.scheme() == "http" && url.host().is_some() && url.username().is_empty());
    match parsed {
        Some(_) => Ok(text),
        None => Err(format!(
            "must be an address such as \"http://127.0.0.1:8332\", without user and password, not \"{}\"",
            text.escape_debug()
        )),
    }
}
