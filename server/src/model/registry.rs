//! Registries that the operator added, and what they have.

use bllvm_manifest::{Digest, ModuleName};
use bllvm_package::PublicKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Rating, UtcTime};

/// A registry that the operator added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KnownRegistry {
    /// Its name, as its index gives it.
    pub name: String,
    /// Folders and addresses that have its files; they are tried in this order.
    pub addresses: Vec<String>,
    /// How many of its keys must have signed the index.
    pub threshold: usize,
    /// Its keys.
    pub keys: Vec<PublicKey>,
    /// Who added it.
    pub by: String,
    /// When.
    pub added_at: UtcTime,
    /// The newest index that was ever seen; no older one comes after it.
    pub seen: Option<SeenIndex>,
}

/// An index that was checked, and that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeenIndex {
    /// Its number.
    pub seq: u64,
    /// Digest of its bytes.
    pub digest: Digest,
    /// How many releases it lists.
    pub releases: usize,
    /// From when on nothing is installed by it.
    #[schema(value_type = String, format = DateTime)]
    pub expires: String,
    /// When it was last fetched.
    pub fetched_at: UtcTime,
}

/// What an operator can do with a listed module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// It can be installed.
    Available,
    /// Its newest release is installed.
    Installed,
    /// A newer release than the installed one is listed.
    Upgrade,
    /// A newer release is listed, and the module is held at its version.
    Held,
    /// The installed release, or all that would run here, were taken back.
    Revoked,
    /// No release runs on this system.
    OtherSystem,
}

/// A module as a registry lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogEntry {
    /// Which registry.
    pub registry: String,
    /// The module.
    #[schema(value_type = String)]
    pub module: ModuleName,
    /// What it is.
    pub description: String,
    /// The newest version that runs here and was not taken back; else the newest listed.
    pub version: String,
    /// What is new in it.
    pub notes: String,
    /// All its files together, in bytes.
    pub bytes: u64,
    /// Digest of its `module.toml`.
    pub digest: Digest,
    /// Who signs its packages.
    pub publisher: String,
    /// Whether that publisher is trusted here. Without, it installs only as a module that nobody signed.
    pub publisher_trusted: bool,
    /// The version that is installed.
    pub installed: Option<String>,
    /// What can be done with it.
    pub state: Availability,
    /// Why the installed release, or all that would run here, were taken back.
    pub revoked: Option<String>,
}

/// A release of a module, as a registry lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogRelease {
    /// Its version.
    pub version: String,
    /// Its number.
    pub release_seq: u64,
    /// The system that it is for.
    pub target: String,
    /// Whether that is this one.
    pub runs_here: bool,
    /// All its files together, in bytes.
    pub bytes: u64,
    /// Digest of its `module.toml`.
    pub digest: Digest,
    /// What is new in it.
    pub notes: String,
    /// Why it was taken back.
    pub revoked: Option<String>,
}

/// A listed module with its releases, and what the newest would ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogModule {
    /// The module.
    pub entry: CatalogEntry,
    /// Every release, the newest first.
    pub releases: Vec<CatalogRelease>,
    /// The capabilities that it would ask for; none where its manifest could not be fetched.
    pub asks: Option<Vec<String>>,
    /// What is at stake, with the reasons.
    pub rating: Option<Rating>,
    /// Why its manifest could not be fetched.
    pub problem: Option<String>,
}

/// An installed module whose release was taken back by its makers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevokedModule {
    /// The module.
    #[schema(value_type = String)]
    pub module: ModuleName,
    /// Which registry says so.
    pub registry: String,
    /// Why.
    pub reason: String,
}
