//! What the host trusts: whose keys, how many of them, and what it has seen before.

use std::collections::{BTreeMap, BTreeSet};

use bllvm_manifest::{Digest, ModuleName};
use jiff::Timestamp;

use crate::{KeyId, MAX_SIGNATURES, PublicKey, Purpose, Signatures};

/// Why keys and threshold do not make a publisher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublisherError {
    /// Spelled otherwise.
    #[error("`{0}` is no publisher's name: 1 to 128 of a-z, 0-9, `.`, `_`, `-`")]
    Name(String),
    /// Nobody could ever sign.
    #[error("a publisher needs at least one key")]
    NoKeys,
    /// More keys than a signature file may hold.
    #[error("a publisher has at most {MAX_SIGNATURES} keys")]
    TooManyKeys,
    /// The same bytes twice would count as two.
    #[error("the key {0} is there twice")]
    KeyTwice(KeyId),
    /// Nobody would have to sign.
    #[error("a threshold of 0 would trust everything: name at least 1")]
    ThresholdZero,
    /// More than can ever sign.
    #[error("a threshold of {threshold} can never be met by {keys} keys")]
    ThresholdAboveKeys {
        /// The threshold.
        threshold: usize,
        /// How many keys there are.
        keys: usize,
    },
}

/// Who signs: keys, and how many of them must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    keys: BTreeSet<PublicKey>,
    threshold: usize,
}

/// Whether a publisher's name is spelled as manifests spell it.
pub(crate) fn check_name(name: &str) -> Result<(), PublisherError> {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    if (1..=128).contains(&name.len()) && name.bytes().all(word) {
        Ok(())
    } else {
        let shown = name.chars().take(32).flat_map(char::escape_debug).collect();
        Err(PublisherError::Name(shown))
    }
}

impl Publisher {
    /// A publisher of these keys, of which so many must sign.
    ///
    /// # Errors
    /// See [`PublisherError`].
    pub fn new(keys: &[PublicKey], threshold: usize) -> Result<Self, PublisherError> {
        let mut distinct = BTreeSet::new();
        for key in keys {
            if !distinct.insert(*key) {
                return Err(PublisherError::KeyTwice(key.id()));
            }
        }
        match (distinct.len(), threshold) {
            (0, _) => Err(PublisherError::NoKeys),
            (count, _) if count > MAX_SIGNATURES => Err(PublisherError::TooManyKeys),
            (_, 0) => Err(PublisherError::ThresholdZero),
            (keys, threshold) if threshold > keys => {
                Err(PublisherError::ThresholdAboveKeys { threshold, keys })
            }
            _ => Ok(Self {
                keys: distinct,
                threshold,
            }),
        }
    }

    /// Its keys.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter()
    }

    /// How many of them must sign.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// The keys of this publisher that signed, and those that are named but whose signature does not
    /// fit the message.
    pub(crate) fn judge(
        &self,
        signatures: &Signatures,
        purpose: Purpose,
        message: &[u8],
    ) -> (BTreeSet<PublicKey>, Vec<KeyId>) {
        let named: BTreeSet<KeyId> = signatures.keys().collect();
        let (good, bad) = self
            .keys
            .iter()
            .filter(|key| named.contains(&key.id()))
            .partition::<Vec<PublicKey>, _>(|key| signatures.verifies(key, purpose, message));
        (
            good.into_iter().collect(),
            bad.iter().map(PublicKey::id).collect(),
        )
    }
}

/// The newest release of a module that this host ever took in. It outlives the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// Who signed it.
    pub publisher: String,
    /// Its number.
    pub release_seq: u64,
    /// Digest of its `module.toml`, which names every other file's.
    pub digest: Digest,
    /// Whether it is installed now.
    pub installed: bool,
}

/// Everything that a package is measured by. The host fills it; no package adds to it.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Publishers by name.
    pub publishers: BTreeMap<String, Publisher>,
    /// What was taken in before, by module.
    pub floors: BTreeMap<ModuleName, Floor>,
    /// What the clock says.
    pub now: Timestamp,
    /// The greatest time that was ever seen: a clock set back brings nothing back to life.
    pub latest_seen: Timestamp,
    /// The target triple of programs that run here.
    pub target: String,
    /// The IPC version that is spoken here.
    pub protocol: u16,
    /// The module that was asked for, where somebody asked for one.
    pub name: Option<ModuleName>,
}

impl Trust {
    /// The target triple of this program, which is that of the programs that run beside it.
    pub fn own_target() -> String {
        let libc = if cfg!(target_env = "musl") {
            "musl"
        } else {
            "gnu"
        };
        format!("{}-unknown-linux-{libc}", std::env::consts::ARCH)
    }

    /// The moment that expiry is measured by.
    pub fn moment(&self) -> Timestamp {
        self.now.max(self.latest_seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretKey;

    fn key(seed: u8) -> PublicKey {
        SecretKey::from_seed([seed; 32]).public()
    }

    #[test]
    fn a_threshold_of_none_or_of_more_than_all_is_refused() {
        let keys = [key(1), key(2)];
        assert!(Publisher::new(&keys, 2).is_ok());
        assert_eq!(Publisher::new(&keys, 0), Err(PublisherError::ThresholdZero));
        assert_eq!(
            Publisher::new(&keys, 3),
            Err(PublisherError::ThresholdAboveKeys {
                threshold: 3,
                keys: 2
            })
        );
        assert_eq!(Publisher::new(&[], 1), Err(PublisherError::NoKeys));
        assert_eq!(
            Publisher::new(&[key(1), key(1)], 2),
            Err(PublisherError::KeyTwice(key(1).id()))
        );
    }
}
