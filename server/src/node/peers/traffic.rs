//! What went over a peer's line, and when last.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::time::Instant;

/// One direction's count.
#[derive(Debug, Default)]
struct Way {
    bytes: AtomicU64,
    /// Seconds after the line was made.
    last: AtomicU64,
}

impl Way {
    fn add(&self, bytes: usize, begun: Instant) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
        self.last.store(begun.elapsed().as_secs(), Relaxed);
    }
}

/// Counts of one line.
#[derive(Debug)]
pub(super) struct Traffic {
    begun: Instant,
    /// When that was, in seconds since 1970.
    pub(super) since: u64,
    sent: Way,
    received: Way,
}

impl Traffic {
    pub(super) fn new(since: u64) -> Self {
        Self {
            begun: Instant::now(),
            since,
            sent: Way::default(),
            received: Way::default(),
        }
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent.add(bytes, self.begun);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.received.add(bytes, self.begun);
    }

    /// Writes the counts into what is told of the peer.
    pub(super) fn tell(&self, peer: &mut bllvm_ipc::types::Peer) {
        let at = |way: &Way| self.since.saturating_add(way.last.load(Relaxed));
        peer.since = self.since;
        peer.sent_bytes = self.sent.bytes.load(Relaxed);
        peer.received_bytes = self.received.bytes.load(Relaxed);
        peer.last_sent = at(&self.sent);
        peer.last_received = at(&self.received);
    }
}
