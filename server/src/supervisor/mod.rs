//! Keeps the modules' processes as they are wanted: starts, watches, reloads and stops them.
//!
//! What is wanted stands in the store; the supervisor reads it, brings the world there, and can be
//! killed at any moment. [`Supervisor`] is the handle that everybody else holds. Inside, one
//! worker a module goes round: look (`worker`), [`decide`], do (`start`, `reload`), answer
//! (`operations`).

mod asker;
mod backoff;
mod context;
pub mod decide;
mod dependencies;
mod fault;
mod fleet;
mod greet;
mod handle;
mod heartbeat;
mod hold;
mod instance;
mod ledger;
mod listeners;
mod observed;
mod operations;
pub mod process;
mod programs;
mod registry;
mod reload;
mod sampling;
pub mod sandbox;
mod settings;
mod show;
mod snapshots;
mod spawn;
mod start;
mod worker;

pub use asker::{AskError, Asker, sweep_asked};
pub use context::Parts;
pub use handle::Supervisor;
pub use hold::Hold;
pub(crate) use observed::in_words;
pub use observed::{CallFailure, Observed, ShutdownReport};
pub use registry::{Entry, Registry};
pub use settings::{ConfigSource, CurrentConfig, SupervisorSettings};
pub use snapshots::{SnapshotError, Snapshots};
