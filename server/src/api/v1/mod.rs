//! The resources of `/api/v1`: one operation, one file.
#![expect(
    unused_qualifications,
    reason = "utoipa's expansion names query types by their path"
)]

pub mod audit;
pub mod backups;
pub mod catalog;
pub mod events;
pub mod health;
pub mod host;
pub mod metrics;
pub mod modules;
pub mod node;
pub mod operations;
pub mod publishers;
pub mod registries;
pub mod releases;
pub mod tokens;
pub mod webhooks;
