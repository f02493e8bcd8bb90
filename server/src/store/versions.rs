//! Which versions of each module are kept: small, always read whole, and so a fact.

use serde_json::json;

use super::{Store, StoreError, Tx};
use crate::model::AllVersions;

const VERSIONS: &str = "modules.versions";

impl Store {
    /// The versions of every module that has any.
    pub async fn versions(&self) -> Result<AllVersions, StoreError> {
        Ok(self.fact(VERSIONS).await?.unwrap_or_default())
    }
}

impl Tx<'_> {
    /// As [`Store::versions`].
    pub async fn versions(&mut self) -> Result<AllVersions, StoreError> {
        Ok(self.fact(VERSIONS).await?.unwrap_or_default())
    }

    /// Keeps what versions there are.
    pub async fn set_versions(&mut self, all: &AllVersions) -> Result<(), StoreError> {
        self.set_fact(VERSIONS, &json!(all)).await
    }
}
