//! One connection of one process: what it sees of the host, and what the host sees of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bllvm_ipc::handshake::Goodbye;
use bllvm_ipc::log::LogRecord;
use bllvm_ipc::types::SubscribeRequest;
use bllvm_ipc::{Connection, Handler, Incoming, Notice, Reply, method};
use bllvm_manifest::ModuleName;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{ParamsSchemas, Rights, Submissions, authorize, dispatch};
use crate::clock::SharedClock;
use crate::journal::Journal;
use crate::logs::{LogSource, LogStore, NewLine};
use crate::node::{ReadNode, SubmitNode};
use crate::store::Store;
use crate::supervisor::{Entry, Observed, Registry};

/// Metrics that are kept of one module.
const MAX_METRICS: usize = 256;

/// What requests are answered from; the same for all sessions.
pub struct Services {
    /// The store.
    pub store: Store,
    /// The journal.
    pub journal: Journal,
    /// The modules' logs.
    pub logs: LogStore,
    /// The base node, to be read. Modules' reads have nothing else in their reach.
    pub read_node: Arc<dyn ReadNode>,
    /// The base node, for granted submissions.
    pub submit_node: Arc<dyn SubmitNode>,
    /// The clock.
    pub clock: SharedClock,
    /// The modules' present states and connections.
    pub registry: Arc<Registry>,
    /// Where feeds run.
    pub tracker: TaskTracker,
    /// What one module may keep in the database.
    pub storage_quota: u64,
    /// How long a call of another module may take.
    pub call_deadline: Duration,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

/// One connection's state.
#[derive(Debug)]
pub struct Session {
    pub(super) module: ModuleName,
    pub(super) services: Arc<Services>,
    pub(super) rights: Rights,
    pub(super) submissions: Arc<Submissions>,
    pub(super) params: ParamsSchemas,
    pub(super) observed: watch::Sender<Observed>,
    pub(super) feed: Mutex<Feed>,
    /// The module's one turn to be delivered to.
    pub(super) turn: Arc<Semaphore>,
    goodbye: Mutex<Option<Goodbye>>,
}

/// The session's event feed. It flows only while the process is the one that serves.
#[derive(Debug, Default)]
pub(super) struct Feed {
    pub(super) open: bool,
    pub(super) wanted: Option<SubscribeRequest>,
    pub(super) acks: Option<mpsc::Sender<u64>>,
    pub(super) cancel: Option<CancellationToken>,
}

impl Session {
    /// A session for a process that was just welcomed.
    pub fn new(entry: &Entry, services: Arc<Services>) -> Arc<Self> {
        Arc::new(Self {
            module: entry.name.clone(),
            services,
            rights: entry.rights.clone(),
            submissions: Arc::clone(&entry.submissions),
            params: entry.params.clone(),
            observed: entry.observed.clone(),
            turn: Arc::clone(&entry.feed_turn),
            feed: Mutex::default(),
            goodbye: Mutex::default(),
        })
    }

    /// What connections call.
    pub fn handler(self: &Arc<Self>) -> Arc<dyn Handler> {
        Arc::new(SessionHandler(Arc::clone(self)))
    }

    /// The module's last words, where it said any.
    pub fn goodbye(&self) -> Option<Goodbye> {
        self.goodbye
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, record: LogRecord) {
        let mut line = NewLine::new(record.level, LogSource::Module, record.message);
        line.fields = record.fields;
        if !record.target.is_empty() {
            line.fields
                .insert("log.target".to_owned(), record.target.into());
        }
        self.services.logs.append(&self.module, line);
    }
}

struct SessionHandler(Arc<Session>);

impl Handler for SessionHandler {
    fn request(&self, connection: &Connection, request: Incoming) -> Reply {
        let Some(info) = method::by_id(request.method) else {
            let text = format!("method {:#06x} is not known here", request.method);
            return Reply::refuse(bllvm_ipc::ErrorReply::unsupported(text));
        };
        match authorize(&self.0.rights, info) {
            Ok(()) => dispatch::answer(&self.0, connection, info, &request),
            Err(refusal) => Reply::refuse(refusal),
        }
    }

    fn notice(&self, connection: &Connection, notice: Notice) {
        let session = &self.0;
        match notice {
            Notice::Ping(id) => connection.pong(id),
            Notice::Ack(seq) => session.acknowledged(seq),
            Notice::Log(record) => session.note(record),
            Notice::Metric(metric) => {
                session.observed.send_if_modified(|observed| {
                    let room = observed.metrics.len() < MAX_METRICS;
                    if room || observed.metrics.contains_key(&metric.name) {
                        observed
                            .metrics
                            .insert(metric.name, (metric.counter, metric.value));
                    }
                    // Read when somebody asks; not worth waking anyone.
                    false
                });
            }
            Notice::Goodbye(words) => {
                *session
                    .goodbye
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = Some(words);
            }
            Notice::Event(event) => {
                tracing::warn!(
                    module.name = %session.module, event.kind = %event.kind.escape_debug(),
                    "a module sent an event frame, which means nothing here; it has to publish"
                );
            }
        }
    }
}
