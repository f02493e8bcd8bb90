//! A registry's index: one signed file that says which releases there are, where their files lie, and
//! which of them are revoked. Plain files on a web server or in a folder; nothing runs there.
//!
//! ```text
//! index.json                 what is below, signed as a whole
//! index.sig                  signatures over its exact bytes
//! packages/hello/0.1.0-1/    a package: module.toml, module.sig and the files that it lists
//! ```
//!
//! The index vouches for no module: a package's own signature does that, at the node. It says what is
//! there, and keeps a server from showing an old state, or a release that its makers took back.

use std::collections::BTreeSet;

use bllvm_manifest::{Digest, ModuleName, RelativePath};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::listing::check_path;
use crate::verify::runs_on;
use crate::{KeyId, Publisher, Purpose, SignatureError, Signatures};

/// A larger index is refused before anything looks into it.
pub const MAX_INDEX_BYTES: u64 = 8 << 20;
/// The index's file.
pub const INDEX_FILE: &str = "index.json";
/// Its signatures' file.
pub const INDEX_SIGNATURE_FILE: &str = "index.sig";
/// The format that is written and read.
const FORMAT: u32 = 1;

/// What a registry has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Version of this format.
    pub format: u32,
    /// The registry's name.
    pub registry: String,
    /// Its number: each index has a greater one than the one before.
    pub seq: u64,
    /// From when on it is not believed any more.
    pub expires: Timestamp,
    /// Other addresses of the same files.
    #[serde(default)]
    pub mirrors: Vec<String>,
    /// Every release.
    pub releases: Vec<Listed>,
    /// Releases that nobody shall install any more.
    #[serde(default)]
    pub revoked: Vec<Revoked>,
}

/// A release as the index has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// The module.
    pub module: ModuleName,
    /// Its version.
    pub version: semver::Version,
    /// The system that it is for.
    pub target: String,
    /// The release's number.
    pub release_seq: u64,
    /// Who signs the package.
    pub publisher: String,
    /// Digest of its `module.toml`, which lists every other file's.
    pub digest: Digest,
    /// All its files together.
    pub bytes: u64,
    /// Where it lies, below the index.
    pub path: String,
    /// What it is.
    #[serde(default)]
    pub description: String,
    /// What is new.
    #[serde(default)]
    pub notes: String,
}

/// A release that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Digest of its `module.toml`.
    pub digest: Digest,
    /// Why.
    pub reason: String,
}

/// What an index is measured by. The caller keeps it; no index adds to it.
#[derive(Clone, Debug)]
pub struct IndexTrust {
    /// The registry that was asked for.
    pub registry: String,
    /// Its keys, and how many must sign.
    pub keys: Publisher,
    /// Number and digest of the newest index that was ever seen.
    pub seen: Option<(u64, Digest)>,
    /// The moment that expiry is measured by: the later of the clock and the greatest time seen.
    pub moment: Timestamp,
}

macro_rules! index_refusals {
    ($( $(#[doc = $doc:literal])+ #[error($($text:tt)+)] $code:literal =>
        $variant:ident $( { $( $(#[doc = $fdoc:literal])+ $field:ident: $type:ty, )+ } )? ; )+) => {
        /// Why an index, or what it lists, is not believed.
        #[derive(Debug, thiserror::Error)]
        #[non_exhaustive]
        pub enum IndexRefusal { $(
            $(#[doc = $doc])+ #[error($($text)+)]
            $variant $( { $( $(#[doc = $fdoc])+ $field: $type, )+ } )?,
        )+ }

        impl IndexRefusal {
            /// Every code.
            pub const CODES: &'static [&'static str] = &[$($code),+];

            /// Its code: a word that never changes.
            pub const fn code(&self) -> &'static str {
                match self { $( Self::$variant { .. } => $code, )+ }
            }
        }
    };
}

index_refusals! {
    /// More than is ever read.
    #[error("the index has more than {MAX_INDEX_BYTES} bytes; it is not read: ask who runs the registry")]
    "index_too_large" => TooLarge;
    /// Not an index.
    #[error("the index cannot be read: {why}; ask who runs the registry")]
    "index_malformed" => Malformed {
        /// What is wrong.
        why: String,
    };
    /// Signatures that cannot be read.
    #[error("index.sig cannot be read: {source}; fetch it again")]
    "index_signature_malformed" => SignatureMalformed {
        /// What is wrong.
        source: SignatureError,
    };
    /// A trusted key whose signature does not fit.
    #[error("the index is not what the key {key} signed: it was changed on its way, or fetched in the middle of a change")]
    "index_signature_invalid" => SignatureInvalid {
        /// The key.
        key: KeyId,
    };
    /// Too few of the keys that count.
    #[error("{signed} of the keys of `{registry}` signed the index, and {threshold} must: check the keys that you gave")]
    "index_threshold_not_met" => ThresholdNotMet {
        /// The registry.
        registry: String,
        /// How many signed.
        signed: usize,
        /// How many must.
        threshold: usize,
    };
    /// Another registry's.
    #[error("this is the index of `{found}`, and `{expected}` was asked for: check the address")]
    "index_of_another" => OfAnother {
        /// Asked for.
        expected: String,
        /// Found.
        found: String,
    };
    /// Older than one that was seen.
    #[error("the index has number {found}, and {seen} was seen before: the server shows an old state; try a mirror")]
    "index_rollback" => Rollback {
        /// What was seen.
        seen: u64,
        /// What came.
        found: u64,
    };
    /// Another content under a number that was seen.
    #[error("the index has number {seq} as one that was seen before, and says something else: ask who runs the registry")]
    "index_conflict" => Conflict {
        /// The number.
        seq: u64,
    };
    /// Too old to be believed.
    #[error("the index was good until {expires}, and it is {moment}: the server may hold back newer ones; try a mirror")]
    "index_expired" => Expired {
        /// Until when.
        expires: Timestamp,
        /// Measured by.
        moment: Timestamp,
    };
    /// A place outside the registry, or a strange one.
    #[error("`{path}` is no place of a package: {reason}")]
    "index_path_forbidden" => PathForbidden {
        /// The path, escaped.
        path: String,
        /// What is wrong.
        reason: &'static str,
    };
    /// The same release twice.
    #[error("release {release_seq} of `{module}` for {target} is listed twice")]
    "index_release_twice" => ReleaseTwice {
        /// The module.
        module: ModuleName,
        /// Its number.
        release_seq: u64,
        /// The system.
        target: String,
    };
    /// Nothing fits.
    #[error("`{registry}` lists no release of `{module}` that runs here ({target}) and is not revoked")]
    "release_not_listed" => NotListed {
        /// The registry.
        registry: String,
        /// The module.
        module: ModuleName,
        /// This system.
        target: String,
    };
    /// Taken back by its makers.
    #[error("{module} {version} was taken back: {reason}; choose another version")]
    "release_revoked" => Revoked {
        /// The module.
        module: ModuleName,
        /// The version.
        version: semver::Version,
        /// Why.
        reason: String,
    };
    /// Another package than the listed one.
    #[error("the package at `{path}` has {found}, and the index lists {expected}: its files are of another release")]
    "package_not_as_listed" => NotAsListed {
        /// Where.
        path: String,
        /// The listed digest.
        expected: Digest,
        /// What came.
        found: Digest,
    };
}

/// Checks an index: its size, who signed it, whether it is the one that was asked for, and not older
/// than what was seen; then every place that it names.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify_index(
    bytes: &[u8],
    signatures: &[u8],
    trust: &IndexTrust,
) -> Result<Index, IndexRefusal> {
    if bytes.len() as u64 > MAX_INDEX_BYTES {
        return Err(IndexRefusal::TooLarge);
    }
    let signatures = Signatures::parse(signatures)
        .map_err(|source| IndexRefusal::SignatureMalformed { source })?;
    let (good, bad) = trust.keys.judge(&signatures, Purpose::Index, bytes);
    if let Some(key) = bad.first() {
        return Err(IndexRefusal::SignatureInvalid { key: *key });
    }
    if good.len() < trust.keys.threshold() {
        return Err(IndexRefusal::ThresholdNotMet {
            registry: trust.registry.clone(),
            signed: good.len(),
            threshold: trust.keys.threshold(),
        });
    }
    let index = Index::parse(bytes)?;
    if index.registry != trust.registry {
        return Err(IndexRefusal::OfAnother {
            expected: trust.registry.clone(),
            found: index.registry,
        });
    }
    if let Some((seen, digest)) = trust.seen {
        if index.seq < seen {
            return Err(IndexRefusal::Rollback {
                seen,
                found: index.seq,
            });
        }
        if index.seq == seen && Digest::of(bytes) != digest {
            return Err(IndexRefusal::Conflict { seq: seen });
        }
    }
    if index.expires <= trust.moment {
        return Err(IndexRefusal::Expired {
            expires: index.expires,
            moment: trust.moment,
        });
    }
    Ok(index)
}

impl Index {
    /// A registry without any release.
    pub fn empty(registry: impl Into<String>, expires: Timestamp) -> Self {
        Self {
            format: FORMAT,
            registry: registry.into(),
            seq: 0,
            expires,
            mirrors: Vec::new(),
            releases: Vec::new(),
            revoked: Vec::new(),
        }
    }

    /// Reads an index that nobody checked yet.
    ///
    /// # Errors
    /// [`IndexRefusal::Malformed`] and what is wrong with its releases.
    pub fn parse(bytes: &[u8]) -> Result<Self, IndexRefusal> {
        let index: Self =
            serde_json::from_slice(bytes).map_err(|error| IndexRefusal::Malformed {
                why: error.to_string(),
            })?;
        if index.format != FORMAT {
            return Err(IndexRefusal::Malformed {
                why: format!("it has format {}, and {FORMAT} is read", index.format),
            });
        }
        let mut known = BTreeSet::new();
        for release in &index.releases {
            check_place(&release.path)?;
            if !known.insert((&release.module, &release.target, release.release_seq)) {
                return Err(IndexRefusal::ReleaseTwice {
                    module: release.module.clone(),
                    release_seq: release.release_seq,
                    target: release.target.clone(),
                });
            }
        }
        Ok(index)
    }

    /// Its bytes, as they are signed and stored.
    ///
    /// # Panics
    /// Never: an index can be written.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("an index can be written");
        bytes.push(b'\n');
        bytes
    }

    /// The newest release of a module that runs on a system, or the one of a version.
    ///
    /// # Errors
    /// Where there is none, or it was taken back.
    pub fn find(
        &self,
        module: &ModuleName,
        version: Option<&semver::Version>,
        target: &str,
    ) -> Result<&Listed, IndexRefusal> {
        let runs = |release: &&Listed| {
            release.module == *module
                && runs_on(&release.target, target)
                && version.is_none_or(|version| release.version == *version)
        };
        let fits: Vec<&Listed> = self.releases.iter().filter(runs).collect();
        let alive = fits.iter().filter(|one| self.why_revoked(one).is_none());
        if let Some(newest) = alive.max_by_key(|one| one.release_seq) {
            return Ok(newest);
        }
        match fits
            .first()
            .and_then(|one| Some((one, self.why_revoked(one)?)))
        {
            Some((release, reason)) => Err(IndexRefusal::Revoked {
                module: module.clone(),
                version: release.version.clone(),
                reason: reason.to_owned(),
            }),
            None => Err(self.not_listed(module, target)),
        }
    }

    /// Why a release was taken back; none where it was not.
    pub fn why_revoked(&self, release: &Listed) -> Option<&str> {
        let found = self.revoked.iter().find(|one| one.digest == release.digest);
        found.map(|one| one.reason.as_str())
    }

    fn not_listed(&self, module: &ModuleName, target: &str) -> IndexRefusal {
        IndexRefusal::NotListed {
            registry: self.registry.clone(),
            module: module.clone(),
            target: target.to_owned(),
        }
    }
}

impl Listed {
    /// Whether it is for a system, such as [`crate::Trust::own_target`].
    pub fn runs_on(&self, target: &str) -> bool {
        runs_on(&self.target, target)
    }

    /// Checks that the bytes of a `module.toml` are those of this release.
    ///
    /// # Errors
    /// [`IndexRefusal::NotAsListed`].
    pub fn check(&self, manifest: &[u8]) -> Result<(), IndexRefusal> {
        let found = Digest::of(manifest);
        if found == self.digest {
            return Ok(());
        }
        Err(IndexRefusal::NotAsListed {
            path: self.path.clone(),
            expected: self.digest,
            found,
        })
    }
}

/// A place below the index, spelled as packages spell their paths.
fn check_place(path: &str) -> Result<(), IndexRefusal> {
    let refused = |reason| IndexRefusal::PathForbidden {
        path: path
            .chars()
            .take(200)
            .flat_map(char::escape_debug)
            .collect(),
        reason,
    };
    RelativePath::new(path).map_err(|_| refused("it leads out of the registry"))?;
    check_path(path).map_err(refused)
}
