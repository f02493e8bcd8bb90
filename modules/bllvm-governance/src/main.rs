//! bllvm-governance: proposals with who signed what, and who mines, as facts that anyone can recount.
//!
//! `module/` is the module. Deliveries come through `inbox.rs`, are read by `github/`, become
//! `facts/` in `store/`, and are judged by `rules/` in `proposals/`. `mining/` counts blocks, `proofs/`
//! tells whose they are and who has coins, `veto/` weighs, `pages/` shows. `statement.rs` is what people sign,
//! `commands.rs` what they sign it with.

mod answers;
mod commands;
mod config;
#[cfg(test)]
#[path = "../../bllvm-package/tests/damage/mod.rs"]
mod damage;
mod facts;
mod github;
mod inbox;
mod known;
mod mining;
mod module;
mod news;
mod outbox;
mod pages;
mod proofs;
mod proposals;
mod refusal;
mod rules;
mod statement;
mod store;
mod veto;

use std::process::ExitCode;

use module::Governance;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    commands::run(&arguments).unwrap_or_else(|| {
        bllvm_sdk::run::<Governance>(bllvm_sdk::embed_manifest!("../module.toml"))
    })
}
