//! The newest release of each module that was ever taken in; older ones are refused.

pub mod forget;
pub mod list;
