//! What a node decides about unconfirmed transactions. Nothing here reads a file, a clock or a chain;
//! the caller brings them as values and as the [`Chain`] trait.

mod chain;

pub use chain::{Chain, Coin, Fault, ScriptFailure};
