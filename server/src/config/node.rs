//! `[node]`: the base node that the control plane stands beside.

use std::path::{Path, PathBuf};

use bitcoin::ScriptBuf;

use super::reader::{self, Key, Reader};
use super::{core, peers};
use crate::node::{CoreSettings, EmbeddedChain, PeerSettings, parse_challenge};

const BACKEND: Key = Key::new(
    "node.backend",
    "\"embedded\"",
    "`embedded` runs Bitcoin Core's consensus code as a child process; `core` asks a running\nBitcoin Core by its RPC; `none` runs modules without a chain.",
);
const CHAIN: Key = Key::new(
    "node.chain",
    "\"regtest\"",
    "The chain. The embedded node runs `regtest`, `signet` or `testnet4`; a Bitcoin Core must be on\nthe one that is named here: `main`, `test`, `testnet4`, `signet` or `regtest`.",
);
const CHALLENGE: Key = Key::new(
    "node.signet_challenge",
    "\"\"",
    "Of a signet of one's own, the script that its blocks satisfy, in hex (BIP 325); empty for the\npublic signet.",
);
const DIR: Key = Key::derived(
    "node.dir",
    "\"/var/lib/bllvm/node\"",
    "Where the embedded node keeps its blocks. Default: a folder for each chain in the data\ndirectory, which is `node` for regtest.",
);

pub(super) const KEYS: &[Key] = &[
    BACKEND,
    CHAIN,
    CHALLENGE,
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
    /// The chain that the embedded node works on.
    pub chain: EmbeddedChain,
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
        let challenge = reader.get(&CHALLENGE, challenge);
        if challenge.is_some() && chain != "signet" {
            let text = format!("is of a signet, and `node.chain` is \"{chain}\"; leave it out");
            reader.refuse(CHALLENGE.path, text);
        }
        let core = core::read(reader, &chain, challenge.as_ref(), home);
        let embedded = EmbeddedChain::named(&chain, challenge).unwrap_or_else(|why| {
            if backend == Backend::Embedded {
                reader.refuse(CHAIN.path, why);
            }
            EmbeddedChain::default()
        });
        Self {
            backend,
            peers: peers::read(reader),
            core: core.filter(|_| backend == Backend::Core),
            dir: reader
                .path(DIR.path)
                .unwrap_or_else(|| data_dir.join(embedded.folder())),
            chain: embedded,
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

fn challenge(value: &toml::Value) -> Result<Option<ScriptBuf>, String> {
    let text = reader::text(value)?;
    (!text.is_empty())
        .then(|| parse_challenge(&text))
        .transpose()
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
