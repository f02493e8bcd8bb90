//! What a node decides about unconfirmed transactions: whether one is taken, which leave again,
//! which go into the next block, and whether somebody else's proposal of one holds. Nothing here reads a file, a clock or a chain; the caller brings
//! them as values and as the [`Chain`] trait.
//!
//! The rules and their words are Bitcoin Core's. What is simpler here: transactions that hang
//! together are bounded by ancestors and descendants (25 and 101 kvB), not by clusters; a replacement
//! must beat the fee rate of what it conflicts with, seen with its ancestors, where Core compares
//! whole fee rate diagrams; of packages, one parent with one child is taken. Script rules beyond
//! consensus are checked by form (see `inputs`), so a few of Core's relay-only script rules, such as
//! a clean stack in unusual scripts, are not.

mod accept;
mod blocks;
mod chain;
pub mod fees;
mod floor;
mod inputs;
mod limits;
mod package;
mod policy;
mod pool;
mod proposal;
mod reject;
mod rules;
mod sigops;
mod standard;
mod template;
mod truc;

pub use chain::{Chain, Coin, Fault, ScriptFailure};
pub use package::{NOT_JUDGED, Taken, Verdicts};
pub use policy::{Policy, fee_at, higher, rate_of};
pub use pool::{Entry, Pool, Sum};
pub use proposal::check_proposal;
pub use reject::Reject;
pub use standard::{is_p2pk, multisig};
pub use template::{MAX_SIGOPS, MAX_WEIGHT, Room, Selection};

pub(crate) use reject::Stop;
