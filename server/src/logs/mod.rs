//! What modules say: kept in memory for reading along, in files for reading back.
//!
//! Lines of a module that says too much are dropped and counted; secrets are replaced on the way
//! in. Nothing here is durable in the journal's sense: a power cut may take the last lines.

mod files;
mod line;
mod module;
mod store;

pub use line::{LogLine, LogSource, NewLine};
pub use store::LogStore;
