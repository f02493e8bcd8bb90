//! Actions that changed nothing, for the audit trail.

use crate::model::{Actor, AuditEntry, Outcome};
use crate::store::{Command, StoreError, Tx};

/// An action was refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The operation id of the API; [`super::actions`] has them.
    pub action: String,
    /// On what.
    pub target: String,
    /// Why; never a secret.
    pub detail: String,
    /// Who.
    pub by: Actor,
}

impl Command for Refused {
    type Output = AuditEntry;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<AuditEntry, StoreError> {
        tx.audit(
            &self.by,
            &self.action,
            &self.target,
            Outcome::Refused,
            &self.detail,
        )
        .await
    }
}

/// An action was done that has no rows of its own, such as a call of a module's method.
#[derive(Clone, Debug)]
pub struct Done {
    /// The operation id of the API; [`super::actions`] has them.
    pub action: String,
    /// On what.
    pub target: String,
    /// What was done; never a secret.
    pub detail: String,
    /// Who.
    pub by: Actor,
}

impl Command for Done {
    type Output = AuditEntry;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<AuditEntry, StoreError> {
        tx.audit(
            &self.by,
            &self.action,
            &self.target,
            Outcome::Accepted,
            &self.detail,
        )
        .await
    }
}
