//! The base node, behind two traits: one that only reads, one that submits.
//!
//! Modules are served from the reading trait, so nothing in their reach writes consensus state:
//! a submission is an ordinary, validated, granted and rate-limited request of its own.

mod announcer;
#[cfg(feature = "kernel")]
mod answers;
mod block_files;
#[cfg(feature = "kernel")]
pub mod child;
pub mod core;
mod embedded;
mod embedded_calls;
mod embedded_chain;
mod error;
mod none;
mod peer_settings;
#[cfg(feature = "kernel")]
mod peers;
mod picture;
mod read;
mod spent_pages;
mod submit;
#[cfg(feature = "kernel")]
mod unconfirmed;
mod wire;

pub use self::core::{CoreNode, CoreSettings, Credentials};
pub use announcer::announce;
pub use block_files::{BlockFiles, BlockFilesError, Place};
pub use embedded::{EmbeddedNode, EmbeddedSettings};
pub use embedded_chain::{EmbeddedChain, parse_challenge};
pub use error::NodeError;
pub use none::NoNode;
pub use peer_settings::PeerSettings;
pub use picture::{FeeBand, MempoolPicture, picture};
pub use read::{
    BlockPlace, ChainStatus, ChainStep, MempoolEntry, MempoolStatus, NodeState, ReadNode, Relatives,
};
pub use submit::{MineRequest, SubmitNode};
