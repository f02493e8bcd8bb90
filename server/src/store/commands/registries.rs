//! What an operator decides about registries, and what was seen of them.

use serde_json::json;

use super::actions;
use crate::model::{Actor, KnownRegistry, RevokedModule, SeenIndex, kinds};
use crate::store::{Command, IndexFloor, StoreError, Tx, newest_seen};

/// An operator adds a registry.
#[derive(Clone, Debug)]
pub struct AddRegistry {
    /// With its keys and addresses; nothing was seen of it yet.
    pub registry: KnownRegistry,
    /// Who.
    pub by: Actor,
}

impl Command for AddRegistry {
    type Output = KnownRegistry;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<KnownRegistry, StoreError> {
        let mut all = tx.registries().await?;
        let name = self.registry.name.clone();
        if all.contains_key(&name) {
            return Err(StoreError::Refused {
                code: "registry_exists",
                detail: format!(
                    "`{name}` is there already: `bllvm-node catalog remove {name}` removes it"
                ),
            });
        }
        all.insert(name.clone(), self.registry.clone());
        tx.set_registries(&all).await?;
        let detail = json!(self.registry).to_string();
        tx.accepted(&self.by, actions::ADD_REGISTRY, name, &detail)
            .await?;
        Ok(self.registry)
    }
}

/// An operator removes a registry. What was installed from it stays, and that no older index is taken
/// when it comes back.
#[derive(Clone, Debug)]
pub struct RemoveRegistry {
    /// Which.
    pub name: String,
    /// Who.
    pub by: Actor,
}

impl Command for RemoveRegistry {
    type Output = KnownRegistry;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<KnownRegistry, StoreError> {
        let mut all = tx.registries().await?;
        let gone = all
            .remove(&self.name)
            .ok_or_else(|| StoreError::not_found("registry", &self.name))?;
        tx.set_registries(&all).await?;
        let mut floors = tx.index_floors().await?;
        if let Some((seq, digest)) = newest_seen(&gone, &floors) {
            let floor = IndexFloor {
                keys: gone.keys.clone(),
                seq,
                digest,
            };
            floors.insert(self.name.clone(), floor);
            tx.set_index_floors(&floors).await?;
        }
        let detail = json!(gone).to_string();
        tx.accepted(&self.by, actions::REMOVE_REGISTRY, &self.name, &detail)
            .await?;
        Ok(gone)
    }
}

/// An index was fetched and believed. What was seen is compared once more inside the transaction, so
/// that of two at the same time the newer one stays.
#[derive(Clone, Debug)]
pub struct RecordIndex {
    /// Whose.
    pub name: String,
    /// What was seen.
    pub seen: SeenIndex,
    /// Installed modules that it takes back.
    pub revoked: Vec<RevokedModule>,
    /// Who asked.
    pub by: Actor,
}

impl Command for RecordIndex {
    type Output = KnownRegistry;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<KnownRegistry, StoreError> {
        let floors = tx.index_floors().await?;
        let mut all = tx.registries().await?;
        let registry = all
            .get_mut(&self.name)
            .ok_or_else(|| StoreError::not_found("registry", &self.name))?;
        let before = newest_seen(registry, &floors).map_or(0, |(seq, _)| seq);
        let is_new = registry.seen.as_ref().map(|seen| seen.digest) != Some(self.seen.digest);
        if self.seen.seq < before {
            return Ok(registry.clone());
        }
        registry.seen = Some(self.seen);
        let registry = registry.clone();
        tx.set_registries(&all).await?;
        let detail = json!(registry.seen).to_string();
        tx.accepted(&self.by, actions::REFRESH_REGISTRY, &self.name, &detail)
            .await?;
        // Said once for each index that says it.
        for one in self.revoked.iter().filter(|_| is_new) {
            tx.host_event(kinds::MODULE_REVOKED, json!(one)).await?;
        }
        Ok(registry)
    }
}
