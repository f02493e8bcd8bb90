//! The registries that the operator added, and what was seen of those that were removed. Few, and always
//! read whole, so they are kept as facts.

use std::collections::BTreeMap;

use bllvm_manifest::Digest;
use bllvm_package::PublicKey;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Store, StoreError, Tx};
use crate::model::KnownRegistry;

const REGISTRIES: &str = "catalog.registries";
const FLOORS: &str = "catalog.floors";

/// Registries by name.
pub type Registries = BTreeMap<String, KnownRegistry>;

/// The newest index that was ever seen of a registry which was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexFloor {
    /// Its keys then. One that has none of them is another registry.
    pub keys: Vec<PublicKey>,
    /// The index's number.
    pub seq: u64,
    /// Digest of its bytes.
    pub digest: Digest,
}

/// Floors by the registry's name.
pub type IndexFloors = BTreeMap<String, IndexFloor>;

/// Number and digest of the newest index that counts for a registry: no older one is taken.
pub fn newest_seen(registry: &KnownRegistry, floors: &IndexFloors) -> Option<(u64, Digest)> {
    let seen = registry.seen.as_ref().map(|seen| (seen.seq, seen.digest));
    let floor = floors.get(&registry.name);
    let floor = floor.filter(|floor| floor.keys.iter().any(|key| registry.keys.contains(key)));
    let floor = floor.map(|floor| (floor.seq, floor.digest));
    [seen, floor]
        .into_iter()
        .flatten()
        .max_by_key(|(seq, _)| *seq)
}

impl Store {
    /// What was seen of registries that were removed.
    pub async fn index_floors(&self) -> Result<IndexFloors, StoreError> {
        Ok(self.fact(FLOORS).await?.unwrap_or_default())
    }

    /// The registries that were added.
    pub async fn registries(&self) -> Result<Registries, StoreError> {
        Ok(self.fact(REGISTRIES).await?.unwrap_or_default())
    }
}

impl Tx<'_> {
    /// As [`Store::index_floors`].
    pub async fn index_floors(&mut self) -> Result<IndexFloors, StoreError> {
        Ok(self.fact(FLOORS).await?.unwrap_or_default())
    }

    /// Keeps the floors.
    pub async fn set_index_floors(&mut self, all: &IndexFloors) -> Result<(), StoreError> {
        self.set_fact(FLOORS, &json!(all)).await
    }

    /// As [`Store::registries`].
    pub async fn registries(&mut self) -> Result<Registries, StoreError> {
        Ok(self.fact(REGISTRIES).await?.unwrap_or_default())
    }

    /// Keeps the registries.
    pub async fn set_registries(&mut self, all: &Registries) -> Result<(), StoreError> {
        self.set_fact(REGISTRIES, &json!(all)).await
    }
}
