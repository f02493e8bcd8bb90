//! The registries that the operator added. Few, and always read whole, so they are kept as a fact.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Store, StoreError, Tx};
use crate::model::KnownRegistry;

const REGISTRIES: &str = "catalog.registries";

/// Registries by name.
pub type Registries = BTreeMap<String, KnownRegistry>;

impl Store {
    /// The registries that were added.
    pub async fn registries(&self) -> Result<Registries, StoreError> {
        Ok(self.fact(REGISTRIES).await?.unwrap_or_default())
    }
}

impl Tx<'_> {
    /// As [`Store::registries`].
    pub async fn registries(&mut self) -> Result<Registries, StoreError> {
        Ok(self.fact(REGISTRIES).await?.unwrap_or_default())
    }

    /// Keeps the registries.
    pub async fn set_registries(&mut self, all: &Registries) -> Result<(), StoreError> {
        self.set_fact(REGISTRIES, &json!(all)).await
    }
}
