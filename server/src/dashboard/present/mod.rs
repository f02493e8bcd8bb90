//! Facts of the model as pages show them: words, colours, sentences. Nothing here reads a store.

pub mod capability;
pub mod event;
pub mod log;
pub mod module;
pub mod operation;
pub mod run;
mod words;

pub use words::{capital, lasted, sentence, stamp, who};
