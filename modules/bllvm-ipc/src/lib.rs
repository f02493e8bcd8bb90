//! The wire between bllvm-node and its modules.
