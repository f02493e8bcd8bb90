//! Which versions of a module are kept, and which of them is in place.

use std::collections::BTreeMap;

use bllvm_manifest::{Digest, Manifest, ModuleName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Grant, Id, TrustClass, UtcTime};

/// A version that lies in the store, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptVersion {
    /// Digest of all its files: where it lies in the store.
    pub key: Digest,
    /// Its version.
    #[schema(value_type = String)]
    pub version: semver::Version,
    /// Digest of its program.
    pub program: Digest,
    /// How far the host vouched for it.
    pub trust: TrustClass,
    /// Digest of its `module.toml`, where a publisher signed it.
    pub package: Option<Digest>,
    /// Who vouched for it, in words.
    pub vouched_for: String,
    /// The rights that it had.
    pub grant: Grant,
    /// When it was taken in.
    pub taken_at: UtcTime,
}

/// The versions of one module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The one that is in place; none where it was never kept.
    pub current: Option<KeptVersion>,
    /// The one before, which a rollback brings back.
    pub previous: Option<KeptVersion>,
    /// Who pinned it to its version.
    pub pinned_by: Option<String>,
    /// The operation whose change is recorded and not yet known to work.
    pub on_trial: Option<Id>,
}

/// All modules' versions.
pub type AllVersions = BTreeMap<ModuleName, Versions>;

/// What an upgrade would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpgradePlan {
    /// The module.
    #[schema(value_type = String)]
    pub module: ModuleName,
    /// The version that is in place.
    #[schema(value_type = String)]
    pub from: semver::Version,
    /// The version that would be.
    #[schema(value_type = String)]
    pub to: semver::Version,
    /// Digest of the new program.
    pub digest: Digest,
    /// Who vouches for it.
    pub vouched_for: String,
    /// What is at stake, with its reasons.
    pub rating: String,
    /// What it asks for beyond what the module has; none of it is given without a word.
    pub asks_for_more: Vec<String>,
    /// What the module has and the new version does not ask for any more.
    pub asks_no_more_for: Vec<String>,
    /// What becomes of its data.
    pub data: DataChange,
    /// What happens, in words.
    pub steps: Vec<String>,
}

/// What becomes of a module's data when its version changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataChange {
    /// Both versions read it.
    Shared,
    /// The old version could not read what the new one writes: a copy is kept for the way back.
    Copied,
}

/// Whether two versions read each other's data, by what the newer one says.
pub fn shares_data(one: &Manifest, other: &Manifest) -> bool {
    let (older, newer) = if one.version <= other.version {
        (one, other)
    } else {
        (other, one)
    };
    hands_back_to(newer, &older.version)
}

/// Whether an older version reads what a newer one writes.
pub fn hands_back_to(newer: &Manifest, older: &semver::Version) -> bool {
    let oldest = newer.data.compatible_from.as_ref();
    *older == newer.version || oldest.is_some_and(|oldest| oldest <= older)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(version: &str, more: &str) -> Manifest {
        format!("name = \"m\"\nversion = \"{version}\"\nentry_point = \"m\"\n{more}")
            .parse()
            .unwrap()
    }

    #[test]
    fn the_newer_version_says_how_far_back_its_data_is_read() {
        let old = manifest("1.0.0", "");
        let silent = manifest("1.1.0", "");
        let open = manifest("1.1.0", "[data]\ncompatible_from = \"1.0.0\"\n");
        let half = manifest("2.0.0", "[data]\ncompatible_from = \"1.1.0\"\n");
        assert!(shares_data(&old, &old));
        assert!(!shares_data(&old, &silent));
        assert!(shares_data(&old, &open) && shares_data(&open, &old));
        assert!(!shares_data(&half, &old) && shares_data(&half, &open));
    }
}
