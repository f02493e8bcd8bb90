//! The pages of one module: tabs with an address each, under one head.

mod call;
mod configuration;
mod danger;
mod events;
mod head;
mod logs;
mod overview;
mod page;
mod permissions;
mod revision;
mod runs;
mod versions;

pub use call::MethodCall;
pub use configuration::{Configuration, RevisionRow};
pub use danger::Danger;
pub use events::{ModuleEvents, SubscriptionRow};
pub use head::{ModuleHead, PageTab, Tab, TabLink};
pub use logs::Logs;
pub use overview::{MethodRow, ModuleOverview, ReloadOutcome};
pub use page::{ModulePage, Outcome};
pub use permissions::{CapabilityRow, Permissions, RequiredRow};
pub use revision::{Change, DiffLine, Revision};
pub use runs::{RunRow, Runs};
pub use versions::{VersionPlan, Versions};
