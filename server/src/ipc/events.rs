//! `events.*`: feeds that resume where they were acknowledged, and publishing in one's own name.

use std::sync::{Arc, MutexGuard, PoisonError};

use bllvm_ipc::types::{PublishRequest, Published, SubscribeRequest, Subscribed};
use bllvm_ipc::{Capability, Connection, ErrorCode, ErrorReply, EventClass};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Session;
use super::error::stored;
use super::session::Feed;
use crate::model::{HOST_NAMESPACES, NewEvent};

/// Patterns in one subscription.
const MAX_PATTERNS: usize = 64;
/// Acknowledgements that may wait. A feed has at most 1,024 events unacknowledged, so that an
/// honest module never fills it.
const ACKS: usize = 2048;

impl Session {
    fn feed(&self) -> MutexGuard<'_, Feed> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn acknowledged(&self, seq: u64) {
        if let Some(acks) = &self.feed().acks {
            // Beyond the bound there are only repetitions, which say nothing new.
            let _ = acks.try_send(seq);
        }
    }

    pub(super) async fn subscribe(
        self: &Arc<Self>,
        connection: &Connection,
        mut request: SubscribeRequest,
    ) -> Result<Subscribed, ErrorReply> {
        if request.types.is_empty() || request.types.len() > MAX_PATTERNS {
            return Err(ErrorReply::invalid(format!(
                "`types`: give 1 to {MAX_PATTERNS} patterns, such as `chain.*`"
            )));
        }
        let start = self.services.journal.begin(&self.module, &request).await;
        let start = start.map_err(stored)?;
        request.after = Some(start.after);
        let mut feed = self.feed();
        feed.wanted = Some(request);
        if feed.open {
            self.flow(connection, &mut feed);
        }
        Ok(start)
    }

    /// Subscribes to what the module named when it became ready, unless it subscribed by itself.
    ///
    /// # Errors
    /// As a subscription.
    pub async fn subscribe_at_ready(
        self: &Arc<Self>,
        connection: &Connection,
        types: Vec<String>,
    ) -> Result<(), ErrorReply> {
        if types.is_empty() || self.feed().wanted.is_some() {
            return Ok(());
        }
        if !self.rights.has(Capability::EventsSubscribe) {
            return Err(ErrorReply::new(
                ErrorCode::Denied,
                "it asks for events, and `events.subscribe` is not granted",
            ));
        }
        let after = None;
        self.subscribe(connection, SubscribeRequest { types, after })
            .await
            .map(drop)
    }

    /// Lets events flow: this process serves now. Another process of the module may have
    /// acknowledged more since this one asked, so that it goes on at the cursor.
    pub fn open_feed(&self, connection: &Connection) {
        let mut feed = self.feed();
        feed.open = true;
        if let Some(wanted) = &mut feed.wanted {
            wanted.after = None;
        }
        self.flow(connection, &mut feed);
    }

    /// Stops the flow; the cursor stays where it was acknowledged.
    pub fn close_feed(&self) {
        let mut feed = self.feed();
        feed.open = false;
        feed.acks = None;
        if let Some(cancel) = feed.cancel.take() {
            cancel.cancel();
        }
    }

    fn flow(&self, connection: &Connection, feed: &mut Feed) {
        if let Some(before) = feed.cancel.take() {
            before.cancel();
        }
        let Some(request) = feed.wanted.clone() else {
            return;
        };
        let cancel = CancellationToken::new();
        let (acks, acknowledged) = mpsc::channel(ACKS);
        feed.cancel = Some(cancel.clone());
        feed.acks = Some(acks);
        let (journal, module) = (self.services.journal.clone(), self.module.clone());
        let (connection, turn) = (connection.clone(), Arc::clone(&self.turn));
        self.services.tracker.spawn(async move {
            // One delivery a module: the one before ends first, by its cancel or its connection.
            let Ok(_turn) = turn.acquire().await else {
                return;
            };
            if !cancel.is_cancelled() {
                let delivery = journal.deliver(&module, connection, request, acknowledged, cancel);
                delivery.await;
            }
        });
    }

    pub(super) async fn publish(&self, request: PublishRequest) -> Result<Published, ErrorReply> {
        let name = self.module.as_str();
        let own = name.strip_prefix("bllvm-").unwrap_or(name);
        if HOST_NAMESPACES.contains(&own) {
            return Err(ErrorReply::new(
                ErrorCode::Denied,
                format!("the namespace `{own}` belongs to the host: rename the module"),
            ));
        }
        let verb = request
            .kind
            .strip_prefix(own)
            .and_then(|rest| rest.strip_prefix('.'));
        let fits = verb.is_some_and(|verb| {
            let chars = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.".contains(&b);
            !verb.is_empty() && request.kind.len() <= 128 && verb.bytes().all(chars)
        });
        if !fits {
            return Err(ErrorReply::invalid(format!(
                "`type`: this module's events are named `{own}.` and then a-z, 0-9, `_`"
            )));
        }
        let event = NewEvent {
            kind: request.kind,
            class: if request.durable {
                EventClass::Durable
            } else {
                EventClass::Lossy
            },
            publisher: name.to_owned(),
            data: request.data,
        };
        let seq = self.services.journal.publish(vec![event]).await;
        let seq = seq.map_err(stored)?;
        Ok(Published {
            seq: if request.durable { seq } else { 0 },
        })
    }
}
