//! faucet: a regtest wallet for people trying things. The node itself holds no keys; this module
//! does, in the clear, for coins that are worth nothing.

mod config;
mod faucet;
mod purse;

use faucet::Faucet;

bllvm_sdk::main!(Faucet);
