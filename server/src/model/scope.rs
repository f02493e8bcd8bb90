//! What a token may do.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::state::words;

/// The scopes of one caller.
pub type Scopes = BTreeSet<Scope>;

words! {
    /// A right of a token. `admin` includes all others.
    Scope {
        /// Read modules, their configuration, logs, runs and operations.
        ModulesRead = "modules:read",
        /// Load, unload, reload, enable, disable, call.
        ModulesControl = "modules:control",
        /// Install and uninstall, confirm digests, change grants.
        ModulesInstall = "modules:install",
        /// Change configurations.
        ConfigWrite = "config:write",
        /// Read events.
        EventsRead = "events:read",
        /// Read the base node.
        NodeRead = "node:read",
        /// Send transactions.
        NodeBroadcast = "node:broadcast",
        /// Mine, and submit blocks.
        NodeControl = "node:control",
        /// Read the audit trail.
        AuditRead = "audit:read",
        /// Read metrics.
        MetricsRead = "metrics:read",
        /// Read webhook sources and deliveries, bodies included.
        WebhooksRead = "webhooks:read",
        /// Change webhook sources and their secrets, replay deliveries.
        WebhooksControl = "webhooks:control",
        /// Everything, tokens included.
        Admin = "admin",
    }
}

impl Scope {
    /// Whether it opens anything that is about one module; only such scopes make sense for a token
    /// that is bound to modules.
    pub const fn is_about_modules(self) -> bool {
        matches!(
            self,
            Self::ModulesRead
                | Self::ModulesControl
                | Self::ModulesInstall
                | Self::ConfigWrite
                | Self::EventsRead
        )
    }
}

impl PartialOrd for Scope {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scope {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}
