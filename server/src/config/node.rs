//! `[node]`: the base node that the control plane stands beside.

use std::path::{Path, PathBuf};

use super::reader::{self, Key, Reader};
use super::{core, peers};
use crate::node::{CoreSettings, PeerSettings};

const BACKEND: Key = Key::new(
    "node.backend",
    "\"embedded\"",
    "`embedded` runs Bitcoin Core's consensus code as a child process; `core` asks a running\nBitcoin Core by its RPC; `none` runs modules without a chain.",
);
const CHAIN: Key = Key::new(
    "node.chain",
    "\"regtest\"",
    "The chain. The embedded node runs `regtest`; a Bitcoin Core must be on the one that is named\nhere: `main`, `test`, `testnet4`, `signet` or `regtest`.",
);
const DIR: Key = Key::derived(
    "node.dir",
    "\"/var/lib/bllvm/node\"",
    "Where the embedded node keeps its blocks. Default: `node` in the data directory.",
);

pub(super) const KEYS: &[Key] = &[
    BACKEND,
    CHAIN,
    DIR,
    core::URL,
    core::COOKIE,
    core::USER,
    core::PASSWORD_FILE,
    core::POLL,
    core::DEADLINE,
    core::ZMQ,
    peers::CONNECT,
    peers::LISTEN,
    peers::MAX_PEERS,
    peers::PATIENCE,
];

/// Which base node there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The embedded one, in a process of its own.
    Embedded,
    /// A running Bitcoin Core.
    Core,
    /// None.
    None,
}

/// The settings of the base node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Which one.
    pub backend: Backend,
    /// The embedded node's directory.
    pub dir: PathBuf,
    /// The embedded node's peers.
    pub peers: PeerSettings,
    /// How Bitcoin Core is reached; only where it is the backend.
    pub core: Option<CoreSettings>,
}

impl Node {
    pub(super) fn read(reader: &mut Reader, data_dir: &Path, home: Option<&Path>) -> Self {
        let backend = reader.get(&BACKEND, backend);
        let chain = reader.get(&CHAIN, chain);
        if backend == Backend::Embedded && chain != "regtest" {
            let way_out = match chain.as_str() {
                "main" => "; mainnet is Bitcoin Core's: set `node.backend` to \"core\"",
                _ => "; `node.backend = \"core\"` takes a running Bitcoin Core on it",
            };
            reader.refuse(
                CHAIN.path,
                format!(
                    "must be \"regtest\", the only chain that the embedded node runs today, not \"{chain}\"{way_out}"
                ),
            );
        }
        let core = core::read(reader, &chain, home);
        Self {
            backend,
            peers: peers::read(reader),
            core: core.filter(|_| backend == Backend::Core),
            dir: reader
                .path(DIR.path)
                .unwrap_or_else(|| data_dir.join("node")),
        }
    }
}

fn backend(value: &toml::Value) -> Result<Backend, String> {
    match reader::text(value)?.as_str() {
        "embedded" => Ok(Backend::Embedded),
        "core" => Ok(Backend::Core),
        "none" => Ok(Backend::None),
        other => Err(format!(
            "must be \"embedded\", \"core\" or \"none\", not \"{}\"",
            other.escape_debug()
        )),
    }
}

fn chain(value: &toml::Value) -> Result<String, String> {
    let chain = reader::text(value)?;
    match chain.as_str() {
        "main" | "test" | "testnet4" | "signet" | "regtest" => Ok(chain),
        other => Err(format!(
            "must be \"main\", \"test\", \"testnet4\", \"signet\" or \"regtest\", not \"{}\"",
            other.escape_debug()
        )),
    }
}
