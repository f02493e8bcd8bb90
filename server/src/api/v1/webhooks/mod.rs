//! Webhooks: the intake, its sources, and the inbox; endpoints, and messages to them.

pub mod deliveries;
pub mod endpoints;
pub mod intake;
pub mod messages;
pub mod outgoing_view;
pub mod reconcile;
pub mod replay;
pub mod sources;
pub mod view;
