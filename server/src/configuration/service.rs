//! Modules' configurations as they are kept: texts in the store, secrets sealed beside them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bllvm_manifest::{ConfigProblem, ConfigSchema, ModuleName};
use serde_json::Value;

use super::{Draft, Restored, SealedSecret, SecretKey, SecretKeyError};
use crate::model::{Module, Revision};
use crate::packages::{SchemaProblem, read_schema};
use crate::store::{Secret, Store, StoreError};
use crate::supervisor::{ConfigSource, CurrentConfig};

/// Why a configuration cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The module's schema cannot be read.
    #[error(transparent)]
    Schema(#[from] SchemaProblem),
    /// A stored secret does not open.
    #[error(transparent)]
    Secret(#[from] SecretKeyError),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A kept revision does not fit the schema of the present version.
    #[error(
        "revision {number} does not fit the schema of this version: {}; change the configuration, \
         or bring an earlier one back",
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Unfit {
        /// The revision.
        number: u64,
        /// What does not fit.
        problems: Vec<ConfigProblem>,
    },
}

/// A kept configuration, with its secrets opened.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The revision.
    pub revision: Revision,
    /// The secrets by dotted key.
    pub secrets: Secrets,
}

/// Opened secrets by dotted key. They print as nothing.
#[derive(Clone, Default, PartialEq)]
pub struct Secrets(pub BTreeMap<String, Value>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The configurations of all modules. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Configurations {
    store: Store,
    key: Arc<SecretKey>,
}

impl Configurations {
    /// Over a store, with the host's key.
    pub fn new(store: Store, key: SecretKey) -> Self {
        Self {
            store,
            key: Arc::new(key),
        }
    }

    /// The revision that applies, with its secrets.
    ///
    /// # Errors
    /// See [`ConfigurationError`].
    pub async fn kept(&self, name: &ModuleName) -> Result<Option<Kept>, ConfigurationError> {
        match self.store.current_revision(name).await? {
            None => Ok(None),
            Some(revision) => self.opened(revision).await.map(Some),
        }
    }

    /// A revision with its secrets.
    ///
    /// # Errors
    /// See [`ConfigurationError`].
    pub async fn opened(&self, revision: Revision) -> Result<Kept, ConfigurationError> {
        let sealed = self
            .store
            .secrets(&revision.module, revision.number)
            .await?;
        let secrets = sealed
            .into_iter()
            .map(|secret| {
                let sealed = SealedSecret {
                    key: secret.key_path,
                    sealed: secret.ciphertext,
                };
                let value = self.key.open(&revision.module, &sealed)?;
                Ok((sealed.key, value))
            })
            .collect::<Result<_, SecretKeyError>>()?;
        Ok(Kept {
            revision,
            secrets: Secrets(secrets),
        })
    }

    /// Seals what a draft has to hide.
    pub fn seal(&self, name: &ModuleName, draft: &Draft) -> Vec<Secret> {
        draft
            .secrets
            .iter()
            .map(|(key, value)| {
                let sealed = self.key.seal(name, key, value);
                Secret {
                    key_path: sealed.key,
                    ciphertext: sealed.sealed,
                }
            })
            .collect()
    }

    /// The schema of a module as found.
    ///
    /// # Errors
    /// [`ConfigurationError::Schema`].
    pub async fn schema(&self, module: &Module) -> Result<ConfigSchema, ConfigurationError> {
        let (dir, manifest) = (module.dir.clone(), module.manifest.clone());
        let read = tokio::task::spawn_blocking(move || read_schema(&dir, &manifest)).await;
        Ok(read.unwrap_or(Err(SchemaProblem::Bug))?)
    }

    /// A kept text, read by the present schema.
    ///
    /// # Errors
    /// [`ConfigurationError::Unfit`].
    pub fn restore(schema: &ConfigSchema, kept: &Kept) -> Result<Restored, ConfigurationError> {
        Restored::read(schema, &kept.revision.text, &kept.secrets.0).map_err(|problems| {
            ConfigurationError::Unfit {
                number: kept.revision.number,
                problems,
            }
        })
    }

    async fn read_current(
        &self,
        name: &ModuleName,
    ) -> Result<Option<CurrentConfig>, ConfigurationError> {
        let Some(module) = self.store.module(name).await? else {
            return Ok(None);
        };
        let Some(kept) = self.kept(name).await? else {
            return Ok(None);
        };
        let schema = self.schema(&module).await?;
        let restored = Self::restore(&schema, &kept)?;
        if !restored.problems.is_empty() {
            return Err(ConfigurationError::Unfit {
                number: kept.revision.number,
                problems: restored.problems,
            });
        }
        let mut secrets = Vec::new();
        for value in kept.secrets.0.values() {
            texts(value, &mut secrets);
        }
        Ok(Some(CurrentConfig {
            revision: kept.revision.number,
            value: restored.clear,
            secrets,
        }))
    }
}

/// The texts of a secret, as they could show up in a log.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Array(entries) => entries.iter().for_each(|entry| texts(entry, found)),
        Value::Object(entries) => entries.values().for_each(|entry| texts(entry, found)),
        Value::Null | Value::Bool(_) => {}
    }
}

#[async_trait]
impl ConfigSource for Configurations {
    async fn current(&self, module: &ModuleName) -> Result<Option<CurrentConfig>, String> {
        self.read_current(module)
            .await
            .map_err(|error| error.to_string())
    }
}
