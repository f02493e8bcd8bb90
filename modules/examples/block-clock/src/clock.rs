//! The module: keeps the newest tip, serves it, and tells its age when asked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::get;
use bllvm_sdk::types::Tip;
use bllvm_sdk::{Context, Event, Methods, Module, NoParams, Problems, Result, http};
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::Config;
use crate::page;

/// Serves the newest tip.
pub struct BlockClock {
    context: Context,
    config: Config,
    tip: RwLock<Option<Tip>>,
    requests: AtomicU64,
}

/// The tip and its age, as JSON at `/` and as the answer of `tip_age`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TipAge {
    /// The block's height; none before the node has answered.
    pub height: Option<u32>,
    /// The block's hash, where the configuration shows it.
    pub hash: Option<String>,
    /// Seconds since the time in the block's header.
    pub seconds: Option<u64>,
    /// Whether that is longer than the configuration calls fresh.
    pub old: bool,
}

impl Module for BlockClock {
    type Config = Config;
    /// The last one also tells that the node is ready, which it may not be when a module starts.
    const EVENTS: &'static [&'static str] = &[
        "chain.block_connected",
        "chain.block_disconnected",
        "node.state_changed",
    ];

    fn validate(config: &Config) -> Result<(), Problems> {
        config.check()
    }

    fn methods() -> Methods<Self> {
        Methods::new().method("tip_age", "How old the tip is.", Self::tip_age)
    }

    async fn prepare(context: Context, config: Config) -> Result<Self> {
        Ok(Self {
            context,
            config,
            tip: RwLock::new(None),
            requests: AtomicU64::new(0),
        })
    }

    /// The listener is the host's: callers wait in its backlog while a reload changes processes.
    async fn activate(self: Arc<Self>) -> Result<()> {
        self.look().await;
        let router = Router::new().route("/", get(show)).with_state(self.clone());
        let address = http::serve(&self.context, "http", router)?;
        tracing::info!(%address, "serving the tip at http://{address}/");
        Ok(())
    }

    async fn event(&self, _: &Event) -> Result<()> {
        self.look().await;
        Ok(())
    }
}

impl BlockClock {
    async fn tip_age(self: Arc<Self>, _: NoParams) -> Result<TipAge> {
        self.look().await;
        Ok(self.age(now()))
    }

    /// Asks the node. One that cannot answer leaves what was known, and a line in the log.
    async fn look(&self) {
        match self.context.node().tip().await {
            Ok(tip) => *self.tip.write().unwrap_or_else(PoisonError::into_inner) = Some(tip),
            Err(error) => tracing::warn!("the node did not tell its tip: {error}"),
        }
        self.show_status().await;
    }

    async fn show_status(&self) {
        let TipAge { height, hash, .. } = self.age(now());
        let text = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
        let requests = self.requests.load(Ordering::Relaxed);
        let status = [
            ("tip_height", "Tip", text(height.map(|h| h.to_string()))),
            ("tip_hash", "Hash", text(hash)),
            ("requests", "Requests", requests.to_string()),
        ];
        if let Err(error) = self.context.ui().status(&status).await {
            tracing::debug!("the dashboard took no status: {error}");
        }
    }

    fn age(&self, now: u64) -> TipAge {
        let tip = self.tip.read().unwrap_or_else(PoisonError::into_inner);
        let seconds = tip.as_ref().map(|tip| now.saturating_sub(tip.time.into()));
        let hash = tip.as_ref().map(|tip| tip.hash.to_string());
        TipAge {
            height: tip.as_ref().map(|tip| tip.height),
            hash: hash.filter(|_| self.config.show_hash),
            seconds,
            old: seconds.is_some_and(|seconds| seconds > self.config.old_after_seconds),
        }
    }
}

/// `/`: a page for people, JSON for programs.
async fn show(State(clock): State<Arc<BlockClock>>, headers: HeaderMap) -> Response {
    clock.requests.fetch_add(1, Ordering::Relaxed);
    let age = clock.age(now());
    let accepts = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|types| types.contains("text/html")) {
        Html(page::render(&clock.config.title, &age)).into_response()
    } else {
        Json(age).into_response()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a clock on the wall asks the system; the server's Clock is not a module's"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
