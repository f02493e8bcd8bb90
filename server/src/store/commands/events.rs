//! Durable events, and how far modules have applied them.

use bllvm_manifest::ModuleName;

use crate::model::NewEvent;
use crate::store::row::int;
use crate::store::{Command, StoreError, Tx};

/// Appends durable events in this order; gives the first one's number.
#[derive(Clone, Debug)]
pub struct AppendEvents(pub Vec<NewEvent>);

impl Command for AppendEvents {
    type Output = u64;
    const APPEND_ONLY: bool = true;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        let mut first = None;
        for event in self.0 {
            let seq = tx.append_event(event).await?;
            first.get_or_insert(seq);
        }
        first.ok_or(StoreError::Refused {
            code: "nothing_to_append",
            detail: "no event was given".to_owned(),
        })
    }
}

/// A module has applied all events up to and with this one.
#[derive(Clone, Debug)]
pub struct SetCursor {
    /// The module.
    pub module: ModuleName,
    /// The event.
    pub seq: u64,
}

impl Command for SetCursor {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (key, seq) = (self.module.as_str(), int(self.seq));
        let now = tx.now().to_string();
        sqlx::query!(
            "INSERT INTO cursors (module, seq, changed_at) VALUES ($1, $2, $3)
             ON CONFLICT (module) DO UPDATE SET seq = $2, changed_at = $3",
            key,
            seq,
            now
        )
        .execute(tx.db())
        .await?;
        Ok(())
    }
}

/// A module's cursor is forgotten; its next subscription starts at the end.
#[derive(Clone, Debug)]
pub struct DropCursor {
    /// The module.
    pub module: ModuleName,
}

impl Command for DropCursor {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let key = self.module.as_str();
        sqlx::query!("DELETE FROM cursors WHERE module = $1", key)
            .execute(tx.db())
            .await?;
        Ok(())
    }
}
