//! What people and tools submit to the base node: who sent what, and what became of it.

use super::Control;
use crate::model::Actor;
use crate::store::commands::{Done, Refused};

impl Control {
    /// Writes a submission into the audit trail: what was taken, with a detail, or why it was
    /// refused. The base node has decided by now, so a row that cannot be written changes nothing.
    pub async fn record_submission(
        &self,
        action: &str,
        target: String,
        outcome: Result<String, String>,
        by: &Actor,
    ) {
        let by = by.clone();
        let action = action.to_owned();
        let written = match outcome {
            Ok(detail) => {
                let done = Done {
                    action,
                    target,
                    detail,
                    by,
                };
                self.store().commit(done).await.map(drop)
            }
            Err(detail) => {
                let refused = Refused {
                    action,
                    target,
                    detail,
                    by,
                };
                self.store().commit(refused).await.map(drop)
            }
        };
        if let Err(error) = written {
            tracing::error!(%error, "could not record that something was submitted");
        }
    }
}
