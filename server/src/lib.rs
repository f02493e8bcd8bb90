//! bllvm-node: the control plane beside a Bitcoin node.
//!
//! It owns what is installed and wanted (`store`), which processes run (`supervisor`), what
//! they may ask (`ipc`), what they are told (`journal`) and what people see (`api`,
//! `dashboard`). It never does a module's work, and a module never does the node's.

pub mod api;
pub mod app;
pub mod backups;
pub mod clock;
pub mod commands;
pub mod config;
pub mod configuration;
pub mod control;
pub mod dashboard;
pub mod face;
pub mod ipc;
pub mod journal;
pub mod lifecycle;
pub mod listen;
pub mod logs;
pub mod model;
pub mod node;
pub mod packages;
pub mod store;
pub mod supervisor;
pub mod telemetry;
pub mod webhooks;
