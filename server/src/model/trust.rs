//! Whom the operator trusts, and what was taken in from them.

use bllvm_manifest::Digest;
use bllvm_package::{Floor, KeyId, KeySet, PublicKey, Publisher, PublisherError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::UtcTime;

/// A publisher whose packages are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrustedPublisher {
    /// Its name, as its packages give it.
    pub name: String,
    /// Version of its keys; each rotation is the next.
    pub version: u64,
    /// How many of the keys must sign.
    pub threshold: usize,
    /// Its keys.
    pub keys: Vec<PublicKey>,
    /// Who said so last.
    pub by: String,
    /// When.
    pub changed_at: UtcTime,
}

impl TrustedPublisher {
    /// As packages and rotations are measured by it.
    ///
    /// # Errors
    /// Where keys and threshold do not fit each other.
    pub fn key_set(&self) -> Result<KeySet, PublisherError> {
        Ok(KeySet {
            name: self.name.clone(),
            version: self.version,
            publisher: Publisher::new(&self.keys, self.threshold)?,
        })
    }
}

/// The newest release of a module that was ever taken in. Uninstalling the module keeps it, so that
/// an older one with known faults cannot come in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TakenRelease {
    /// Who signed it.
    pub publisher: String,
    /// Its number.
    pub release_seq: u64,
    /// Digest of its `module.toml`, which lists every other file's.
    pub digest: Digest,
    /// The keys that signed.
    pub signed_by: Vec<KeyId>,
    /// Whether it is installed now.
    pub installed: bool,
    /// When it was taken in.
    pub taken_at: UtcTime,
}

impl From<&TakenRelease> for Floor {
    fn from(release: &TakenRelease) -> Self {
        Self {
            publisher: release.publisher.clone(),
            release_seq: release.release_seq,
            digest: release.digest,
            installed: release.installed,
        }
    }
}
