//! A publisher's keys as a document that is signed: how keys are exchanged for others.
//!
//! ```text
//! bllvm-publisher-keys 1
//! publisher example.org
//! version 2
//! threshold 2
//! key ed25519:…
//! key ed25519:…
//! ```
//!
//! A host takes it over only when as many of the *old* keys signed it as the old threshold says,
//! and as many of the *new* ones as the new one says: the old ones say that they agree, the new
//! ones prove that somebody has them.

use std::fmt;

use crate::trust::check_name;
use crate::{Publisher, PublisherError, Purpose, Signatures};

/// A larger document is refused before anything looks into it.
const MAX_BYTES: usize = 4096;
const HEAD: &str = "bllvm-publisher-keys 1";

/// Why keys were not taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Not such a document.
    #[error("line {line}: expected {expected}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// Too large to be one.
    #[error("it has {0} bytes; at most {MAX_BYTES} are read")]
    TooLarge(usize),
    /// Keys and threshold that make no publisher.
    #[error(transparent)]
    Publisher(#[from] PublisherError),
    /// The keys of somebody else.
    #[error("these are the keys of `{found}`, not of `{expected}`")]
    OtherPublisher {
        /// Whose keys were to change.
        expected: String,
        /// Whose they are.
        found: String,
    },
    /// An older document, or one that skips.
    #[error("its version is {found}, and {expected} comes next")]
    Version {
        /// The next one.
        expected: u64,
        /// The document's.
        found: u64,
    },
    /// The present keys did not agree.
    #[error(
        "{signed} of the present keys signed it, and {threshold} are needed: have their holders run `cargo bllvm-module sign`"
    )]
    OldThreshold {
        /// How many signed.
        signed: usize,
        /// How many are needed.
        threshold: usize,
    },
    /// The new keys were not shown to be there.
    #[error(
        "{signed} of the new keys signed it, and {threshold} are needed: have their holders run `cargo bllvm-module sign`"
    )]
    NewThreshold {
        /// How many signed.
        signed: usize,
        /// How many are needed.
        threshold: usize,
    },
}

impl KeySetError {
    /// A word for it that never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Line { .. } | Self::TooLarge(_) => "keys_malformed",
            Self::Publisher(_) => "threshold_invalid",
            Self::OtherPublisher { .. } => "keys_of_another",
            Self::Version { .. } => "keys_version",
            Self::OldThreshold { .. } => "rotation_lacks_old_keys",
            Self::NewThreshold { .. } => "rotation_lacks_new_keys",
        }
    }
}

/// A publisher's keys at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    /// The publisher's name.
    pub name: String,
    /// Grows by one with each rotation.
    pub version: u64,
    /// Keys and threshold.
    pub publisher: Publisher,
}

impl KeySet {
    /// Reads a document; what it says is not yet to be believed.
    ///
    /// # Errors
    /// See [`KeySetError`].
    pub fn parse(text: &str) -> Result<Self, KeySetError> {
        if text.len() > MAX_BYTES {
            return Err(KeySetError::TooLarge(text.len()));
        }
        let mut lines = (1..).zip(text.split_inclusive('\n'));
        let mut next = |prefix: &'static str, expected: &'static str| {
            let (line, text) = lines.next().unwrap_or_default();
            text.strip_suffix('\n')
                .and_then(|text| text.strip_prefix(prefix))
                .ok_or(KeySetError::Line { line, expected })
        };
        if !next(HEAD, "`bllvm-publisher-keys 1`")?.is_empty() {
            return Err(KeySetError::Line {
                line: 1,
                expected: "`bllvm-publisher-keys 1`",
            });
        }
        let name = next("publisher ", "`publisher <name>`")?.to_owned();
        check_name(&name)?;
        let version = number(next("version ", "`version <number>`")?);
        let version = version.ok_or(KeySetError::Line {
            line: 3,
            expected: "`version <number>`",
        })?;
        let threshold = number(next("threshold ", "`threshold <number>`")?)
            .and_then(|threshold| usize::try_from(threshold).ok())
            .ok_or(KeySetError::Line {
                line: 4,
                expected: "`threshold <number>`",
            })?;
        let mut keys = Vec::new();
        for (line, text) in lines {
            let expected = "`key ed25519:<64 hex digits>`";
            let key = text
                .strip_suffix('\n')
                .and_then(|text| text.strip_prefix("key "))
                .and_then(|key| key.parse().ok())
                .ok_or(KeySetError::Line { line, expected })?;
            keys.push(key);
        }
        let publisher = Publisher::new(&keys, threshold)?;
        Ok(Self {
            name,
            version,
            publisher,
        })
    }

    /// Takes over new keys, where both old and new ones signed them.
    ///
    /// # Errors
    /// See [`KeySetError`].
    pub fn rotate(&self, document: &str, signatures: &Signatures) -> Result<Self, KeySetError> {
        let new = Self::parse(document)?;
        if new.name != self.name {
            return Err(KeySetError::OtherPublisher {
                expected: self.name.clone(),
                found: new.name,
            });
        }
        let expected = self.version.saturating_add(1);
        if new.version != expected {
            return Err(KeySetError::Version {
                expected,
                found: new.version,
            });
        }
        let signed = |publisher: &Publisher| {
            let (good, _) = publisher.judge(signatures, Purpose::KeySet, document.as_bytes());
            (good.len(), publisher.threshold())
        };
        match (signed(&self.publisher), signed(&new.publisher)) {
            ((signed, threshold), _) if signed < threshold => {
                Err(KeySetError::OldThreshold { signed, threshold })
            }
            (_, (signed, threshold)) if signed < threshold => {
                Err(KeySetError::NewThreshold { signed, threshold })
            }
            _ => Ok(new),
        }
    }
}

/// One spelling: no sign, no leading zero.
fn number(text: &str) -> Option<u64> {
    let value: u64 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

impl fmt::Display for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}")?;
        writeln!(f, "publisher {}", self.name)?;
        writeln!(f, "version {}", self.version)?;
        writeln!(f, "threshold {}", self.publisher.threshold())?;
        for key in self.publisher.keys() {
            writeln!(f, "key {key}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretKey;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed([seed; 32])
    }

    fn set(version: u64, seeds: &[u8], threshold: usize) -> KeySet {
        let keys: Vec<_> = seeds.iter().map(|seed| key(*seed).public()).collect();
        KeySet {
            name: "example.org".to_owned(),
            version,
            publisher: Publisher::new(&keys, threshold).unwrap(),
        }
    }

    fn rotated(old: &KeySet, new: &KeySet, signers: &[u8]) -> Result<KeySet, KeySetError> {
        let document = new.to_string();
        let mut signatures = Signatures::default();
        for seed in signers {
            signatures
                .add(&key(*seed), Purpose::KeySet, document.as_bytes())
                .unwrap();
        }
        old.rotate(&document, &signatures)
    }

    #[test]
    fn a_rotation_needs_the_old_threshold_and_the_new_one() {
        let (old, new) = (set(1, &[1, 2, 3], 2), set(2, &[4, 5], 2));
        assert_eq!(rotated(&old, &new, &[1, 2, 4, 5]), Ok(new.clone()));
        let code = |signers: &[u8]| rotated(&old, &new, signers).unwrap_err().code();
        assert_eq!(code(&[4, 5]), "rotation_lacks_old_keys");
        assert_eq!(code(&[1, 4, 5]), "rotation_lacks_old_keys");
        assert_eq!(code(&[1, 2, 3]), "rotation_lacks_new_keys");
        assert_eq!(code(&[1, 2, 4]), "rotation_lacks_new_keys");
    }

    #[test]
    fn a_key_that_stays_counts_on_both_sides() {
        let (old, new) = (set(1, &[1, 2], 2), set(2, &[1, 2, 3], 2));
        assert_eq!(rotated(&old, &new, &[1, 2]), Ok(new));
    }

    #[test]
    fn versions_go_up_by_one_and_names_stay() {
        let old = set(2, &[1], 1);
        for version in [1, 2, 4] {
            let error = rotated(&old, &set(version, &[1], 1), &[1]).unwrap_err();
            assert_eq!(error.code(), "keys_version");
        }
        let mut other = set(3, &[1], 1);
        other.name = "example.com".to_owned();
        assert_eq!(
            rotated(&old, &other, &[1]).unwrap_err().code(),
            "keys_of_another"
        );
    }

    #[test]
    fn a_signature_for_other_keys_says_nothing() {
        let (old, new) = (set(1, &[1], 1), set(2, &[1, 2], 1));
        let mut signatures = Signatures::default();
        signatures
            .add(
                &key(1),
                Purpose::KeySet,
                set(2, &[1, 3], 1).to_string().as_bytes(),
            )
            .unwrap();
        let error = old.rotate(&new.to_string(), &signatures).unwrap_err();
        assert_eq!(error.code(), "rotation_lacks_old_keys");
    }

    #[test]
    fn broken_documents_name_their_line() {
        let good = set(2, &[1, 2], 1).to_string();
        assert_eq!(KeySet::parse(&good).unwrap(), set(2, &[1, 2], 1));
        for (from, to, part) in [
            ("keys 1", "keys 2", "line 1"),
            ("keys 1", "keys 1 ", "line 1"),
            ("publisher ex", "publisher Ex", "no publisher's name"),
            ("version 2", "version 02", "line 3"),
            ("threshold 1", "threshold +1", "line 4"),
            ("threshold 1", "threshold 0", "threshold of 0"),
            ("threshold 1", "threshold 3", "never be met"),
            ("key ed25519", "key ed448", "line 5"),
        ] {
            let error = KeySet::parse(&good.replacen(from, to, 1)).unwrap_err();
            assert!(error.to_string().contains(part), "{to}: {error}");
        }
        assert!(KeySet::parse(good.trim_end()).is_err());
    }
}
