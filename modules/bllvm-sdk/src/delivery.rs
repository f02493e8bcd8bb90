//! Delivery of events to the module: one at a time, acknowledged after it succeeded.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bllvm_ipc::{Connection, EventClass};
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::events::EventQueue;
use crate::serving::Serving;
use crate::{Error, Event, Module, Result, Undeliverable};

/// Waits between the five attempts at a durable event.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1600),
    Duration::from_millis(6400),
];
/// A module that sits on one event for longer does not answer pings.
const STUCK_AFTER: Duration = Duration::from_secs(30);
/// Acknowledgements are cumulative: sent when nothing waits, or after so many or so long.
const ACK_EVERY: u64 = 64;
const ACK_AFTER: Duration = Duration::from_millis(200);

/// The queue's one consumer.
pub(crate) struct Delivery {
    connection: Connection,
    queue: Arc<EventQueue>,
    in_hand: Option<InHand>,
    /// The newest durable event that was applied.
    applied: u64,
    unacknowledged: u64,
    acknowledged_at: Instant,
}

struct InHand {
    event: Event,
    work: Pin<Box<dyn Future<Output = Result<()>> + Send>>,
    since: Instant,
    /// The drain waits for it.
    _open: TaskTrackerToken,
}

impl Delivery {
    pub(crate) fn new(connection: Connection, queue: Arc<EventQueue>) -> Self {
        Self {
            connection,
            queue,
            in_hand: None,
            applied: 0,
            unacknowledged: 0,
            acknowledged_at: Instant::now(),
        }
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.in_hand.is_some()
    }

    pub(crate) fn is_stuck(&self) -> bool {
        let since = self.in_hand.as_ref().map(|event| event.since);
        since.is_some_and(|since| since.elapsed() > STUCK_AFTER)
    }

    /// Takes the next event, or goes on with the one in hand, until it is settled. Dropping the
    /// future loses nothing. An error ends the process.
    pub(crate) async fn step<M: Module>(
        &mut self,
        module: &Arc<M>,
        serving: &Serving,
    ) -> Result<()> {
        if self.in_hand.is_none() {
            let event = self.queue.next().await;
            if self.is_repetition(&event) {
                return Ok(());
            }
            self.in_hand = Some(InHand {
                work: Box::pin(apply(module.clone(), event.clone())),
                event,
                since: Instant::now(),
                _open: serving.open.token(),
            });
        }
        let Some(in_hand) = &mut self.in_hand else {
            return Ok(());
        };
        let outcome = in_hand.work.as_mut().await;
        let Some(InHand { event, .. }) = self.in_hand.take() else {
            return Ok(());
        };
        self.settle(module, &event, outcome)
    }

    /// After a resume the host may send again what this process has applied already.
    fn is_repetition(&self, event: &Event) -> bool {
        event.class == EventClass::Durable
            && event.seq <= self.applied
            && !self.queue.goes_back()
            && !event.kind.starts_with("events.")
    }

    fn settle<M: Module>(
        &mut self,
        module: &Arc<M>,
        event: &Event,
        outcome: Result<()>,
    ) -> Result<()> {
        let durable = event.class == EventClass::Durable;
        if let Err(error) = outcome {
            let name = format!("event {} (`{}`)", event.seq, event.kind);
            if !durable {
                tracing::warn!("{name} could not be applied: {}", error.chain());
                return Ok(());
            }
            match module.undeliverable(event, &error) {
                Undeliverable::Skip => {
                    tracing::error!("{name} is skipped, it failed: {}", error.chain());
                }
                Undeliverable::Stop => {
                    return Err(Error::msg(format!(
                        "{name} failed five times: {}; the process ends, so that a new one gets it \
                         again",
                        error.chain()
                    )));
                }
            }
        }
        if durable {
            self.applied = self.applied.max(event.seq);
            self.unacknowledged += 1;
            if self.unacknowledged >= ACK_EVERY
                || self.acknowledged_at.elapsed() >= ACK_AFTER
                || self.queue.no_durable()
            {
                self.acknowledge();
            }
        }
        Ok(())
    }

    /// Tells the host how far the module came, if it does not know.
    pub(crate) fn acknowledge(&mut self) {
        if self.unacknowledged > 0 {
            self.connection.acknowledge(self.applied);
            self.unacknowledged = 0;
            self.acknowledged_at = Instant::now();
        }
    }
}

async fn apply<M: Module>(module: Arc<M>, event: Event) -> Result<()> {
    let pauses = match event.class {
        EventClass::Durable => &PAUSES[..],
        EventClass::Latest | EventClass::Lossy => &[],
    };
    for pause in pauses {
        let Err(error) = module.event(&event).await else {
            return Ok(());
        };
        tracing::warn!(
            "event {} (`{}`) failed and comes again: {}",
            event.seq,
            event.kind,
            error.chain()
        );
        tokio::time::sleep(*pause).await;
    }
    module.event(&event).await
}
