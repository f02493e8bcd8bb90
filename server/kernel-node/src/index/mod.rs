//! The index: every unspent output, and where each transaction of the best chain is.
//!
//! It follows the kernel and is never ahead of it: a block is in the block journal before the kernel
//! sees it, and the index hears of it after the kernel. Its own commits are flushed only now and
//! then; what a crash takes is applied again at the next open, from blocks that the kernel has. Undo
//! records are its own, so that it can leave a branch that the kernel has forgotten; where even those
//! do not reach, it is made anew.

mod codec;
mod store;

pub use store::{Coins, Index, IndexError, Step};
