//! The changes that can be asked of the store, one file a noun.
//!
//! A larger change is made of smaller ones: inside its own `apply`, a command may call the
//! `apply` of others, and all of it happens in one transaction.

mod audit;
mod endpoint_messages;
mod endpoints;
mod events;
mod facts;
mod housekeeping;
mod idempotency;
mod isolation;
mod modules;
mod observed;
mod operations;
mod reconcile;
mod registries;
mod revisions;
mod runs;
mod sessions;
mod storage;
#[cfg(test)]
mod tests;
mod tokens;
mod trust;
mod versions;
mod webhook_deliveries;
mod webhook_sources;
mod wishes;

/// What the audit trail calls the operators' actions: the operation ids of the API.
pub mod actions {
    /// A digest was confirmed.
    pub const CONFIRM_MODULE: &str = "confirm_module";
    /// A module shall run.
    pub const LOAD_MODULE: &str = "load_module";
    /// A module shall stop.
    pub const UNLOAD_MODULE: &str = "unload_module";
    /// A module shall take over what changed.
    pub const RELOAD_MODULE: &str = "reload_module";
    /// A module may be loaded.
    pub const ENABLE_MODULE: &str = "enable_module";
    /// A module may not be loaded.
    pub const DISABLE_MODULE: &str = "disable_module";
    /// A failed or waiting module shall be tried again.
    pub const RETRY_MODULE: &str = "retry_module";
    /// A module was taken in.
    pub const INSTALL_MODULE: &str = "install_module";
    /// A module was removed.
    pub const UNINSTALL_MODULE: &str = "uninstall_module";
    /// Another version of a module was put in place.
    pub const UPGRADE_MODULE: &str = "upgrade_module";
    /// The version before was put back in place.
    pub const ROLLBACK_MODULE: &str = "rollback_module";
    /// A module was pinned to its version, or let go.
    pub const PIN_MODULE: &str = "pin_module";
    /// A grant changed.
    pub const SET_GRANT: &str = "set_module_grants";
    /// Layers of a module's sandbox were waived, or required again.
    pub const WAIVE_LAYERS: &str = "set_module_sandbox";
    /// A configuration changed.
    pub const SET_CONFIG: &str = "set_module_config";
    /// An earlier configuration was brought back.
    pub const ROLLBACK_CONFIG: &str = "rollback_module_config";
    /// A published method of a module was called.
    pub const CALL_MODULE: &str = "call_module";
    /// An operation was ended.
    pub const CANCEL_OPERATION: &str = "cancel_operation";
    /// A backup was asked for.
    pub const CREATE_BACKUP: &str = "create_backup";
    /// Blocks were asked for.
    pub const MINE_BLOCKS: &str = "mine_blocks";
    /// Block files were to be taken in.
    pub const IMPORT_BLOCKS: &str = "import_blocks";
    /// Transactions were sent to the network.
    pub const SEND_TRANSACTIONS: &str = "send_transactions";
    /// A block was submitted.
    pub const SUBMIT_BLOCK: &str = "submit_block";
    /// A token was made.
    pub const CREATE_TOKEN: &str = "create_token";
    /// A token was taken back.
    pub const REVOKE_TOKEN: &str = "revoke_token";
    /// A publisher is trusted.
    pub const ADD_PUBLISHER: &str = "add_publisher";
    /// A publisher's keys were exchanged.
    pub const ROTATE_PUBLISHER: &str = "rotate_publisher";
    /// A publisher is trusted no more.
    pub const REMOVE_PUBLISHER: &str = "remove_publisher";
    /// A module's release is remembered no more.
    pub const FORGET_RELEASE: &str = "forget_release";
    /// A registry was added.
    pub const ADD_REGISTRY: &str = "add_registry";
    /// A registry was removed.
    pub const REMOVE_REGISTRY: &str = "remove_registry";
    /// A registry's index was fetched.
    pub const REFRESH_REGISTRY: &str = "refresh_registry";
    /// A package was fetched from a registry.
    pub const FETCH_PACKAGE: &str = "fetch_catalog_module";
    /// A module was installed from a registry.
    pub const INSTALL_LISTED: &str = "install_catalog_module";
    /// A webhook source was made.
    pub const CREATE_WEBHOOK_SOURCE: &str = "create_webhook_source";
    /// A webhook source's settings changed.
    pub const SET_WEBHOOK_SOURCE: &str = "set_webhook_source";
    /// A webhook source was removed.
    pub const DELETE_WEBHOOK_SOURCE: &str = "delete_webhook_source";
    /// A webhook source got a new secret.
    pub const ROTATE_WEBHOOK_SECRET: &str = "rotate_webhook_secret";
    /// A delivery of our own making was sent through a source.
    pub const TEST_WEBHOOK_SOURCE: &str = "test_webhook_source";
    /// A delivery was announced again.
    pub const REPLAY_WEBHOOK_DELIVERY: &str = "replay_webhook_delivery";
    /// Many deliveries were announced again.
    pub const REPLAY_WEBHOOK_DELIVERIES: &str = "replay_webhook_deliveries";
    /// An endpoint of outgoing webhooks was made.
    pub const CREATE_WEBHOOK_ENDPOINT: &str = "create_webhook_endpoint";
    /// What is sent where changed.
    pub const SET_WEBHOOK_ENDPOINT: &str = "set_webhook_endpoint";
    /// An endpoint was removed.
    pub const DELETE_WEBHOOK_ENDPOINT: &str = "delete_webhook_endpoint";
    /// An endpoint is sent to again.
    pub const ENABLE_WEBHOOK_ENDPOINT: &str = "enable_webhook_endpoint";
    /// An endpoint is sent to no more.
    pub const DISABLE_WEBHOOK_ENDPOINT: &str = "disable_webhook_endpoint";
    /// An endpoint got a new key.
    pub const ROTATE_WEBHOOK_KEY: &str = "rotate_webhook_key";
    /// A test was sent to an endpoint.
    pub const TEST_WEBHOOK_ENDPOINT: &str = "test_webhook_endpoint";
    /// A message is sent again.
    pub const REDELIVER_WEBHOOK_MESSAGE: &str = "redeliver_webhook_message";
    /// Many messages are sent again.
    pub const REDELIVER_WEBHOOK_MESSAGES: &str = "redeliver_webhook_messages";
    /// A source is reconciled with its sender, or otherwise than before.
    pub const SET_WEBHOOK_RECONCILE: &str = "set_webhook_reconcile";
    /// A source is reconciled no more.
    pub const DELETE_WEBHOOK_RECONCILE: &str = "delete_webhook_reconcile";
    /// A source was reconciled on request.
    pub const RUN_WEBHOOK_RECONCILE: &str = "run_webhook_reconcile";
    /// Somebody logged in.
    pub const LOGIN: &str = "login";
    /// Somebody logged out.
    pub const LOGOUT: &str = "logout";
}

pub use audit::{Done, Refused};
pub use endpoint_messages::{
    After, DropWebhookMessages, QueueMessages, QueueTest, Queued, REDELIVER_LIMIT, RecordAttempt,
    RedeliverMessage, RedeliverMessages, Redelivered,
};
pub use endpoints::{
    AddEndpoint, DisableEndpoint, EnableEndpoint, NewEndpointKey, RemoveEndpoint,
    RotateEndpointKey, SetEndpoint,
};
pub use events::{AppendEvents, DropCursor, SetCursor};
pub use facts::SetFact;
pub use housekeeping::{DropExpired, PruneEvents};
pub use idempotency::Remember;
pub use isolation::{TakeUser, Waive};
pub use modules::{Confirm, Found, FoundModule, MarkGone, Remove, SetEnabled, SetGrant};
pub use observed::StateChanged;
pub use operations::{Cancel, Finish, Progress, StartOperation};
pub use reconcile::{NewApiToken, RecordReconcile, RemoveReconcile, SetReconcile};
pub use registries::{AddRegistry, RecordIndex, RemoveRegistry};
pub use revisions::{AddRevision, SetRevisionStatus};
pub use runs::{CloseLostRuns, RunEnded, RunReady, RunStarted};
pub use sessions::{AddLoginCode, AddSession, DropSession, RedeemLoginCode, TouchSession};
pub use storage::{StorageDelete, StoragePut, StorageTransaction};
pub use tokens::{AddToken, RevokeToken, TouchToken};
pub use trust::{
    AddPublisher, ForgetRelease, RecordRelease, RemovePublisher, RotatePublisher, SeeTime,
};
pub use versions::{ChangeVersion, EndTrial, KeepVersion, Pin};
pub use webhook_deliveries::{
    DropWebhookBodies, JudgeWebhook, REPLAY_LIMIT, ReceiveWebhook, Received, ReplayWebhook,
    ReplayWebhooks, Replayed,
};
pub use webhook_sources::{
    AddWebhookSource, LIVE_SECRETS, RemoveWebhookSource, RotateWebhookSecret, SetWebhookSource,
};
pub use wishes::{RequestReload, Want};
