//! Modules' own key-value storage, bounded by a quota.

use bllvm_manifest::ModuleName;

use crate::store::row::{count, int};
use crate::store::{Command, StorageChange, StoreError, Tx};

/// Stores one value.
#[derive(Clone, Debug)]
pub struct StoragePut {
    /// The module.
    pub module: ModuleName,
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// Bytes that the module may hold, keys included.
    pub quota: u64,
}

impl Command for StoragePut {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let change = StorageChange {
            key: self.key,
            value: Some(self.value),
        };
        tx.change_storage(&self.module, vec![change], self.quota)
            .await
    }
}

/// Removes one value; one that is not there is fine.
#[derive(Clone, Debug)]
pub struct StorageDelete {
    /// The module.
    pub module: ModuleName,
    /// The key.
    pub key: Vec<u8>,
}

impl Command for StorageDelete {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let change = StorageChange {
            key: self.key,
            value: None,
        };
        tx.change_storage(&self.module, vec![change], u64::MAX)
            .await
    }
}

/// Changes that happen together or not at all.
#[derive(Clone, Debug)]
pub struct StorageTransaction {
    /// The module.
    pub module: ModuleName,
    /// In this order.
    pub changes: Vec<StorageChange>,
    /// Bytes that the module may hold, keys included.
    pub quota: u64,
}

impl Command for StorageTransaction {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.change_storage(&self.module, self.changes, self.quota)
            .await
    }
}

impl Tx<'_> {
    async fn change_storage(
        &mut self,
        module: &ModuleName,
        changes: Vec<StorageChange>,
        quota: u64,
    ) -> Result<(), StoreError> {
        let module = module.as_str();
        let used = sqlx::query_scalar!("SELECT bytes FROM storage_usage WHERE module = $1", module)
            .fetch_optional(self.db())
            .await?
            .unwrap_or(0);
        let mut bytes = used;
        for change in changes {
            let key = change.key;
            let before = sqlx::query_scalar!(
                r#"SELECT length(key) + length(value) AS "bytes!: i64" FROM storage
                   WHERE module = $1 AND key = $2"#,
                module,
                key
            )
            .fetch_optional(self.db())
            .await?;
            bytes -= before.unwrap_or(0);
            let Some(value) = change.value else {
                sqlx::query!(
                    "DELETE FROM storage WHERE module = $1 AND key = $2",
                    module,
                    key
                )
                .execute(self.db())
                .await?;
                continue;
            };
            bytes += int((key.len() + value.len()) as u64);
            sqlx::query!(
                "INSERT INTO storage (module, key, value) VALUES ($1, $2, $3)
                 ON CONFLICT (module, key) DO UPDATE SET value = $3",
                module,
                key,
                value
            )
            .execute(self.db())
            .await?;
        }
        // Who holds too much already may still make it less.
        if bytes > used && count(bytes) > quota {
            return Err(StoreError::Quota {
                needed_bytes: count(bytes),
                quota_bytes: quota,
            });
        }
        sqlx::query!(
            "INSERT INTO storage_usage (module, bytes) VALUES ($1, $2)
             ON CONFLICT (module) DO UPDATE SET bytes = $2",
            module,
            bytes
        )
        .execute(self.db())
        .await?;
        Ok(())
    }
}
