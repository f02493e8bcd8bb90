//! Who modules run as, and the layers that operators waive.

use std::collections::BTreeSet;

use bllvm_manifest::ModuleName;

use super::actions;
use crate::model::{Actor, RequiredLayer};
use crate::store::row::to_json;
use crate::store::{Command, StoreError, Tx};

/// A module's own user: the one it had before, else the next one. None when all are taken.
#[derive(Clone, Debug)]
pub struct TakeUser {
    /// The module.
    pub module: ModuleName,
    /// The first number, where no module has one yet.
    pub first: u32,
    /// How many numbers there are.
    pub count: u32,
}

impl Command for TakeUser {
    type Output = Option<u32>;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Option<u32>, StoreError> {
        let key = self.module.as_str();
        let known = sqlx::query_scalar!("SELECT uid FROM users WHERE module = $1", key)
            .fetch_optional(tx.db())
            .await?;
        if let Some(uid) = known {
            return Ok(u32::try_from(uid).ok());
        }
        let taken = sqlx::query!("SELECT uid FROM users ORDER BY uid")
            .fetch_all(tx.db())
            .await?;
        let uid = match (taken.first(), taken.last()) {
            (Some(first), Some(last)) if last.uid - first.uid + 1 >= i64::from(self.count) => {
                return Ok(None);
            }
            (_, Some(last)) => last.uid + 1,
            _ => i64::from(self.first),
        };
        sqlx::query!("INSERT INTO users (uid, module) VALUES ($1, $2)", uid, key)
            .execute(tx.db())
            .await?;
        Ok(u32::try_from(uid).ok())
    }
}

/// An operator lets a module start without these layers, and no others.
#[derive(Clone, Debug)]
pub struct Waive {
    /// The module.
    pub name: ModuleName,
    /// The layers.
    pub layers: BTreeSet<RequiredLayer>,
    /// Who.
    pub by: Actor,
}

impl Command for Waive {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.module(&self.name).await?;
        let names: Vec<&str> = self.layers.iter().map(|layer| layer.as_str()).collect();
        let detail = if names.is_empty() {
            "every layer is required".to_owned()
        } else {
            format!("may start without {}", names.join(", "))
        };
        tx.accepted(&self.by, actions::WAIVE_LAYERS, &self.name, &detail)
            .await?;
        let (key, layers, now) = (
            self.name.as_str(),
            to_json(&self.layers)?,
            tx.now().to_string(),
        );
        sqlx::query!(
            "INSERT INTO waivers (module, layers, given_by, changed_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (module) DO UPDATE SET layers = $2, given_by = $3, changed_at = $4",
            key,
            layers,
            self.by.id,
            now
        )
        .execute(tx.db())
        .await?;
        Ok(())
    }
}
