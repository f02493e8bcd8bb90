//! The nouns of the control plane, without input or output.
//!
//! They are what the store keeps, the supervisor decides on, and the API shows.

mod audit;
mod endpoint;
mod event;
mod grant;
mod id;
mod isolation;
mod module;
mod operation;
mod rating;
mod registry;
mod revision;
mod run;
mod scope;
mod state;
mod time;
mod trust;
mod version;
mod webhook;

pub use audit::{Actor, AuditEntry, Once, Outcome};
pub use bllvm_ipc::event::{EventClass, EventEnvelope};
pub(crate) use endpoint::default_timeout;
pub use endpoint::{
    AttemptCode, EndpointKey, EndpointSettings, EndpointState, Lane, MessageAttempt, MessageState,
    SigningScheme, WebhookEndpoint, WebhookMessage,
};
pub use event::{HOST_NAMESPACES, NewEvent, kinds};
pub use grant::{Grant, Outgoing};
pub use id::Id;
pub use isolation::{IsolationLayer, IsolationState, NotRequired, RequiredLayer};
pub use module::{Module, Source, TrustClass};
pub use operation::{Failure, Operation, OperationKind, OperationStatus};
pub use rating::{Rating, Stakes};
pub use registry::{
    Availability, CatalogEntry, CatalogModule, CatalogRelease, KnownRegistry, RevokedModule,
    SeenIndex,
};
pub use revision::{ConfigSource, Revision, RevisionStatus};
pub use run::{Exit, Run};
pub use scope::{Scope, Scopes};
pub use state::{DesiredState, Health, ObservedState, ReloadMode};
pub use time::UtcTime;
pub use trust::{TakenRelease, TrustedPublisher};
pub use version::{
    AllVersions, DataChange, KeptVersion, UpgradePlan, Versions, hands_back_to, shares_data,
};
pub use webhook::{
    AttemptKind, DeliveryAttempt, DeliveryState, HmacHeaders, ReconcileReport, ReconcileSettings,
    SignatureEncoding, SourceSettings, WebhookDelivery, WebhookReconcile, WebhookScheme,
    WebhookSecret, WebhookSource,
};
