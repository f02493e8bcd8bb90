//! Modules' configurations: one text, its secrets apart, its changes named.
//!
//! Revisions in the store are the truth; `config.toml` in a module's directory is their readable
//! copy. What is typed as a secret leaves the text before anything is kept: the text shows
//! `{ secret = "set" }`, the store keeps the value encrypted.

mod diff;
mod document;
mod file;
mod secrets;

pub use diff::{DiffLine, diff};
pub use document::{Draft, etag, with_values};
pub use file::write_atomically;
pub use secrets::{SealedSecret, SecretKey, SecretKeyError};
