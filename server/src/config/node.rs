//! `[node]`: the base node that the control plane stands beside.

use std::path::{Path, PathBuf};

use super::reader::{self, Key, Reader};

const BACKEND: Key = Key::new(
    "node.backend",
    "\"embedded\"",
    "`embedded` runs Bitcoin Core's consensus code as a child process; `none` runs modules\nwithout a chain.",
);
const CHAIN: Key = Key::new(
    "node.chain",
    "\"regtest\"",
    "The chain of the embedded node. Only regtest is there today.",
);
const DIR: Key = Key::derived(
    "node.dir",
    "\"/var/lib/bllvm/node\"",
    "Where the embedded node keeps its blocks. Default: `node` in the data directory.",
);

pub(super) const KEYS: &[Key] = &[BACKEND, CHAIN, DIR];

/// Which base node there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The embedded one, in a process of its own.
    Embedded,
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
}

impl Node {
    pub(super) fn read(reader: &mut Reader, data_dir: &Path) -> Self {
        reader.get(&CHAIN, chain);
        Self {
            backend: reader.get(&BACKEND, backend),
            dir: reader
                .path(DIR.path)
                .unwrap_or_else(|| data_dir.join("node")),
        }
    }
}

fn backend(value: &toml::Value) -> Result<Backend, String> {
    match reader::text(value)?.as_str() {
        "embedded" => Ok(Backend::Embedded),
        "none" => Ok(Backend::None),
        other => Err(format!(
            "must be \"embedded\" or \"none\", not \"{}\"",
            other.escape_debug()
        )),
    }
}

fn chain(value: &toml::Value) -> Result<(), String> {
    match reader::text(value)?.as_str() {
        "regtest" => Ok(()),
        other => Err(format!(
            "must be \"regtest\", the only chain that the embedded node runs today, not \"{}\"",
            other.escape_debug()
        )),
    }
}
