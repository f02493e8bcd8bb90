//! The module's own key-value store at the host: durable when answered, bound by a quota.

use bllvm_ipc::method as m;
use bllvm_ipc::types::{
    Hex, StorageChange, StorageKey, StoragePage, StoragePut, StorageScan, StorageTransaction,
};
use bllvm_ipc::{CallError, Connection, Wire};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// The module's own store. Keys have at most 1,024 bytes, values at most 512 KiB.
#[derive(Clone, Debug)]
pub struct Storage {
    connection: Connection,
}

impl Storage {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// A stored value, or none.
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, CallError> {
        let answer = self.connection.call::<m::StorageGet>(&named(key)).await?;
        Ok(answer.value.map(|value| value.0))
    }

    /// Stores a value.
    pub async fn put(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Vec<u8>>,
    ) -> Result<(), CallError> {
        let request = StoragePut {
            key: named(key).key,
            value: Hex(value.into()),
        };
        self.connection
            .call::<m::StoragePut>(&request)
            .await
            .map(drop)
    }

    /// Removes a value, if it is there.
    pub async fn delete(&self, key: impl AsRef<[u8]>) -> Result<(), CallError> {
        self.connection
            .call::<m::StorageDelete>(&named(key))
            .await
            .map(drop)
    }

    /// A page of the values under a prefix, in key order, after the key `after`.
    pub async fn scan(
        &self,
        prefix: impl AsRef<[u8]>,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<StoragePage, CallError> {
        let request = StorageScan {
            prefix: named(prefix).key,
            after: after.map(|key| Hex(key.to_vec())),
            limit,
        };
        self.connection.call::<m::StorageScan>(&request).await
    }

    /// Changes that happen together or not at all; a missing value deletes.
    pub async fn transaction(
        &self,
        changes: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>,
    ) -> Result<(), CallError> {
        let changes = changes.into_iter().map(|(key, value)| StorageChange {
            key: Hex(key),
            value: value.map(Hex),
        });
        let request = StorageTransaction {
            changes: changes.collect(),
        };
        self.connection
            .call::<m::StorageTransaction>(&request)
            .await
            .map(drop)
    }

    /// A stored value of a serde type, or none.
    ///
    /// # Errors
    /// A refusal, a lost connection, or bytes that are not of this type.
    pub async fn load<T: Serialize + DeserializeOwned>(
        &self,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key).await? else {
            return Ok(None);
        };
        T::from_body(&value.into()).map(Some).map_err(Error::msg)
    }

    /// Stores a value of a serde type, as MessagePack with field names.
    ///
    /// # Errors
    /// A refusal, a lost connection, or a value that cannot be encoded.
    pub async fn save<T: Serialize + DeserializeOwned>(
        &self,
        key: impl AsRef<[u8]>,
        value: &T,
    ) -> Result<()> {
        let value = value.to_body().map_err(Error::msg)?;
        Ok(self.put(key, value).await?)
    }
}

fn named(key: impl AsRef<[u8]>) -> StorageKey {
    StorageKey {
        key: Hex(key.as_ref().to_vec()),
    }
}
