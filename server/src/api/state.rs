//! What handlers work with. Cheap to clone.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::auth::Auth;
use super::auth::origin::Hosts;
use super::board::Board;
use super::idempotency::InFlight;
use super::metrics::HttpMetrics;
use super::stream::Streams;
use crate::clock::SharedClock;
use crate::control::Control;
use crate::journal::Journal;
use crate::logs::LogStore;
use crate::model::UtcTime;
use crate::node::ReadNode;
use crate::store::Store;
use crate::supervisor::Supervisor;
use crate::webhooks::Webhooks;

/// The parts that the API is made of.
pub struct Parts {
    /// What is kept.
    pub store: Store,
    /// Events.
    pub journal: Journal,
    /// Modules' output.
    pub logs: LogStore,
    /// What runs.
    pub supervisor: Supervisor,
    /// The operator's verbs.
    pub control: Control,
    /// The inbox of webhooks.
    pub webhooks: Webhooks,
    /// The base node.
    pub node: Arc<dyn ReadNode>,
    /// Who may ask.
    pub auth: Auth,
    /// The clock.
    pub clock: SharedClock,
    /// The names under which the node answers.
    pub hosts: Arc<Hosts>,
    /// The directory with everything in it, as the host page shows it.
    pub data_dir: PathBuf,
    /// Where modules are put.
    pub modules_dir: PathBuf,
    /// Event streams that may be open at the same time.
    pub max_streams: usize,
    /// Cancelled when the node begins to shut down.
    pub soft: CancellationToken,
}

/// The parts, and what the API itself keeps about them.
pub struct Inner {
    /// The parts.
    pub parts: Parts,
    /// The list of modules, ready to be sent.
    pub board: Board,
    /// Open event streams.
    pub streams: Streams,
    /// Measurements.
    pub metrics: HttpMetrics,
    /// Requests with an `Idempotency-Key` that are under way.
    pub in_flight: InFlight,
    /// When the node started.
    pub started_at: UtcTime,
}

/// The state of every route.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Api")
    }
}

impl Api {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            board: Board::new(
                parts.store.clone(),
                parts.journal.clone(),
                parts.supervisor.clone(),
                parts.control.clone(),
            ),
            streams: Streams::new(parts.max_streams, parts.soft.clone()),
            metrics: HttpMetrics::default(),
            in_flight: InFlight::default(),
            started_at: parts.clock.now(),
            parts,
        }))
    }

    /// What the API itself keeps.
    pub fn inner(&self) -> &Inner {
        &self.0
    }
}

impl Deref for Api {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}
