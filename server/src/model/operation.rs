//! Something that takes a while and that an operator can watch.

use bllvm_manifest::ModuleName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::state::words;
use super::{Id, UtcTime};

words! {
    /// What is done.
    OperationKind {
        /// Bring a module to running.
        Load = "load",
        /// Bring a module to stopped.
        Unload = "unload",
        /// Take over a changed configuration or binary.
        Reload = "reload",
        /// Take over a new configuration revision.
        Configure = "configure",
        /// Take in a module from a folder.
        Install = "install",
        /// Fetch a package of a registry.
        Fetch = "fetch",
        /// Remove a module and, if asked, its data.
        Uninstall = "uninstall",
        /// Put another version of a module in place.
        Upgrade = "upgrade",
        /// Put the version before back in place.
        Rollback = "rollback",
        /// Make a backup.
        Backup = "backup",
        /// Mine blocks (regtest).
        Mine = "mine",
        /// Take in block files.
        Import = "import",
    }

    /// Where it stands.
    OperationStatus {
        /// Recorded, not begun.
        Queued = "queued",
        /// Under way.
        Running = "running",
        /// Done.
        Succeeded = "succeeded",
        /// Not done; `failure` says why.
        Failed = "failed",
        /// Ended by an operator.
        Cancelled = "cancelled",
    }
}

impl OperationStatus {
    /// Whether nothing more will happen.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// Why an operation did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// A stable code, as in problem documents.
    pub code: String,
    /// What happened and the way out.
    pub detail: String,
}

/// An operation as stored and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Operation {
    /// Its id.
    pub id: Id,
    /// What is done.
    pub kind: OperationKind,
    /// To which module.
    #[schema(value_type = Option<String>)]
    pub module: Option<ModuleName>,
    /// The module that it is about, where it leaves the module free for an operation of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub about: Option<ModuleName>,
    /// Where it stands.
    pub status: OperationStatus,
    /// The step that is under way, in words.
    pub step: String,
    /// Done so far.
    pub done: u64,
    /// Of so many; 0 where it is not known.
    pub total: u64,
    /// Why it did not succeed.
    pub failure: Option<Failure>,
    /// What came of it, such as `{"mode": "overlap"}` or mined hashes.
    #[schema(value_type = Object)]
    pub result: serde_json::Value,
    /// Who asked.
    pub by: String,
    /// When it was asked for.
    pub created_at: UtcTime,
    /// When it last changed.
    pub changed_at: UtcTime,
}

impl Operation {
    /// The module that it has to do with.
    pub fn concerns(&self) -> Option<&ModuleName> {
        self.module.as_ref().or(self.about.as_ref())
    }
}
