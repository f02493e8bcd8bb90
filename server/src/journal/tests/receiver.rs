//! A module that receives events, without a process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bllvm_ipc::types::SubscribeRequest;
use bllvm_ipc::{CallError, EventClass, EventEnvelope, Frame, Wire};
use bllvm_manifest::ModuleName;
use bytes::{Bytes, BytesMut};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::journal::Journal;
use crate::journal::deliver::{Delivery, Outlet};

#[derive(Clone, Default)]
pub(super) struct Receiver(Arc<Inner>);

#[derive(Default)]
struct Inner {
    events: Mutex<Vec<EventEnvelope>>,
    arrived: Notify,
    full: AtomicBool,
    space: Notify,
}

impl Outlet for Receiver {
    fn try_send(&self, frames: &[Bytes]) -> Result<bool, CallError> {
        if self.0.full.load(Ordering::SeqCst) {
            return Ok(false);
        }
        let mut events = self.0.events.lock().unwrap();
        for frame in frames {
            let mut buffer = BytesMut::from(&frame[..]);
            let frame = Frame::read_from(&mut buffer, 1 << 20, 1 << 20);
            let event = EventEnvelope::from_body(&frame.unwrap().unwrap().body).unwrap();
            events.push(event);
        }
        drop(events);
        self.0.arrived.notify_waiters();
        Ok(true)
    }

    async fn has_space(&self) {
        while self.0.full.load(Ordering::SeqCst) {
            let space = self.0.space.notified();
            if self.0.full.load(Ordering::SeqCst) {
                space.await;
            }
        }
    }

    async fn closed(&self) {
        std::future::pending::<()>().await;
    }
}

impl Receiver {
    /// Takes nothing any more, or takes it again.
    pub(super) fn set_full(&self, full: bool) {
        self.0.full.store(full, Ordering::SeqCst);
        self.0.space.notify_waiters();
    }

    pub(super) fn all(&self) -> Vec<EventEnvelope> {
        self.0.events.lock().unwrap().clone()
    }

    /// The numbers of the durable events so far.
    pub(super) fn durable(&self) -> Vec<u64> {
        let durable = |event: &EventEnvelope| event.class == EventClass::Durable;
        self.all()
            .iter()
            .filter(|event| durable(event))
            .map(|event| event.seq)
            .collect()
    }

    /// Waits until what arrived is as asked, under a deadline.
    pub(super) async fn until(&self, asked: impl Fn(&[EventEnvelope]) -> bool) {
        let wait = async {
            loop {
                let arrived = self.0.arrived.notified();
                if asked(&self.0.events.lock().unwrap()) {
                    return;
                }
                arrived.await;
            }
        };
        let came = timeout(Duration::from_secs(20), wait).await;
        assert!(came.is_ok(), "it never came; there are {:?}", self.all());
    }
}

/// A running delivery.
pub(super) struct Subscription {
    pub(super) receiver: Receiver,
    /// Where it started.
    pub(super) after: u64,
    acks: mpsc::Sender<u64>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Subscription {
    pub(super) async fn begin(journal: &Journal, to: &ModuleName, types: &[&str]) -> Self {
        Self::begin_after(journal, to, types, None).await
    }

    pub(super) async fn begin_after(
        journal: &Journal,
        to: &ModuleName,
        types: &[&str],
        after: Option<u64>,
    ) -> Self {
        let types: Vec<_> = types.iter().map(|kind| (*kind).to_owned()).collect();
        let request = SubscribeRequest {
            types: types.clone(),
            after,
        };
        let start = journal.begin(to, &request).await.unwrap();
        let receiver = Receiver::default();
        let delivery = Delivery::new(journal, to, receiver.clone(), types, start.after)
            .lagging_after(Duration::from_millis(50));
        let (acks, incoming) = mpsc::channel(64);
        let cancel = CancellationToken::new();
        let task = tokio::spawn(delivery.run(incoming, cancel.clone()));
        Self {
            receiver,
            after: start.after,
            acks,
            cancel,
            task,
        }
    }

    pub(super) async fn ack(&self, seq: u64) {
        self.acks.send(seq).await.unwrap();
    }

    /// Ends it as a lost connection does.
    pub(super) async fn end(self) {
        self.cancel.cancel();
        self.task.await.unwrap();
    }

    /// Ends it as the host's death does.
    pub(super) async fn kill(self) {
        self.task.abort();
        // Aborting is what this waits for.
        let _ = self.task.await;
    }
}
