//! `storage.*`: a module's own values in the host's database, bounded by its quota.

use bllvm_ipc::types::{
    Empty, Hex, StorageKey, StoragePage, StoragePut, StorageScan, StorageTransaction, StorageValue,
};
use bllvm_ipc::{ErrorCode, ErrorReply};

use super::Session;
use super::error::stored;
use crate::store::{StorageChange, commands};

const MAX_KEY: usize = 1024;
const MAX_VALUE: usize = 512 << 10;
const MAX_CHANGES: usize = 1000;
const MAX_SCAN: u32 = 1000;

fn check_key(key: &Hex) -> Result<(), ErrorReply> {
    match key.0.len() {
        1..=MAX_KEY => Ok(()),
        found => Err(ErrorReply::invalid(format!(
            "`key`: {found} bytes; 1 to {MAX_KEY} are allowed"
        ))),
    }
}

fn check_value(value: &Hex) -> Result<(), ErrorReply> {
    if value.0.len() <= MAX_VALUE {
        return Ok(());
    }
    Err(ErrorReply::new(
        ErrorCode::TooLarge,
        format!(
            "`value`: {} bytes; {MAX_VALUE} are allowed, keep larger ones in files",
            value.0.len()
        ),
    ))
}

impl Session {
    pub(super) async fn get(&self, request: StorageKey) -> Result<StorageValue, ErrorReply> {
        check_key(&request.key)?;
        let found = self
            .services
            .store
            .storage_get(&self.module, &request.key.0);
        let value = found.await.map_err(stored)?.map(Hex);
        Ok(StorageValue { value })
    }

    pub(super) async fn put(&self, request: StoragePut) -> Result<Empty, ErrorReply> {
        check_key(&request.key)?;
        check_value(&request.value)?;
        let put = commands::StoragePut {
            module: self.module.clone(),
            key: request.key.0,
            value: request.value.0,
            quota: self.services.storage_quota,
        };
        self.services.store.commit(put).await.map_err(stored)?;
        Ok(Empty {})
    }

    pub(super) async fn delete(&self, request: StorageKey) -> Result<Empty, ErrorReply> {
        check_key(&request.key)?;
        let delete = commands::StorageDelete {
            module: self.module.clone(),
            key: request.key.0,
        };
        self.services.store.commit(delete).await.map_err(stored)?;
        Ok(Empty {})
    }

    pub(super) async fn scan(&self, request: StorageScan) -> Result<StoragePage, ErrorReply> {
        if !(1..=MAX_SCAN).contains(&request.limit) || request.prefix.0.len() > MAX_KEY {
            return Err(ErrorReply::invalid(format!(
                "`limit` is 1 to {MAX_SCAN}, `prefix` at most {MAX_KEY} bytes"
            )));
        }
        let after = request.after.as_ref().map(|after| after.0.as_slice());
        let store = &self.services.store;
        let page = store.storage_scan(&self.module, &request.prefix.0, after, request.limit);
        let (entries, more) = page.await.map_err(stored)?;
        let items = entries.into_iter().map(|entry| StoragePut {
            key: Hex(entry.key),
            value: Hex(entry.value),
        });
        Ok(StoragePage {
            items: items.collect(),
            more,
        })
    }

    pub(super) async fn transact(&self, request: StorageTransaction) -> Result<Empty, ErrorReply> {
        if request.changes.len() > MAX_CHANGES {
            return Err(ErrorReply::new(
                ErrorCode::TooLarge,
                format!("`changes`: at most {MAX_CHANGES} at once"),
            ));
        }
        for change in &request.changes {
            check_key(&change.key)?;
            change.value.as_ref().map_or(Ok(()), check_value)?;
        }
        let changes = request.changes.into_iter().map(|change| StorageChange {
            key: change.key.0,
            value: change.value.map(|value| value.0),
        });
        let transaction = commands::StorageTransaction {
            module: self.module.clone(),
            changes: changes.collect(),
            quota: self.services.storage_quota,
        };
        self.services
            .store
            .commit(transaction)
            .await
            .map_err(stored)?;
        Ok(Empty {})
    }
}
