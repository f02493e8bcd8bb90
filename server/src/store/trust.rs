//! The root of trust: publishers, releases that were taken in, the greatest time seen. Three small
//! values that are always read whole, so they are kept as facts.

use std::collections::BTreeMap;

use bllvm_manifest::ModuleName;
use serde_json::json;

use super::{Store, StoreError, Tx};
use crate::model::{TakenRelease, TrustedPublisher, UtcTime};

const PUBLISHERS: &str = "trust.publishers";
const RELEASES: &str = "trust.releases";
const LATEST_SEEN: &str = "trust.latest_seen";

/// Publishers by name.
pub type Publishers = BTreeMap<String, TrustedPublisher>;
/// Releases by module.
pub type Releases = BTreeMap<ModuleName, TakenRelease>;

impl Store {
    /// The publishers that are trusted.
    pub async fn publishers(&self) -> Result<Publishers, StoreError> {
        Ok(self.fact(PUBLISHERS).await?.unwrap_or_default())
    }

    /// The newest release of each module that was ever taken in.
    pub async fn releases(&self) -> Result<Releases, StoreError> {
        Ok(self.fact(RELEASES).await?.unwrap_or_default())
    }

    /// The greatest time that was ever seen.
    pub async fn latest_seen(&self) -> Result<Option<UtcTime>, StoreError> {
        self.fact(LATEST_SEEN).await
    }
}

impl Tx<'_> {
    /// As [`Store::publishers`].
    pub async fn publishers(&mut self) -> Result<Publishers, StoreError> {
        Ok(self.fact(PUBLISHERS).await?.unwrap_or_default())
    }

    /// Keeps the publishers.
    pub async fn set_publishers(&mut self, all: &Publishers) -> Result<(), StoreError> {
        self.set_fact(PUBLISHERS, &json!(all)).await
    }

    /// As [`Store::releases`].
    pub async fn releases(&mut self) -> Result<Releases, StoreError> {
        Ok(self.fact(RELEASES).await?.unwrap_or_default())
    }

    /// Keeps the releases.
    pub async fn set_releases(&mut self, all: &Releases) -> Result<(), StoreError> {
        self.set_fact(RELEASES, &json!(all)).await
    }

    /// Remembers that it is as late as now; earlier than before, it remembers nothing.
    pub async fn see_time(&mut self) -> Result<(), StoreError> {
        let seen: Option<UtcTime> = self.fact(LATEST_SEEN).await?;
        if seen.is_none_or(|seen| seen < self.now()) {
            let now = self.now();
            self.set_fact(LATEST_SEEN, &json!(now)).await?;
        }
        Ok(())
    }
}
