//! Webhooks that go out: durable events of any type, to addresses that an operator names.
//!
//! The journal is the source and the queue is durable: for each endpoint a cursor says up to which
//! event the journal was looked at, and moves in the transaction that queues what matches. A
//! message leaves the queue when its receiver answered 2xx, so that each arrives at least once,
//! always under the same `webhook-id`. What is sent, when and whether at all is decided by pure
//! functions: `schedule` and `breaker` for the time, `address` for the place.
//!
//! Each endpoint has a lane of its own (`lane`), so that one that is slow or dead holds up nobody
//! else. Only durable events are sent: the newest value of something and log lines are not.

mod address;
mod body;
mod breaker;
mod client;
mod endpoints;
mod feed;
mod key;
mod lane;
mod names;
mod schedule;

#[cfg(test)]
mod tests;

pub use address::{AllowedAddresses, Net};
pub use body::of_test;
pub use breaker::HOLD_AFTER;
pub use client::{HttpClient, Posted, Sent};
pub use endpoints::Outgoing;
pub use key::{KeyError, OutgoingKey, new_key, seal_key};
pub use lane::Step;
