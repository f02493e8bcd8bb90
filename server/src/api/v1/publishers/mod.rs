//! Publishers whose signed packages are taken: their keys and how many of them must sign.

pub mod add;
pub mod list;
pub mod remove;
pub mod rotate;
