//! The folders that matter.

use std::path::PathBuf;

use bllvm_manifest::{Digest, ModuleName};

/// Folders of modules, of their data, and of cargo's programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Where modules are, each in a folder with its name.
    pub modules_dir: PathBuf,
    /// The host's data directory.
    pub data_dir: PathBuf,
    /// Where cargo puts programs, in the order they are looked at.
    pub cargo_bins: Vec<PathBuf>,
}

impl Places {
    /// A module's folder.
    pub fn module(&self, name: &ModuleName) -> PathBuf {
        self.modules_dir.join(name.as_str())
    }

    /// A module's own data.
    pub fn data(&self, name: &ModuleName) -> PathBuf {
        self.data_dir.join("module-data").join(name.as_str())
    }

    /// A registry's index that was checked, by the digest of its bytes.
    pub fn index(&self, digest: Digest) -> PathBuf {
        let name = format!("{}.json", digest.to_hex());
        self.data_dir.join("registries").join(name)
    }

    /// Where a package is fetched to, by the digest of its `module.toml`.
    pub fn download(&self, digest: Digest) -> PathBuf {
        self.data_dir.join("downloads").join(digest.to_hex())
    }

    /// Where removed folders go.
    pub fn trash(&self) -> PathBuf {
        self.data_dir.join("trash")
    }
}
