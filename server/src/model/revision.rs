//! A module's configuration, one revision after the other.

use bllvm_manifest::ModuleName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::UtcTime;
use super::state::words;

words! {
    /// How a revision came about.
    ConfigSource {
        /// The schema's defaults, written at the first load.
        Default = "default",
        /// The REST API, JSON-RPC or the command line.
        Api = "api",
        /// The dashboard's form or raw editor.
        Form = "form",
        /// `config.toml`, edited by hand.
        File = "file",
        /// An earlier revision, brought back.
        Rollback = "rollback",
    }

    /// What became of it.
    RevisionStatus {
        /// Recorded; the module has not taken it yet.
        Pending = "pending",
        /// The module runs on it, or will when it is loaded.
        Applied = "applied",
        /// The module did not become ready on it; the one before applies again.
        RolledBack = "rolled_back",
        /// A later one replaced it.
        Superseded = "superseded",
    }
}

/// One revision. Secrets are not in `text`: they show as `{ secret = "set" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Revision {
    /// The module.
    #[schema(value_type = String)]
    pub module: ModuleName,
    /// 1, 2, 3, …
    pub number: u64,
    /// The TOML text, comments kept, secrets replaced.
    pub text: String,
    /// Strong entity tag of the text.
    pub etag: String,
    /// How it came about.
    pub source: ConfigSource,
    /// What became of it.
    pub status: RevisionStatus,
    /// Why it was rolled back.
    pub reason: Option<String>,
    /// Who made it.
    pub by: String,
    /// When.
    pub created_at: UtcTime,
}
