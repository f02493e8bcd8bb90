//! Webhooks: the intake, its sources, and the inbox.

pub mod deliveries;
pub mod intake;
pub mod replay;
pub mod sources;
pub mod view;
