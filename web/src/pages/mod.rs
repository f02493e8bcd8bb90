//! The pages: one view struct each, with samples for its hard states.

mod audit;
mod backups;
mod catalog;
mod endpoints;
mod error;
mod events;
mod login;
mod mempool;
pub mod module;
mod modules;
mod node;
mod operations;
mod overview;
mod review;
mod settings;
mod tokens;
mod webhooks;

pub use audit::{Audit, AuditRow};
pub use backups::{BackupRow, Backups};
pub use catalog::{
    Catalog, ListedButton, ListedPage, ListedRow, RegistryForm, RegistryRow, ReleaseRow,
};
pub use endpoints::{
    EndpointForm, EndpointPage, EndpointRow, Endpoints, FreshKey, KeyRow, MessagePage, MessageRow,
    TryRow,
};
pub use error::{ErrorPage, WayOut};
pub use events::Events;
pub use login::Login;
pub use mempool::{BandRow, FeeRow, MempoolPart, SendForm, VerdictRow};
pub use modules::{Modules, WaitingModule};
pub use node::{BlockRow, MineForm, Node, PeerRow};
pub use operations::{OperationPage, Operations, StepRow};
pub use overview::{Overview, Tally};
pub use review::{CapabilityAsk, Review};
pub use settings::{FactGroup, ProgramLink, Settings};
pub use tokens::{FreshToken, ScopeChoice, TokenRow, Tokens};
pub use webhooks::{
    AttemptRow, DeliveryPage, DeliveryRow, FreshSecret, NewSource, SecretRow, SourceRow, Webhooks,
};
