//! The nouns of requests and replies: chain, mempool, fees, mining, network, storage, modules, ui.
//!
//! The same types are REST bodies. Hashes and bytes are binary in MessagePack and lower-case hex
//! in JSON (hashes in the reversed order in which Bitcoin shows them).

mod chain;
mod events;
mod hex;
mod mining;
mod modules;
mod network;
mod storage;
mod unconfirmed;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use chain::*;
pub use events::*;
pub use hex::{BlockHash, Hex, HexError, Txid};
pub use mining::*;
pub use modules::*;
pub use network::*;
pub use storage::*;
pub use unconfirmed::*;

macro_rules! wire_types {
    ($( $(#[doc = $doc:literal])* $name:ident { $( $(#[doc = $fdoc:literal])* $(#[serde $attr:tt])? $field:ident: $type:ty = $sample:expr ),* $(,)? } )+) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
            pub struct $name { $( $(#[doc = $fdoc])* $(#[serde $attr])? pub $field: $type, )* }

            impl Sample for $name {
                fn sample() -> Self { Self { $( $field: $sample, )* } }
            }
        )+
    };
}

use wire_types;

/// A value with realistic fields, for golden vectors, documentation and tests.
pub trait Sample {
    /// Always the same value.
    fn sample() -> Self;
}

impl Sample for () {
    fn sample() -> Self {}
}

impl Sample for crate::Raw {
    fn sample() -> Self {
        Self(bytes::Bytes::from_static(&[1, 2, 3]))
    }
}

fn hash(byte: u8) -> BlockHash {
    BlockHash([byte; 32])
}

wire_types! {
    /// No fields.
    Empty {}
}
