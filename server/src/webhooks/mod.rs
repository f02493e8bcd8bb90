//! Webhooks: those that come in by `POST /webhooks/{source}`, and in `outgoing` those that are sent.
//!
//! What comes in: the raw body is checked against the source's live secrets before anything reads it, told from
//! what came before, and durable before the sender gets its 2xx. Modules are told by a durable
//! event that carries the digest and never the body; they fetch that by `webhooks.body`.
//!
//! An unknown source and a bad signature get the same answer at the same moment, so that nobody
//! learns which sources there are. What a delivery means is the modules' business: their verdict
//! goes on its row and never changes the answer.

mod intake;
mod live;
pub mod outgoing;
mod rate;
pub mod reconcile;
mod redact;
mod secret;
mod sign;
mod verify;

#[cfg(test)]
mod damaged;
#[cfg(test)]
mod tests;

pub use intake::{IntakeError, Receipt, Webhooks};
pub use redact::{Shown, redacted};
pub use secret::{SecretError, new_secret, parse_secret};
pub use verify::{Unproven, verify};

/// The part of the key's context that names a source's secret.
fn context(source: &str, secret: crate::model::Id) -> String {
    format!("bllvm-webhook-v1/{source}/{secret}")
}

/// Encrypts a source's secret.
pub fn seal(
    key: &crate::configuration::SecretKey,
    source: &str,
    secret: crate::model::Id,
    text: &str,
) -> Vec<u8> {
    key.seal_bytes(&context(source, secret), text.as_bytes())
}
