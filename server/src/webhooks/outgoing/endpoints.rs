//! The endpoints as they are sent to: settings, opened keys, and a lane for each.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use reqwest::Url;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::AllowedAddresses;
use super::client::HttpClient;
use super::key::{OutgoingKey, open_key};
use crate::configuration::SecretKey;
use crate::model::{AttemptCode, EndpointState, UtcTime, WebhookEndpoint};
use crate::store::{Store, StoreError};

/// An endpoint, ready to be sent to.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) name: String,
    pub(super) url: Option<Url>,
    pub(super) events: Vec<String>,
    pub(super) ordered: bool,
    pub(super) timeout: Duration,
    pub(super) enabled: bool,
    pub(super) keys: Vec<(OutgoingKey, Option<UtcTime>)>,
    created_at: UtcTime,
    /// Events up to here were looked at; the durable cursor may be behind it.
    pub(super) looked_at: Arc<AtomicU64>,
    /// Where the durable cursor was last put.
    pub(super) kept_at: Arc<AtomicU64>,
    /// Wakes its lane.
    pub(super) wake: Arc<Notify>,
    /// Ends its lane.
    ended: CancellationToken,
}

type Endpoints = HashMap<String, Arc<Live>>;

/// The sender. Cheap to clone.
#[derive(Clone)]
pub struct Outgoing(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Store,
    key: SecretKey,
    pub(super) client: HttpClient,
    endpoints: RwLock<Arc<Endpoints>>,
    /// One reading at a time, so that an older one never replaces a newer one.
    reading: tokio::sync::Mutex<()>,
    /// Where lanes run, once it is started.
    running: OnceLock<(TaskTracker, CancellationToken)>,
    /// Wakes the feed after a change of endpoints.
    pub(super) changed: Notify,
    counts: Mutex<BTreeMap<(String, &'static str), u64>>,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outgoing")
    }
}

impl Outgoing {
    /// A sender that knows no endpoint yet and sends nothing; [`Outgoing::start`] does.
    pub fn new(store: Store, key: SecretKey, allowed: AllowedAddresses) -> Self {
        Self(Arc::new(Inner {
            store,
            key,
            client: HttpClient::new(allowed),
            endpoints: RwLock::default(),
            reading: tokio::sync::Mutex::default(),
            running: OnceLock::new(),
            changed: Notify::new(),
            counts: Mutex::default(),
        }))
    }

    /// Begins to queue and to send, until `soft`.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn start(
        &self,
        tracker: &TaskTracker,
        soft: &CancellationToken,
    ) -> Result<(), StoreError> {
        if self.0.running.set((tracker.clone(), soft.clone())).is_ok() {
            let feed = self.clone().feed(soft.clone());
            tracker.spawn(feed);
        }
        self.reload().await
    }

    /// Reads the endpoints anew, after a change.
    ///
    /// # Errors
    /// Where the database cannot be read; the endpoints known before go on.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.0.reading.lock().await;
        let before = self.endpoints();
        let mut now = Endpoints::new();
        let sealed = self.0.store.webhook_endpoint_keys().await?;
        for endpoint in self.0.store.webhook_endpoints().await? {
            let mut keys = Vec::new();
            for one in sealed.iter().filter(|one| one.endpoint == endpoint.name) {
                let opened = open_key(&self.0.key, &endpoint.name, one.key.id, &one.sealed);
                if let Some(key) = opened {
                    keys.push((key, one.key.expires_at));
                } else {
                    tracing::error!(
                        webhook.endpoint = endpoint.name,
                        webhook.key = %one.key.id,
                        "a webhook key does not open under this secret.key; rotate it"
                    );
                }
            }
            let known = before
                .get(&endpoint.name)
                .filter(|known| known.created_at == endpoint.created_at);
            let live = Arc::new(Live::new(endpoint, keys, known.map(Arc::as_ref)));
            if known.is_none() {
                self.open_lane(&live);
            }
            now.insert(live.name.clone(), live);
        }
        for (name, known) in &*before {
            let stays = now
                .get(name)
                .is_some_and(|live| live.created_at == known.created_at);
            if !stays {
                known.ended.cancel();
            }
        }
        let waking: Vec<_> = now.values().map(|live| Arc::clone(&live.wake)).collect();
        *self
            .0
            .endpoints
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(now);
        for wake in waking {
            wake.notify_one();
        }
        self.0.changed.notify_one();
        Ok(())
    }

    fn open_lane(&self, live: &Live) {
        if let Some((tracker, soft)) = self.0.running.get() {
            let lane =
                self.clone()
                    .lane(live.name.clone(), live.created_at, Arc::clone(&live.wake));
            let (soft, ended) = (soft.clone(), live.ended.clone());
            tracker.spawn(async move {
                // What is under way is cut off: it was not answered, so that it is sent again.
                tokio::select! {
                    () = soft.cancelled() => {}
                    () = ended.cancelled() => {}
                    () = lane => {}
                }
            });
        }
    }

    /// The host's key, under which keys are kept.
    pub fn key(&self) -> &SecretKey {
        &self.0.key
    }

    /// What sends.
    pub fn client(&self) -> &HttpClient {
        &self.0.client
    }

    /// The addresses that are allowed.
    pub fn allowed(&self) -> &AllowedAddresses {
        self.0.client.allowed()
    }

    /// Events up to this number were looked at for an endpoint.
    pub fn looked_at(&self, name: &str) -> u64 {
        let live = self.live(name);
        live.map_or(0, |live| live.looked_at.load(Ordering::Relaxed))
    }

    /// Attempts since the start, by endpoint and what came of them.
    pub fn counted(&self) -> BTreeMap<(String, &'static str), u64> {
        self.counts().clone()
    }

    pub(super) fn count(&self, endpoint: &str, code: AttemptCode) {
        let key = (endpoint.to_owned(), code.as_str());
        *self.counts().entry(key).or_default() += 1;
    }

    /// Wakes an endpoint's lane.
    pub fn wake(&self, name: &str) {
        if let Some(live) = self.live(name) {
            live.wake.notify_one();
        }
    }

    pub(super) fn live(&self, name: &str) -> Option<Arc<Live>> {
        self.endpoints().get(name).cloned()
    }

    /// The endpoint while it is the one that was made then.
    pub(super) fn same(&self, name: &str, created_at: UtcTime) -> Option<Arc<Live>> {
        self.live(name).filter(|live| live.created_at == created_at)
    }

    pub(super) fn endpoints(&self) -> Arc<Endpoints> {
        self.0
            .endpoints
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<(String, &'static str), u64>> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// An endpoint as it was read, going on where the one before it was.
    fn new(
        endpoint: WebhookEndpoint,
        keys: Vec<(OutgoingKey, Option<UtcTime>)>,
        before: Option<&Self>,
    ) -> Self {
        let settings = endpoint.settings;
        let looked_at = before.map_or_else(Arc::default, |known| Arc::clone(&known.looked_at));
        let enabled = endpoint.state == EndpointState::Enabled;
        if enabled && before.is_some_and(|known| !known.enabled) {
            // Enabled anew: from its cursor, which may have been moved.
            looked_at.store(endpoint.cursor, Ordering::Relaxed);
        }
        looked_at.fetch_max(endpoint.cursor, Ordering::Relaxed);
        let kept_at = before.map_or_else(Arc::default, |known| Arc::clone(&known.kept_at));
        kept_at.store(endpoint.cursor, Ordering::Relaxed);
        Self {
            url: Url::parse(&settings.url).ok(),
            events: settings.events,
            ordered: settings.ordered,
            timeout: Duration::from_secs(u64::from(settings.timeout_s)),
            enabled,
            keys,
            created_at: endpoint.created_at,
            looked_at,
            kept_at,
            wake: before.map_or_else(Arc::default, |known| Arc::clone(&known.wake)),
            ended: before.map_or_else(CancellationToken::new, |known| known.ended.clone()),
            name: endpoint.name,
        }
    }

    /// What signs at a moment, as it goes into `webhook-signature`; none where no key does.
    pub(super) fn signature(&self, id: &str, now: UtcTime, body: &str) -> Option<String> {
        let seconds = now.unix_ms().div_euclid(1000);
        let all: Vec<String> = self
            .keys
            .iter()
            .filter(|(_, expires_at)| expires_at.is_none_or(|end| now < end))
            .map(|(key, _)| key.sign(id, seconds, body))
            .collect();
        (!all.is_empty()).then(|| all.join(" "))
    }
}
