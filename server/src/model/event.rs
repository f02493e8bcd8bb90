//! Event types of the host and what a new event consists of.

use bllvm_ipc::EventClass;
use serde_json::Value;

/// The host's own event types. The host alone publishes `chain.*`, `mempool.*`, `module.*`, `operation.*`,
/// `audit.*`, `node.*`, `webhook.*` and `host.*`.
pub mod kinds {
    /// A block joined the best chain.
    pub const BLOCK_CONNECTED: &str = "chain.block_connected";
    /// A block left the best chain.
    pub const BLOCK_DISCONNECTED: &str = "chain.block_disconnected";
    /// The base node's data was replaced: what was announced is void, and it starts anew.
    pub const CHAIN_RESET: &str = "chain.reset";
    /// The tip now (latest).
    pub const TIP: &str = "chain.tip";
    /// The mempool's size and lowest fee rate now (latest).
    pub const MEMPOOL: &str = "mempool.changed";
    /// A module was found in the modules directory or in cargo's bin folder.
    pub const MODULE_FOUND: &str = "module.found";
    /// An operator installed a module.
    pub const MODULE_INSTALLED: &str = "module.installed";
    /// An operator removed a module.
    pub const MODULE_UNINSTALLED: &str = "module.uninstalled";
    /// Another version of a module was put in place.
    pub const MODULE_UPGRADED: &str = "module.upgraded";
    /// What is wanted of a module changed (load, unload, enable, disable).
    pub const MODULE_DESIRED: &str = "module.desired_changed";
    /// A module's observed state changed.
    pub const MODULE_STATE: &str = "module.state_changed";
    /// A module's health changed.
    pub const MODULE_HEALTH: &str = "module.health_changed";
    /// A module's process ended without being asked.
    pub const MODULE_CRASHED: &str = "module.crashed";
    /// A reload was done; says which mode.
    pub const MODULE_RELOADED: &str = "module.reloaded";
    /// A reload failed; the old process or configuration serves again.
    pub const MODULE_RELOAD_FAILED: &str = "module.reload_failed";
    /// A configuration revision was recorded, applied or rolled back.
    pub const MODULE_CONFIG: &str = "module.config_changed";
    /// A hand-edited `config.toml` was refused.
    pub const MODULE_CONFIG_REFUSED: &str = "module.config_refused";
    /// A module's grant changed.
    pub const MODULE_GRANT: &str = "module.grant_changed";
    /// A module cannot keep up with its events.
    pub const MODULE_LAGGING: &str = "module.lagging";
    /// An operation was recorded or changed its status.
    pub const OPERATION: &str = "operation.changed";
    /// Alarm: the makers of an installed module took its release back.
    pub const MODULE_REVOKED: &str = "module.revoked";
    /// An audit row was written; carries the row.
    pub const AUDIT: &str = "audit.recorded";
    /// The base node went away or came back.
    pub const NODE_STATE: &str = "node.state_changed";
    /// A webhook delivery is in the inbox, for the first time or again by replay.
    pub const WEBHOOK_RECEIVED: &str = "webhook.received";
    /// Alarm: a sender's delivery id came again with another body.
    pub const WEBHOOK_CONFLICT: &str = "webhook.conflict";
    /// A module judged a delivery.
    pub const WEBHOOK_JUDGED: &str = "webhook.judged";
    /// Alarm: an endpoint of outgoing webhooks was disabled, by itself or by its receiver's word.
    pub const WEBHOOK_ENDPOINT_DISABLED: &str = "webhook.endpoint_disabled";
    /// Alarm: all tries of an outgoing message failed.
    pub const WEBHOOK_MESSAGE_FAILED: &str = "webhook.message_failed";
    /// Alarm: events were pruned before they were queued for an endpoint.
    pub const WEBHOOK_EVENTS_MISSED: &str = "webhook.events_missed";
    /// A test message; in no journal.
    pub const WEBHOOK_TEST: &str = "webhook.test";
    /// The host started.
    pub const HOST_STARTED: &str = "host.started";
}

/// Namespaces in which only the host publishes.
pub const HOST_NAMESPACES: &[&str] = &[
    "chain",
    "mempool",
    "module",
    "operation",
    "audit",
    "node",
    "host",
    "events",
    "webhook",
];

/// An event that has no number yet.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Namespaced type.
    pub kind: String,
    /// How it is kept and delivered.
    pub class: EventClass,
    /// `host`, or a module's name.
    pub publisher: String,
    /// The type's own fields.
    pub data: Value,
}

impl NewEvent {
    /// A durable event of the host.
    pub fn host(kind: &str, data: Value) -> Self {
        Self {
            kind: kind.to_owned(),
            class: EventClass::Durable,
            publisher: "host".to_owned(),
            data,
        }
    }
}
