//! The bounds that keep one connection from harming its host.

use std::time::Duration;

/// Bounds of one connection. [`Limits::default`] is what `PROTOCOL.md` promises.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest frame before the welcome, in bytes after the length prefix.
    pub hello_bytes: u32,
    /// How long the handshake may take.
    pub hello_deadline: Duration,
    /// Largest control frame, in bytes after the length prefix.
    pub control_bytes: u32,
    /// Largest frame with the RAW flag, and largest answer with the LARGE flag, in bytes after the
    /// length prefix.
    pub bulk_bytes: u32,
    /// How long a begun frame may stand still.
    pub frame_progress: Duration,
    /// Requests that one side may have open at once.
    pub in_flight: usize,
    /// Bytes that may wait to be written before producers have to wait.
    pub outgoing_bytes: usize,
    /// Raw replies that may be in the making at once.
    pub bulk_in_flight: usize,
    /// Replies of methods with large answers that may be in the making at once. They are apart from
    /// the raw ones, because one of them may wait for a change of the template.
    pub large_in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hello_bytes: 64 << 10,
            hello_deadline: Duration::from_secs(5),
            control_bytes: 1 << 20,
            bulk_bytes: 8 << 20,
            frame_progress: Duration::from_secs(10),
            in_flight: 64,
            outgoing_bytes: 4 << 20,
            bulk_in_flight: 4,
            large_in_flight: 8,
        }
    }
}
