//! What all workers share.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ledger::Ledger;
use super::process::Spawner;
use super::programs::Programs;
use super::sandbox::{ControlGroups, Users};
use super::{ConfigSource, Registry, SupervisorSettings};
use crate::clock::SharedClock;
use crate::ipc::Services;
use crate::journal::Journal;
use crate::logs::{LogSource, LogStore, NewLine};
use crate::model::NewEvent;
use crate::node::{ReadNode, SubmitNode};
use crate::store::Store;

/// What a supervisor is made of.
#[derive(Clone)]
pub struct Parts {
    /// The store.
    pub store: Store,
    /// The journal.
    pub journal: Journal,
    /// The modules' logs.
    pub logs: LogStore,
    /// The base node, to be read.
    pub read_node: Arc<dyn ReadNode>,
    /// The base node, for granted submissions.
    pub submit_node: Arc<dyn SubmitNode>,
    /// The clock.
    pub clock: SharedClock,
    /// The modules' configurations.
    pub configs: Arc<dyn ConfigSource>,
    /// Paths, deadlines and limits.
    pub settings: SupervisorSettings,
    /// Where all tasks run.
    pub tracker: TaskTracker,
    /// Ends everything at once.
    pub hard: CancellationToken,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// What all workers share.
pub(super) struct Context {
    pub store: Store,
    pub logs: LogStore,
    pub clock: SharedClock,
    pub configs: Arc<dyn ConfigSource>,
    pub settings: SupervisorSettings,
    pub tracker: TaskTracker,
    pub hard: CancellationToken,
    pub services: Arc<Services>,
    pub registry: Arc<Registry>,
    pub spawner: Spawner,
    pub users: Users,
    pub control_groups: ControlGroups,
    pub programs: Programs,
    pub ledger: Ledger,
    /// When the host must have stopped, once it is stopping.
    pub ending: watch::Sender<Option<Instant>>,
    /// Modules may have come or gone.
    pub look_again: Notify,
}

impl Context {
    pub fn new(parts: Parts) -> std::io::Result<Arc<Self>> {
        let registry = Registry::new(
            Arc::clone(&parts.clock),
            parts.settings.submissions_per_minute,
        );
        let services = Arc::new(Services {
            store: parts.store.clone(),
            journal: parts.journal,
            logs: parts.logs.clone(),
            read_node: parts.read_node,
            submit_node: parts.submit_node,
            clock: Arc::clone(&parts.clock),
            registry: Arc::clone(&registry),
            tracker: parts.tracker.clone(),
            storage_quota: parts.settings.storage_quota,
            call_deadline: parts.settings.call_deadline,
        });
        Ok(Arc::new(Self {
            ledger: Ledger::start(parts.store.clone(), &parts.tracker),
            store: parts.store,
            logs: parts.logs,
            clock: parts.clock,
            configs: parts.configs,
            spawner: Spawner::start(parts.settings.namespaces)?,
            users: Users::find(&parts.settings.data_dir),
            control_groups: ControlGroups::find(),
            settings: parts.settings,
            tracker: parts.tracker,
            hard: parts.hard,
            services,
            registry,
            programs: Programs::default(),
            ending: watch::Sender::new(None),
            look_again: Notify::new(),
        }))
    }

    pub fn is_ending(&self) -> bool {
        self.ending.borrow().is_some()
    }

    /// A line of the host in a module's log.
    pub fn note(
        &self,
        module: &bllvm_manifest::ModuleName,
        level: bllvm_ipc::log::Level,
        text: impl Into<String>,
    ) {
        self.logs
            .append(module, NewLine::new(level, LogSource::Host, text));
    }

    /// A durable event of the host, behind what was recorded before it.
    pub async fn event(&self, kind: &str, data: Value) {
        self.ledger.event(NewEvent::host(kind, data)).await;
    }
}
