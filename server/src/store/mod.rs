//! The control plane's database: one SQLite file, one writer, many readers. The only SQL.
//!
//! A change is a typed [`Command`], posted to the one writer task by [`Store::commit`]. The writer
//! runs whatever waits in one transaction and answers after the fsync, so that an answer is a
//! promise a power cut cannot break. Reads go straight to a pool and see all that was answered.
//!
//! What this leaves to others: who may do what (`control`), and the delivery of events (`journal`).

mod audit;
pub mod commands;
mod copy;
mod endpoints;
mod error;
mod events;
mod facts;
mod feed;
mod handle;
mod idempotency;
mod isolation;
mod lock;
mod modules;
mod open;
mod operations;
mod page;
mod reconciles;
mod registries;
mod revisions;
mod row;
mod runs;
mod sessions;
mod storage;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tokens;
mod trust;
mod tx;
mod versions;
mod webhooks;
mod writer;

pub use audit::AuditFilter;
pub use copy::{Holdings, fit_copy, newest_migration};
pub use endpoints::{DueMessage, MessageFilter, SealedEndpointKey};
pub use error::StoreError;
pub use events::Pruned;
pub(crate) use feed::Recorded;
pub use handle::Store;
pub use idempotency::Remembered;
pub use modules::{GrantRecord, ObservedRecord};
pub use open::{FILE as DATABASE_FILE, Options, Synchronous};
pub use operations::{OperationFilter, Resumable};
pub use page::{Page, PageRequest};
pub use reconciles::KeptReconcile;
pub use registries::{IndexFloor, IndexFloors, Registries, newest_seen};
pub use revisions::Secret;
pub use sessions::Session;
pub use storage::{StorageChange, StorageEntry};
pub use tokens::Token;
pub use trust::{Publishers, Releases};
pub use tx::Tx;
pub use webhooks::{DeliveryFilter, SealedWebhookSecret};
pub use writer::Command;
