//! Why a registry could not be read, in words and as a code.

use std::io;
use std::path::{Path, PathBuf};

use bllvm_manifest::Digest;
use bllvm_package::{IndexRefusal, Refusal};

/// Why a registry could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Not an address that is read.
    #[error("{address}: {why}; give http://, https://, or the full path of a folder")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong.
        why: &'static str,
    },
    /// No address at all.
    #[error("the registry has no address; add it again with one")]
    NoSource,
    /// Nobody answered, or with something else.
    #[error("{url}: {why}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What happened, and the way out.
        why: String,
    },
    /// Larger than anything that is read.
    #[error("{path} has more than {limit} bytes; it is not read: ask who runs the registry")]
    TooLarge {
        /// Which file.
        path: String,
        /// The limit.
        limit: u64,
    },
    /// A `module.toml` that cannot be used.
    #[error("{path}: {why}")]
    Manifest {
        /// Which file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Not what was listed.
    #[error("{path} is {found}, and {expected} is listed: try a mirror")]
    FileDigest {
        /// Which file.
        path: String,
        /// The listed digest.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// A file that the system refused.
    #[error("{}: {source}", path.display())]
    Files {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An index that is not believed.
    #[error(transparent)]
    Index(#[from] IndexRefusal),
    /// A package whose list of files is refused.
    #[error(transparent)]
    Package(#[from] Refusal),
}

impl RegistryError {
    /// Its code: a word that never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address { .. } | Self::NoSource => "invalid_address",
            Self::Unreachable { .. } => "registry_unreachable",
            Self::TooLarge { .. } => "index_too_large",
            Self::Manifest { .. } => "invalid_manifest",
            Self::FileDigest { .. } => "file_digest_mismatch",
            Self::Files { .. } => "registry_files",
            Self::Index(refusal) => refusal.code(),
            Self::Package(refusal) => refusal.code(),
        }
    }

    /// Whether another attempt may go on where this one ended.
    pub(crate) fn broke_off(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// Names the file that the system refused.
pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> RegistryError + '_ {
    move |source| RegistryError::Files {
        path: path.to_owned(),
        source,
    }
}
