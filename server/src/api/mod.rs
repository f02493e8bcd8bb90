//! What people and programs see over HTTP: REST under `/api/v1`, JSON-RPC at `/rpc`, event
//! streams, metrics.
//!
//! A handler turns typed input into one verb or one read and answers a view; it never parses and
//! never holds a transaction. Refusals are made in `error`, and what every request goes through is
//! in `edge`.

pub mod auth;
pub mod edge;
pub mod error;
pub mod extract;
pub mod metrics;
pub mod page;
mod serve;

pub use serve::{Listener, Peer, serve};
