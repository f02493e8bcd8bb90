//! Write a bllvm module: one trait, one line that runs it.
//!
//! A module is a program of its own that `bllvm-node` starts, watches and talks to over one
//! inherited channel. This crate speaks the protocol, so that a module is only its own work:
//!
//! ```no_run
//! use bllvm_sdk::{Context, Event, Module, NoConfig, Result};
//!
//! struct Hello;
//!
//! impl Module for Hello {
//!     type Config = NoConfig;
//!     const EVENTS: &'static [&'static str] = &["chain.block_connected"];
//!
//!     async fn prepare(_context: Context, _config: NoConfig) -> Result<Self> {
//!         Ok(Self)
//!     }
//!
//!     async fn event(&self, event: &Event) -> Result<()> {
//!         tracing::info!("block {} arrived", event.data["height"]);
//!         Ok(())
//!     }
//! }
//! # const MANIFEST: &[u8] = b"name = \"hello\"\nversion = \"0.1.0\"\nentry_point = \"hello\"\n";
//! # fn main() -> std::process::ExitCode { bllvm_sdk::run::<Hello>(MANIFEST) }
//! ```
//!
//! with `bllvm_sdk::main!(Hello);` as its last line and a `module.toml` beside its `Cargo.toml`.
//!
//! - [`Module`] is the trait: configuration, life, events and methods.
//! - [`Context`] is what a module may ask the host for: chain, storage, events, other modules,
//!   the dashboard, its listening sockets.
//! - `http::serve` (feature `http`) serves a router without losing a request at a reload.
//! - [`testing::TestHost`] runs a module inside a test, without a node.
//!
//! How the bytes look is written in `PROTOCOL.md` of `bllvm-ipc`; another language reads that.
#![warn(missing_docs)]

mod context;
mod delivery;
mod dispatcher;
mod error;
mod events;
mod handler;
#[cfg(feature = "http")]
pub mod http;
mod inherit;
mod logging;
mod methods;
mod module;
mod modules;
mod node;
mod run;
mod serving;
mod session;
mod storage;
pub mod testing;
mod ui;

pub use bllvm_ipc as ipc;
pub use bllvm_ipc::page;
pub use bllvm_ipc::types;
pub use bllvm_ipc::{CallError, Capability, ErrorCode, ErrorReply, EventClass};
pub use bllvm_manifest::embed_manifest;
pub use schemars;
pub use serde;

pub use context::{Context, ListenerError};
pub use error::{Error, Result};
pub use events::{Event, Events};
pub use methods::{Caller, Methods, NoParams};
pub use module::{Module, NoConfig, Problems, Undeliverable};
pub use modules::Modules;
pub use node::Node;
pub use run::run;
pub use storage::Storage;
pub use ui::Ui;

/// The program's `main`: runs a module described by the `module.toml` beside its `Cargo.toml`.
///
/// The manifest becomes a section of the program, so that a host finds it without running it.
///
/// ```ignore
/// bllvm_sdk::main!(BlockClock);
/// bllvm_sdk::main!(BlockClock, "../other/module.toml"); // relative to this source file
/// ```
#[macro_export]
macro_rules! main {
    ($module:ty) => {
        $crate::main!($module, "../module.toml");
    };
    ($module:ty, $manifest:expr) => {
        fn main() -> ::std::process::ExitCode {
            $crate::run::<$module>($crate::embed_manifest!($manifest))
        }
    };
}
