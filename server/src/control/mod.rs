//! The operator's verbs: the one place that REST, JSON-RPC and the dashboard call.
//!
//! Each verb checks, records one commit (the change with its audit row, event and operation), wakes
//! the supervisor and answers. A refusal is audited, too: every verb runs inside
//! `Control::audited`, so that none can forget it. Long work (install, uninstall, mining, import) runs as
//! a tracked task that moves its operation on.
//!
//! Nothing here speaks HTTP or starts a process; `discovery` and `hand_edits` are the two loops that
//! turn what people do in the file system into the same verbs.

mod backups;
mod calls;
mod catalog;
mod catalog_install;
mod change_over;
mod config;
mod config_file;
mod discovery;
mod endpoints;
mod error;
mod fleet;
mod folders;
mod hand_edits;
mod handle;
mod importing;
mod leftovers;
mod life;
mod load;
mod mining;
mod operations;
mod reconcile;
mod refreshing;
mod registries;
mod requests;
mod rights;
mod sending;
mod submissions;
mod tokens;
mod trust;
mod upgrade;
mod webhooks;

#[cfg(test)]
mod tests;

pub use backups::{BackupRequest, BackupSettings};
pub use catalog_install::ListedRequest;
pub use discovery::changed_program;
pub use endpoints::{NewEndpoint, Tested};
pub use error::{ControlCode, ControlError};
pub use fleet::Fleet;
pub use handle::{Control, ControlParts, ControlSettings, ModuleEntry};
pub use registries::NewRegistry;
pub use requests::{
    ConfigChange, ConfigInput, ConfigView, Extent, FileProblem, InstallRequest, LoadRequest,
    LoginCode, NewToken, SetConfig, Stray, TokenRequest, UninstallRequest,
};
pub use tokens::secret_hash;
pub use trust::NewPublisher;
pub use upgrade::{GrantWord, UpgradeRequest};
pub use webhooks::NewWebhookSecret;
