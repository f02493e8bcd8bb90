//! The base node, behind two traits: one that only reads, one that submits.
//!
//! Modules are served from the reading trait, so nothing in their reach writes consensus state:
//! a submission is an ordinary, validated, granted and rate-limited request of its own.

mod error;
mod read;
mod submit;

pub use error::NodeError;
pub use read::{ChainStep, NodeState, ReadNode};
pub use submit::{MineRequest, SubmitNode};
