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
    /// What makes a repetition of the request known; kept with whatever is accepted of it.
    pub once: Option<Once>,
}

/// The `Idempotency-Key` of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The caller and the key it gave.
    pub key: String,
    /// Digest of the request, so that another request with the same key is told apart.
    pub fingerprint: String,
}

impl Actor {
    /// Whoever acts without a request of their own.
    pub fn named(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            request: None,
            once: None,
        }
    }

    /// The host itself.
    pub fn host() -> Self {
        Self::named("host")
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
