//! The API over its router: a real store, supervisor and verbs; no socket and no process.

mod bound_tokens;
pub(crate) mod harness;
mod idempotency;
mod matrix;
mod openapi;
mod problems;
mod registries;
mod rpc;
mod sessions;
mod streams;
mod webhooks;
