//! What the behaviour tests share: the real server, fixture modules, deadlines, repeat counts.

pub mod bitcoind;
pub mod browser;
#[cfg(feature = "kernel")]
pub mod chain;
pub mod clock;
pub mod core_rpc;
pub mod fixture;
pub mod governance;
pub mod processes;
pub mod programs;
pub mod readme;
pub mod registry;
pub mod rest;
pub mod server;
pub mod sse;
#[cfg(feature = "kernel")]
pub mod stranger;
pub mod verbs;
pub mod wait;
pub mod webhook;

pub use bitcoind::Bitcoind;
pub use browser::Browser;
pub use core_rpc::CoreRpc;
pub use fixture::Fixture;
pub use rest::{Answer, Rest};
pub use server::TestServer;

/// How often to repeat: the full count under `./test --full`, a twentieth of it otherwise.
pub fn times(full: u32) -> u32 {
    if std::env::var_os("BLLVM_TEST_FULL").is_some_and(|value| value == "1") {
        full
    } else {
        full.div_ceil(20)
    }
}

/// Numbers that look random and are the same in each run: a small xorshift.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that always fall the same way for one seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }
}
