//! One contract for both traits of a base node, run on every backend: the embedded node, Bitcoin
//! Core's RPC as our own face speaks it, and a real bitcoind where `BITCOIND_EXE` names one.
//!
//! Each backend is given the same blocks. What it answers is written down line by line, and the
//! lines are the same.

mod answers;
mod benches;
mod failures;
mod story;
mod unconfirmed;
