//! Events, from whoever publishes them to whoever follows them, in three classes.
//!
//! *Durable* events are committed with a number before anyone sees them and delivered at least
//! once per cursor, in order. *Latest* ones are coalesced by key: a follower sees the newest.
//! *Lossy* ones live in a bounded ring; a follower that is too slow is told how many it missed.
//!
//! Followers pull. Each has its own position and nobody waits for it: whoever falls behind what
//! memory holds reads from the database, and neither the writer nor a neighbour notices. Each
//! event is encoded once, for all receivers.
//!
//! Who may publish and follow what is decided elsewhere (`ipc`, `api`).

mod deliver;
mod handle;
mod latest;
mod live;
mod lossy;
mod reader;
#[cfg(test)]
mod tests;

pub use handle::Journal;
pub use live::{FeedItem, LiveFeed};

/// The type of the notice that a follower's position is older than the journal.
pub const RESET: &str = "events.reset";
/// The type of the notice that lossy events were missed.
pub const GAP: &str = "events.gap";
