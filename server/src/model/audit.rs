//! Who did what, and what came of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::state::words;
use super::{Id, UtcTime};

words! {
    /// What came of an action.
    Outcome {
        /// It was done or accepted.
        Accepted = "accepted",
        /// It was refused; `reason` says why.
        Refused = "refused",
    }
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `cookie`, `token:<id>`, `session:<id>`, `unix:<uid>`, `host`, `file`, or `module:<name>`.
    pub id: String,
    /// The request's id, where there is one.
    pub request: Option<String>,
}

impl Actor {
    /// The host itself.
    pub fn host() -> Self {
        Self {
            id: "host".to_owned(),
            request: None,
        }
    }
}

/// One row of the audit trail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its id.
    pub id: Id,
    /// When.
    pub time: UtcTime,
    /// Who.
    pub actor: String,
    /// The operation id of the API, such as `load_module`.
    pub action: String,
    /// On what: a module's name, a token's id, …
    pub target: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it was refused, or what was changed; never a secret.
    pub detail: String,
    /// The request's id.
    pub request: Option<String>,
}
