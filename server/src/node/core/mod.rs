//! A running Bitcoin Core as base node, by its JSON-RPC.
//!
//! Every answer comes from Bitcoin Core itself; nothing is kept here but the last known tip. A poll
//! notices new blocks, and tells when Bitcoin Core went away or came back. Where Bitcoin Core
//! publishes by ZMQ, its notices wake the poll earlier; they are lossy, so nothing rests on them.

mod chain;
mod identity;
mod mempool;
mod mining;
mod read;
mod rpc;
mod shapes;
mod submit;
#[cfg(test)]
mod tests;
mod watch;
mod zmq;

use std::sync::Arc;
use std::time::Duration;

use bitcoin::ScriptBuf;
use tokio::sync::watch::{Receiver, Sender};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::rpc::Rpc;
pub use self::rpc::{Credentials, Password};
use super::{NodeError, NodeState};

/// Where Bitcoin Core is, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreSettings {
    /// Its address, as in `http://127.0.0.1:8332`.
    pub url: String,
    /// The chain that it must be on: `main`, `test`, `testnet4`, `signet` or `regtest`.
    pub chain: String,
    /// Of a signet, the challenge that it must have; any if none.
    pub challenge: Option<ScriptBuf>,
    /// How we prove who we are.
    pub credentials: Credentials,
    /// The pause between two looks at its tip.
    pub poll: Duration,
    /// How long a call may take.
    pub call_deadline: Duration,
    /// Where it publishes new blocks by ZMQ, as `host:port`, if it does.
    pub zmq: Option<String>,
}

/// A handle to Bitcoin Core. Clones share everything.
#[derive(Clone, Debug)]
pub struct CoreNode {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: CoreSettings,
    rpc: Rpc,
    listing: mempool::Listing,
    longpolls: Arc<Semaphore>,
    state: Sender<NodeState>,
    changes: Sender<u64>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Shared {
    fn new(settings: CoreSettings, tracker: TaskTracker, stop: CancellationToken) -> Self {
        Self {
            rpc: Rpc::new(&settings),
            settings,
            listing: mempool::Listing::default(),
            longpolls: Arc::new(Semaphore::new(mining::LONGPOLLS)),
            state: Sender::new(NodeState::Starting),
            changes: Sender::new(0),
            tracker,
            stop,
        }
    }
}

impl CoreNode {
    /// Begins to watch Bitcoin Core, until `stop`.
    pub fn start(settings: CoreSettings, tracker: &TaskTracker, stop: CancellationToken) -> Self {
        let shared = Arc::new(Shared::new(settings, tracker.clone(), stop.clone()));
        let wake = Arc::new(Notify::new());
        if let Some(address) = shared.settings.zmq.clone() {
            tracker.spawn(zmq::listen(address, wake.clone(), stop.clone()));
        }
        tracker.spawn(watch::watch(shared.clone(), wake, stop));
        Self { shared }
    }

    /// Bitcoin Core, once it is known to be the right one: answers of another chain are worse than
    /// none.
    fn ready(&self) -> Result<&Rpc, NodeError> {
        match &*self.shared.state.borrow() {
            NodeState::Ready => Ok(&self.shared.rpc),
            NodeState::Starting => Err(away("it was not reached yet")),
            NodeState::Unavailable { why } => Err(away(why)),
        }
    }

    fn subscribe(&self) -> Receiver<u64> {
        self.shared.changes.subscribe()
    }
}

/// Whether this Bitcoin Core can be asked, and is the one that was meant.
///
/// # Errors
/// Why not, with the way out.
pub async fn probe(settings: &CoreSettings) -> Result<(), String> {
    let checked = identity::check(&Rpc::new(settings), settings).await;
    checked.map_err(watch::words)
}

/// It is away; asking again soon makes sense.
fn away(why: &str) -> NodeError {
    NodeError::Unavailable {
        why: why.to_owned(),
        retry_ms: 1000,
    }
}
