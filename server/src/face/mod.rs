//! The base node as tools of Bitcoin Core ask for it: JSON-RPC at `POST /`, and `/rest/`, on a
//! listener of its own.
//!
//! It stands on the same two traits as modules do, so a client cannot tell which backend is
//! beneath. What the backend cannot answer is refused with Bitcoin Core's number and words, never
//! made up. Whoever asks shows the cookie file's password or a token, under any user name; a token
//! reaches the methods of its scopes.

mod amount;
mod chain;
mod envelope;
mod error;
mod filters;
mod general;
mod mempool;
mod message;
mod methods;
mod mining;
mod pace;
mod packages;
mod params;
mod places;
mod render;
mod rest;
mod rpc;
mod script;
mod sending;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use self::error::{INTERNAL, MISC, Outcome, Refusal};
use self::filters::FilterHeaders;
use self::pace::Pace;
use self::places::Places;
use crate::api::Api;
use crate::control::Control;
use crate::model::{Id, Operation};
use crate::node::{ReadNode, SubmitNode};

/// Requests that are worked on at the same time.
const AT_WORK: usize = 16;
/// Requests that are worked on or wait for it; more are turned away.
const IN_LINE: usize = 64;

/// Requests at work that may wait for a new template, so that others are never kept from theirs.
const LONGPOLLS: usize = 8;

/// The state of every route. Cheap to clone.
#[derive(Clone)]
pub struct Face(Arc<Inner>);

struct Inner {
    api: Api,
    submit: Arc<dyn SubmitNode>,
    open_rest: bool,
    places: Places,
    filter_headers: FilterHeaders,
    pace: Pace,
    network: OnceCell<bitcoin::Network>,
    at_work: Semaphore,
    in_line: Semaphore,
    longpolls: Semaphore,
    started: Instant,
}

impl std::fmt::Debug for Face {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Face")
    }
}

impl Face {
    /// The face of the API's base node. With `open_rest`, `/rest/` answers without a password, as
    /// Bitcoin Core's does.
    pub fn new(api: Api, submit: Arc<dyn SubmitNode>, open_rest: bool) -> Self {
        Self(Arc::new(Inner {
            places: Places::new(api.node.clone()),
            api,
            submit,
            open_rest,
            filter_headers: FilterHeaders::default(),
            pace: Pace::default(),
            network: OnceCell::new(),
            at_work: Semaphore::new(AT_WORK),
            in_line: Semaphore::new(IN_LINE),
            longpolls: Semaphore::new(LONGPOLLS),
            started: Instant::now(),
        }))
    }

    /// The routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/", any(rpc::call))
            .route("/rest/{*path}", get(rest::get))
            .with_state(self)
    }

    fn node(&self) -> &dyn ReadNode {
        &*self.0.api.node
    }

    fn submit(&self) -> &dyn SubmitNode {
        &*self.0.submit
    }

    fn control(&self) -> &Control {
        &self.0.api.control
    }

    fn places(&self) -> &Places {
        &self.0.places
    }

    fn filter_headers(&self) -> &FilterHeaders {
        &self.0.filter_headers
    }

    fn pace(&self) -> &Pace {
        &self.0.pace
    }

    fn uptime(&self) -> Duration {
        self.0.started.elapsed()
    }

    fn now_seconds(&self) -> i64 {
        self.0.api.clock.now().unix_ms() / 1000
    }

    /// The network by which addresses are written.
    async fn network(&self) -> Outcome<bitcoin::Network> {
        let network = self.0.network.get_or_try_init(async || {
            let chain = self.node().info().await?.chain;
            bitcoin::Network::from_core_arg(&chain)
                .map_err(|_| Refusal::new(INTERNAL, format!("the chain {chain} is not known")))
        });
        network.await.copied()
    }

    /// An operation, when it is over.
    async fn operation_ended(&self, id: Id) -> Outcome<Operation> {
        let api = &self.0.api;
        let mut changes = api.store.feed().changes();
        loop {
            changes.borrow_and_update();
            let found = api.store.operation(id).await;
            let found = found.map_err(|error| Refusal::new(INTERNAL, error.to_string()))?;
            match found {
                Some(operation) if operation.status.is_final() => return Ok(operation),
                Some(_) => {}
                None => return Err(Refusal::new(MISC, "the operation is gone")),
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = api.soft.cancelled() => {
                    return Err(Refusal::new(MISC, "the node is shutting down"));
                }
            }
        }
    }
}
