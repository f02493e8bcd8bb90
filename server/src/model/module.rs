//! An installed or discovered module.

use bllvm_manifest::{Digest, Manifest, ModuleName};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use utoipa::ToSchema;

use super::{DesiredState, UtcTime};

/// Where a module came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A directory that a person put into the modules directory.
    Directory,
    /// A folder that an operator named in an install.
    Folder,
    /// A binary in cargo's bin folder, described by its ELF section.
    Cargo,
}

/// How far the host vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrustClass {
    /// As many keys of a publisher that the operator trusts as must have signed it.
    Signed,
    /// Unsigned: runs only after an operator confirmed its digest.
    Local,
}

/// A module as the store keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// Its name.
    pub name: ModuleName,
    /// Its manifest, as read when the module was last found.
    pub manifest: Manifest,
    /// Its directory.
    pub dir: PathBuf,
    /// Where it came from.
    pub source: Source,
    /// How far the host vouches for it.
    pub trust: TrustClass,
    /// Digest of its binary (or script) as found; none where it is missing.
    pub digest: Option<Digest>,
    /// The digest that an operator confirmed; what runs must equal it.
    pub confirmed: Option<Digest>,
    /// What an operator wants.
    pub desired: DesiredState,
    /// Whether it may be loaded at all.
    pub enabled: bool,
    /// Why it cannot be loaded as found, in words for an operator (missing binary, bad manifest, …).
    pub problem: Option<String>,
    /// The configuration revision that applies.
    pub revision: Option<u64>,
    /// When it was first found.
    pub found_at: UtcTime,
    /// When its row last changed.
    pub changed_at: UtcTime,
}

impl Module {
    /// Found, and waiting for an operator's word.
    pub fn is_waiting(&self) -> bool {
        self.confirmed.is_none()
    }
}
