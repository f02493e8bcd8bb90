//! Behaviour over HTTP, sockets and processes: the real server, the real database, real children.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod audit;
mod author;
mod backups;
mod bad_input;
#[cfg(feature = "kernel")]
mod base_node;
#[cfg(feature = "kernel")]
mod bitcoind;
mod catalog;
mod command_line;
mod configuration;
#[cfg(feature = "kernel")]
mod contract;
mod crowd;
mod downloads;
mod face;
mod failing_disk;
#[cfg(feature = "kernel")]
mod full_blocks;
#[cfg(feature = "kernel")]
mod governance;
#[cfg(feature = "kernel")]
mod governance_input;
mod governance_mining;
#[cfg(feature = "kernel")]
mod governance_proofs;
mod governance_veto;
mod grants;
mod host_kills;
#[cfg(feature = "kernel")]
mod hostile_peers;
#[cfg(feature = "kernel")]
mod import;
mod interrupted;
mod kill_points;
mod leftovers;
mod lifecycle;
#[cfg(feature = "kernel")]
mod lists;
#[cfg(feature = "kernel")]
mod mempool_faces;
mod misbehaving;
mod module_kills;
mod module_pages;
#[cfg(feature = "kernel")]
mod networks;
#[cfg(feature = "kernel")]
mod peer_transactions;
mod peers;
#[cfg(feature = "kernel")]
mod random_requests;
mod registries;
mod reload;
mod restart;
mod samples;
mod secrets;
mod standard_webhooks;
mod streams;
mod three_ways;
mod upgrades;
mod webhook_lines;
mod webhooks;
mod webhooks_out;
mod webhooks_slow;
