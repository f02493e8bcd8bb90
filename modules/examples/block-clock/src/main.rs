//! block-clock: a sample module to copy. It shows the tip of the chain and its age over HTTP.

mod clock;
mod config;
mod page;

use clock::BlockClock;

bllvm_sdk::main!(BlockClock);
