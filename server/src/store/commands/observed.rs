//! What the supervisor saw.

use bllvm_manifest::ModuleName;
use serde_json::json;

use crate::model::{Health, ObservedState, kinds};
use crate::store::row::to_json;
use crate::store::{Command, StoreError, Tx};

/// A module's state or health changed: keeps the last one, and appends one event each.
#[derive(Clone, Debug)]
pub struct StateChanged {
    /// The module.
    pub module: ModuleName,
    /// Its state now.
    pub state: ObservedState,
    /// Its health now.
    pub health: Health,
    /// Why.
    pub reason: Option<String>,
}

impl Command for StateChanged {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        if tx.find_module(&self.module).await?.is_none() {
            // It was uninstalled while it stopped.
            return Ok(());
        }
        let (key, state) = (self.module.as_str(), self.state.as_str());
        let (health, now) = (to_json(&self.health)?, tx.now().to_string());
        let before = sqlx::query!(
            "SELECT state, health, reason FROM observed WHERE module = $1",
            key
        )
        .fetch_optional(tx.db())
        .await?;
        sqlx::query!(
            "INSERT INTO observed (module, state, health, reason, changed_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (module) DO UPDATE SET state = $2, health = $3, reason = $4,
                                                changed_at = $5",
            key,
            state,
            health,
            self.reason,
            now
        )
        .execute(tx.db())
        .await?;
        let moved = before
            .as_ref()
            .is_none_or(|before| before.state != state || before.reason != self.reason);
        if moved {
            let was = before.as_ref().map(|before| &before.state);
            let data = json!({
                "module": self.module, "state": self.state, "was": was, "reason": self.reason,
            });
            tx.host_event(kinds::MODULE_STATE, data).await?;
        }
        if before.is_none_or(|before| before.health != health) && self.health != Health::Unknown {
            let data = json!({"module": self.module, "health": self.health});
            tx.host_event(kinds::MODULE_HEALTH, data).await?;
        }
        Ok(())
    }
}
