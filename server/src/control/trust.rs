//! Whom the operator trusts: publishers added, their keys exchanged, removed; and the measure that
//! packages are held to.

use std::collections::BTreeMap;

use bllvm_manifest::ModuleName;
use bllvm_package::{Floor, KeySet, PublicKey, Publisher, Signatures, Trust};

use super::{Control, ControlError};
use crate::model::{Actor, TrustedPublisher};
use crate::store::StoreError;
use crate::store::commands::{
    AddPublisher, ForgetRelease, RemovePublisher, RotatePublisher, SeeTime, actions,
};

/// A publisher that an operator begins to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPublisher {
    /// Its name, as its packages give it.
    pub name: String,
    /// Its keys, as the operator heard them from it.
    pub keys: Vec<PublicKey>,
    /// How many of them must sign.
    pub threshold: usize,
    /// Which version of its keys these are.
    pub version: u64,
}

impl Control {
    /// Trusts a publisher.
    ///
    /// # Errors
    /// Where keys and threshold do not fit each other, or it is trusted already.
    pub async fn add_publisher(
        &self,
        new: NewPublisher,
        by: &Actor,
    ) -> Result<TrustedPublisher, ControlError> {
        let target = shown(&new.name);
        let verb = async {
            let publisher = Publisher::new(&new.keys, new.threshold)
                .map_err(|error| refused("threshold_invalid", &error))?;
            let set = KeySet {
                name: new.name,
                version: new.version,
                publisher,
            };
            // Reading it back checks the name by the same rule as a rotation's.
            let keys =
                KeySet::parse(&set.to_string()).map_err(|error| refused(error.code(), &error))?;
            let by = by.clone();
            Ok(self.store().commit(AddPublisher { keys, by }).await?)
        };
        self.audited(actions::ADD_PUBLISHER, target, by, verb).await
    }

    /// Takes over a publisher's new keys, which old and new ones have signed.
    ///
    /// # Errors
    /// Where it is not known, or too few keys of either side signed.
    pub async fn rotate_publisher(
        &self,
        name: &str,
        document: String,
        signatures: &str,
        by: &Actor,
    ) -> Result<TrustedPublisher, ControlError> {
        let verb = async {
            let signatures = Signatures::parse(signatures.as_bytes())
                .map_err(|error| refused("signature_malformed", &error))?;
            let rotate = RotatePublisher {
                name: name.to_owned(),
                document,
                signatures,
                by: by.clone(),
            };
            self.store()
                .commit(rotate)
                .await
                .map_err(|error| match error {
                    StoreError::Refused { code, detail } => ControlError::Package {
                        reason: code,
                        detail,
                    },
                    other => other.into(),
                })
        };
        self.audited(actions::ROTATE_PUBLISHER, shown(name), by, verb)
            .await
    }

    /// Trusts a publisher no more. What was installed stays.
    ///
    /// # Errors
    /// Where it is not known.
    pub async fn remove_publisher(&self, name: &str, by: &Actor) -> Result<(), ControlError> {
        let verb = async {
            let remove = RemovePublisher {
                name: name.to_owned(),
                by: by.clone(),
            };
            Ok(self.store().commit(remove).await?)
        };
        self.audited(actions::REMOVE_PUBLISHER, shown(name), by, verb)
            .await
    }

    /// Forgets the release of a module that is not installed, so that any may come.
    ///
    /// # Errors
    /// Where none is remembered, or the module is installed.
    pub async fn forget_release(
        &self,
        module: &ModuleName,
        by: &Actor,
    ) -> Result<(), ControlError> {
        let verb = async {
            let forget = ForgetRelease {
                module: module.clone(),
                by: by.clone(),
            };
            Ok(self.store().commit(forget).await?)
        };
        self.audited(actions::FORGET_RELEASE, module, by, verb)
            .await
    }

    /// What a package is measured by, now.
    pub(super) async fn trust(&self) -> Result<Trust, ControlError> {
        let store = self.store();
        store.commit(SeeTime).await?;
        let now = store.clock().now();
        let latest = store.latest_seen().await?.unwrap_or(now);
        let mut publishers = BTreeMap::new();
        for (name, publisher) in store.publishers().await? {
            // Checked when it was added; one that does not fit any more vouches for nothing.
            if let Ok(set) = publisher.key_set() {
                publishers.insert(name, set.publisher);
            }
        }
        let releases = store.releases().await?;
        Ok(Trust {
            publishers,
            floors: releases
                .iter()
                .map(|(module, release)| (module.clone(), Floor::from(release)))
                .collect(),
            now: moment(now.unix_ms()),
            latest_seen: moment(latest.unix_ms()),
            target: Trust::own_target(),
            protocol: *bllvm_ipc::PROTOCOL_VERSIONS.end(),
            name: None,
        })
    }
}

/// A time beyond the calendar is later than any package.
fn moment(unix_ms: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::MAX)
}

fn refused(reason: &'static str, error: &dyn std::fmt::Display) -> ControlError {
    ControlError::Package {
        reason,
        detail: error.to_string(),
    }
}

/// A stranger's name, short enough for the audit trail.
fn shown(name: &str) -> String {
    name.chars()
        .take(128)
        .flat_map(char::escape_debug)
        .collect()
}
