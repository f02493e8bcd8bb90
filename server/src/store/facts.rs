//! Single values that the host keeps for itself, as JSON by name.

use serde::de::DeserializeOwned;
use sqlx::SqliteExecutor;

use super::row::{from_json_option, to_json};
use super::{Store, StoreError, Tx};

async fn fact<T: DeserializeOwned>(
    db: impl SqliteExecutor<'_>,
    name: &str,
) -> Result<Option<T>, StoreError> {
    let value = sqlx::query_scalar!("SELECT value FROM facts WHERE name = $1", name)
        .fetch_optional(db)
        .await?;
    from_json_option("facts", value.as_deref())
}

impl Store {
    /// A value, where it was ever set.
    pub async fn fact<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        fact(self.db(), name).await
    }
}

impl Tx<'_> {
    /// A value, where it was ever set.
    pub async fn fact<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, StoreError> {
        fact(self.db(), name).await
    }

    /// Sets a value, such as the chain cursor beside the events that it stands for.
    pub async fn set_fact(
        &mut self,
        name: &str,
        value: &serde_json::Value,
    ) -> Result<(), StoreError> {
        let (value, now) = (to_json(value)?, self.now().to_string());
        sqlx::query!(
            "INSERT INTO facts (name, value, changed_at) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET value = $2, changed_at = $3",
            name,
            value,
            now
        )
        .execute(self.db())
        .await?;
        Ok(())
    }
}
