//! Modules' configurations: one text, its secrets apart, its changes named.
//!
//! Revisions in the store are the truth; `config.toml` in a module's directory is their readable
//! copy. What is typed as a secret leaves the text before anything is kept: the text shows
//! `{ secret = "set" }`, the store keeps the value encrypted.

mod diff;
mod document;
mod file;
mod restored;
mod secrets;
mod service;
mod values;

pub use diff::{DiffLine, diff};
pub use document::{Draft, etag, etag_of, line_of};
pub use file::{FileIdentity, write_atomically, write_identified};
pub use restored::Restored;
pub use secrets::{SealedSecret, SecretKey, SecretKeyError};
pub use service::{ConfigurationError, Configurations, Kept, Secrets};
pub use values::{merge_patch, with_values};
