//! Who asks, and what they may.

pub mod cookie;
pub mod failures;
pub mod origin;
