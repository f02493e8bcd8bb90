//! What a module may ask of its host, and what it was given at its start.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bllvm_ipc::handshake::Welcome;
use bllvm_ipc::lifecycle::StartReason;
use bllvm_ipc::log::Metric;
use bllvm_ipc::method::{WebhooksBody, WebhooksVerdict};
use bllvm_ipc::types::{WebhookBodyRequest, WebhookVerdict};
use bllvm_ipc::{CallError, Capability, Connection};
use bytes::Bytes;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::events::EventQueue;
use crate::serving::Serving;
use crate::{Events, Modules, Node, Result, Storage, Ui};

/// A module's handle to its host. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Connection,
    events: Arc<EventQueue>,
    name: String,
    welcome: Welcome,
    data_dir: PathBuf,
    listeners: BTreeMap<String, OwnedFd>,
    started: Mutex<Option<(StartReason, u64)>>,
    serving: Mutex<Serving>,
    shutdown: CancellationToken,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("name", &self.inner.name)
            .field("instance", &self.inner.welcome.instance)
            .finish_non_exhaustive()
    }
}

/// What a session is made of.
pub(crate) struct Parts {
    pub(crate) connection: Connection,
    pub(crate) events: Arc<EventQueue>,
    pub(crate) name: String,
    pub(crate) welcome: Welcome,
    pub(crate) data_dir: PathBuf,
    pub(crate) listeners: BTreeMap<String, OwnedFd>,
    pub(crate) shutdown: CancellationToken,
}

/// Why there is no such listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// The host handed none of this name over.
    #[error("no listener `{name}` was handed over; module.toml needs it under [network.listeners]")]
    Unknown {
        /// The name that was asked for.
        name: String,
    },
    /// The system refused it.
    #[error("listener `{name}`: {source}")]
    Io {
        /// The name that was asked for.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Context {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            inner: Arc::new(Inner {
                connection: parts.connection,
                events: parts.events,
                name: parts.name,
                welcome: parts.welcome,
                data_dir: parts.data_dir,
                listeners: parts.listeners,
                started: Mutex::new(None),
                serving: Mutex::new(Serving::new(&parts.shutdown)),
                shutdown: parts.shutdown,
            }),
        }
    }

    /// The base node: chain, mempool, fees, broadcast, mining, network.
    pub fn node(&self) -> Node {
        Node::new(self.connection().clone())
    }

    /// The module's own key-value store.
    pub fn storage(&self) -> Storage {
        Storage::new(self.connection().clone())
    }

    /// Publishing and subscribing.
    pub fn events(&self) -> Events {
        Events::new(self.connection().clone(), self.inner.events.clone())
    }

    /// Publishes a durable event; see [`Events::publish`].
    ///
    /// # Errors
    /// A refused or unfit event, or a lost connection.
    pub async fn publish(&self, kind: &str, data: impl Serialize) -> Result<u64> {
        self.events().publish(kind, data).await
    }

    /// The other modules.
    pub fn modules(&self) -> Modules {
        Modules::new(self.connection().clone())
    }

    /// The dashboard.
    pub fn ui(&self) -> Ui {
        Ui::new(self.connection().clone())
    }

    /// The raw body of an inbound webhook delivery, by the id in its event.
    pub async fn webhook_body(&self, delivery: &str) -> Result<Bytes, CallError> {
        let request = WebhookBodyRequest {
            delivery: delivery.to_owned(),
        };
        let body = self.connection().call::<WebhooksBody>(&request).await?;
        Ok(body.0)
    }

    /// Records what became of a webhook delivery, where people see it: on the delivery's own page.
    pub async fn judge_webhook(&self, verdict: &WebhookVerdict) -> Result<(), CallError> {
        self.connection().call::<WebhooksVerdict>(verdict).await?;
        Ok(())
    }

    /// Sends a gauge's present value, unless the channel is full; tells whether it did.
    pub fn gauge(&self, name: &str, value: f64) -> bool {
        self.send_metric(name, value, false)
    }

    /// Sends a counter's present value, unless the channel is full; tells whether it did.
    pub fn counter(&self, name: &str, value: f64) -> bool {
        self.send_metric(name, value, true)
    }

    fn send_metric(&self, name: &str, value: f64, counter: bool) -> bool {
        self.connection().metric(&Metric {
            name: name.to_owned(),
            counter,
            value,
        })
    }

    /// A listening socket that the host opened for this module, by its name in `module.toml`.
    /// May be taken again, after a drain for instance: the host holds it, callers wait meanwhile.
    ///
    /// # Errors
    /// A name that was not handed over.
    pub fn listener(&self, name: &str) -> Result<tokio::net::TcpListener, ListenerError> {
        let io = |source| ListenerError::Io {
            name: name.to_owned(),
            source,
        };
        let listener = self.std_listener(name)?;
        listener.set_nonblocking(true).map_err(io)?;
        tokio::net::TcpListener::from_std(listener).map_err(io)
    }

    /// The same, for code without tokio.
    ///
    /// # Errors
    /// A name that was not handed over.
    pub fn std_listener(&self, name: &str) -> Result<std::net::TcpListener, ListenerError> {
        let unknown = || ListenerError::Unknown {
            name: name.to_owned(),
        };
        let held = self.inner.listeners.get(name).ok_or_else(unknown)?;
        let own = held.try_clone().map_err(|source| ListenerError::Io {
            name: name.to_owned(),
            source,
        })?;
        Ok(own.into())
    }

    /// The names of the listeners that were handed over.
    pub fn listener_names(&self) -> impl Iterator<Item = &str> {
        self.inner.listeners.keys().map(String::as_str)
    }

    /// The module's own directory, private to it. It is the working directory too.
    pub fn data_dir(&self) -> &Path {
        &self.inner.data_dir
    }

    /// The module's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// This process's id at the host, new at every start.
    pub fn instance(&self) -> &str {
        &self.inner.welcome.instance
    }

    /// The host's version.
    pub fn host_version(&self) -> &str {
        &self.inner.welcome.host
    }

    /// Whether the operator granted it when this process started.
    pub fn granted(&self, capability: Capability) -> bool {
        let granted = &self.inner.welcome.grants;
        granted.iter().any(|name| name == capability.as_str())
    }

    /// Why this process was started; none before it was configured.
    pub fn start_reason(&self) -> Option<StartReason> {
        self.started().map(|(reason, _)| reason)
    }

    /// The revision of the configuration that this process was started with.
    pub fn config_revision(&self) -> Option<u64> {
        self.started().map(|(_, revision)| revision)
    }

    fn started(&self) -> Option<(StartReason, u64)> {
        *self
            .inner
            .started
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_started(&self, reason: StartReason, revision: u64) {
        let started = &self.inner.started;
        *started.lock().unwrap_or_else(PoisonError::into_inner) = Some((reason, revision));
    }

    /// Runs a task that belongs to this period of serving: it must end when
    /// [`Context::draining`] fires, and the drain waits for it.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.serving().spawn(work);
    }

    /// Fires when this period of serving ends: at a drain, or with the process.
    pub fn draining(&self) -> CancellationToken {
        self.serving().draining
    }

    /// Fires when the process is about to end.
    pub fn shutdown(&self) -> CancellationToken {
        self.inner.shutdown.clone()
    }

    /// Does something now and then: at once, and `period` after each end, until the drain.
    ///
    /// ```no_run
    /// # fn example(context: bllvm_sdk::Context) {
    /// use std::time::Duration;
    ///
    /// let node = context.node();
    /// context.every(Duration::from_secs(60), move || {
    ///     let node = node.clone();
    ///     async move {
    ///         if let Ok(tip) = node.tip().await {
    ///             tracing::info!("the tip is {}", tip.height);
    ///         }
    ///     }
    /// });
    /// # }
    /// ```
    pub fn every<F, Fut>(&self, period: Duration, mut work: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let draining = self.draining();
        self.spawn(async move {
            while !draining.is_cancelled() {
                work().await;
                let pause = tokio::time::sleep(period);
                draining.run_until_cancelled(pause).await;
            }
        });
    }

    /// Does something once after `delay`, unless the drain comes first.
    pub fn after(&self, delay: Duration, work: impl Future<Output = ()> + Send + 'static) {
        let draining = self.draining();
        self.spawn(async move {
            let pause = tokio::time::sleep(delay);
            if draining.run_until_cancelled(pause).await.is_some() {
                work.await;
            }
        });
    }

    /// The connection itself, for methods that this crate does not wrap.
    pub fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    pub(crate) fn serving(&self) -> Serving {
        let serving = &self.inner.serving;
        serving
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Begins another period of serving.
    pub(crate) fn renew_serving(&self) {
        let serving = &self.inner.serving;
        *serving.lock().unwrap_or_else(PoisonError::into_inner) =
            Serving::new(&self.inner.shutdown);
    }
}
