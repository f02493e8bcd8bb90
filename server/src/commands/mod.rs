//! The command line: one program that runs the node, and asks a running one over REST.
//!
//! `cli` is the tree of commands with its help; each command is a file. What talks to a running
//! node goes through `client`; what people read is made in `output` and `wait`. `anyhow` lives
//! here and nowhere else.

#[macro_use]
mod output;

mod backup;
mod base_node;
mod catalog;
mod cli;
mod client;
mod config;
mod doctor;
mod events;
mod exit;
mod login;
mod module;
mod module_config;
mod module_versions;
mod module_views;
mod node;
mod node_mempool;
mod openapi;
mod operation;
mod run;
mod sse;
mod status;
mod token;
mod trust;
mod wait;
mod webhook;
mod webhook_endpoint;

pub use cli::{Cli, Command, Options};
pub use exit::{CommandError, Exit, report};
