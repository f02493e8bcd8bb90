//! What can go wrong in the embedded node, in its own words.

use std::{io, path::PathBuf};

use bitcoin::BlockHash;

use crate::Chain;

/// Why the engine could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The chain is not offered by the embedded node.
    #[error("chain `{}` is not available in the embedded node: {reason}", chain.name())]
    UnsupportedChain {
        /// The chain that was asked for.
        chain: Chain,
        /// Why not, and what to use instead.
        reason: &'static str,
    },
    /// Another instance works in this directory.
    #[error(
        "directory {} is in use by {}; stop it, or choose another directory",
        dir.display(),
        pid.map_or_else(|| "another program".to_owned(), |pid| format!("process {pid}"))
    )]
    Busy {
        /// The directory.
        dir: PathBuf,
        /// The process that holds it, where it left its number.
        pid: Option<u32>,
    },
    /// A file or directory could not be used.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The block journal could not take a block; the block was not processed.
    #[error("journal {} took no block: {source}", path.display())]
    JournalWrite {
        /// The journal file.
        path: PathBuf,
        /// The system's reason, a full disk for instance.
        source: io::Error,
    },
    /// The journal is not ours, or of another chain.
    #[error("journal {} {reason}; move it away to start without it", path.display())]
    ForeignJournal {
        /// The journal file.
        path: PathBuf,
        /// What does not fit.
        reason: &'static str,
    },
    /// The kernel could not open or rebuild its data.
    #[error("kernel did not open: {detail}")]
    Open {
        /// The kernel's own words.
        detail: String,
    },
    /// The kernel failed in a way that only a restart mends; every later call fails too.
    #[error("kernel failed: {detail}; restart the node")]
    Fatal {
        /// The kernel's own words.
        detail: String,
    },
    /// The kernel refused one call.
    #[error("kernel refused the call: {detail}")]
    Kernel {
        /// The kernel's own words.
        detail: String,
    },
    /// The engine was closed.
    #[error("engine is closed")]
    Closed,
    /// A call that changes the chain was made from inside the observer.
    #[error("observer may not change the chain; hand the event to another thread first")]
    FromObserver,
    /// The bytes are not a block.
    #[error("block decode failed: {detail}")]
    UndecodableBlock {
        /// What is wrong with the bytes.
        detail: String,
    },
    /// None of a cursor's blocks is known here.
    #[error("cursor names no block of this chain; start again from the tip")]
    UnknownCursor,
    /// The block was never part of the best chain, so what it would spend is not recorded.
    #[error("block {hash} was never connected, so its spent outputs are unknown")]
    NeverConnected {
        /// The block.
        hash: BlockHash,
    },
    /// A block that we made ourselves was refused.
    #[error("own block refused: {code} ({debug})")]
    MiningRefused {
        /// Core's reject reason.
        code: String,
        /// Core's detail, empty where it gives none.
        debug: String,
    },
    /// The index of coins and transactions could not be used; the chain itself is not touched.
    #[error("{detail}; it is tried again with the next question")]
    Index {
        /// What is wrong with it.
        detail: String,
    },
    /// The transaction, input or spent outputs of a script check don't fit together.
    #[error("script cannot be checked: {detail}")]
    ScriptCheck {
        /// What does not fit.
        detail: String,
    },
    /// Not an address of this chain.
    #[error("address {address:?} is not usable here: {detail}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl EngineError {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

impl From<bitcoinkernel::KernelError> for EngineError {
    fn from(error: bitcoinkernel::KernelError) -> Self {
        Self::Kernel {
            detail: error.to_string(),
        }
    }
}
