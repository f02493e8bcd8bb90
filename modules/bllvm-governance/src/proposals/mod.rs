//! Proposals: what the facts say of each pull request, against the rules, at a moment.
//!
//! Everything here is a function of facts, rules, configuration and a moment. It is a fact that
//! anybody may act upon, and never a switch: nothing here stops a merge, a block or the node.

mod clock;
mod judge;
mod signatures;
mod tiers;
mod view;

#[cfg(test)]
mod tests;

pub use clock::{Moment, stamp};
pub use judge::all;
pub use view::{Clock, Proposal, Proposals, Signature, Standing};
