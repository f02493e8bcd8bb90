//! Keeps the modules' processes as they are wanted: starts, watches, reloads and stops them.
//!
//! What is wanted stands in the store; the supervisor reads it, brings the world there, and can be
//! killed at any moment. The handle that everybody else holds is `Supervisor`.

mod observed;
mod settings;

pub use observed::{CallFailure, IsolationLayer, IsolationState, Observed, ShutdownReport};
pub use settings::{ConfigSource, CurrentConfig, SupervisorSettings};
