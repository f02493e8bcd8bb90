//! hello: a module of bllvm-node. `module.rs` is what it does, `config.rs` what can be set.

mod config;
mod module;

use module::Hello;

bllvm_sdk::main!(Hello);
