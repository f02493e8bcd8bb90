//! A module's data, kept aside when a version comes that the old one could not hand back to: its
//! directory and its values in the host's storage. Going back brings them back.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, lchown, symlink};
use std::path::{Path, PathBuf};

use bllvm_manifest::{Manifest, ModuleName};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::model::hands_back_to;
use crate::store::commands::StorageTransaction;
use crate::store::{StorageChange, Store, StoreError};

/// Values that are read at once.
const PAGE: u32 = 500;
const FILES: &str = "files";
const VALUES: &str = "values.json";

/// Why data could not be kept or brought back.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What happened to the data before a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Both versions read it.
    Nothing,
    /// A copy was kept for the version that ran before.
    Kept,
    /// The copy of an earlier version was brought back.
    BroughtBack,
}

/// The copies of all modules.
#[derive(Clone, Debug)]
pub struct Snapshots {
    data_dir: PathBuf,
    store: Store,
}

#[derive(Serialize, Deserialize)]
struct Value {
    key: String,
    value: String,
}

impl Snapshots {
    /// Copies lie in `snapshots/` of the host's data directory.
    pub fn new(data_dir: PathBuf, store: Store) -> Self {
        Self { data_dir, store }
    }

    fn folder(&self, name: &ModuleName, version: &Version) -> PathBuf {
        let all = self.data_dir.join("snapshots").join(name.as_str());
        all.join(version.to_string())
    }

    fn data(&self, name: &ModuleName) -> PathBuf {
        self.data_dir.join("module-data").join(name.as_str())
    }

    /// Whether there is a copy of the data as a version left it.
    pub fn has(&self, name: &ModuleName, version: &Version) -> bool {
        self.folder(name, version).is_dir()
    }

    /// Removes all copies of a module's data.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub async fn remove(&self, name: &ModuleName) -> Result<(), SnapshotError> {
        let all = self.data_dir.join("snapshots").join(name.as_str());
        blocking(move || remove(&all)).await
    }

    /// Makes the data fit the version that starts next, after another one ran.
    ///
    /// # Errors
    /// See [`SnapshotError`]; the data is as it was then.
    pub async fn prepare(&self, ran: &Version, next: &Manifest) -> Result<Done, SnapshotError> {
        let name = &next.name;
        if *ran == next.version {
            return Ok(Done::Nothing);
        }
        if *ran < next.version {
            if hands_back_to(next, ran) {
                return Ok(Done::Nothing);
            }
            self.keep(name, ran).await?;
            return Ok(Done::Kept);
        }
        // A copy is there exactly where the newer one could not hand its data back.
        if !self.has(name, &next.version) {
            return Ok(Done::Nothing);
        }
        self.keep(name, ran).await?;
        self.bring_back(name, &next.version).await?;
        Ok(Done::BroughtBack)
    }

    /// Keeps a copy of the data as a version left it, and none of earlier copies of that version.
    async fn keep(&self, name: &ModuleName, version: &Version) -> Result<(), SnapshotError> {
        let values = self.values(name).await?;
        let (target, data) = (self.folder(name, version), self.data(name));
        blocking(move || {
            let beside = target.with_extension("new");
            remove(&beside)?;
            make_private(&beside)?;
            copy_tree(&data, &beside.join(FILES))?;
            write_synced(&beside.join(VALUES), &values)?;
            sync(&beside)?;
            remove(&target)?;
            at(&target, fs::rename(&beside, &target))?;
            target.parent().map_or(Ok(()), sync)
        })
        .await
    }

    /// Brings a copy back: the directory by an exchange of names, then the values.
    async fn bring_back(&self, name: &ModuleName, version: &Version) -> Result<(), SnapshotError> {
        let (source, data) = (self.folder(name, version), self.data(name));
        let values = blocking(move || {
            let beside = data.with_file_name(format!(
                "{}{}",
                super::asker::SCRATCH,
                data.file_name().unwrap_or_default().to_string_lossy()
            ));
            remove(&beside)?;
            copy_tree(&source.join(FILES), &beside)?;
            if data.exists() {
                let exchanged = rustix::fs::renameat_with(
                    rustix::fs::CWD,
                    &beside,
                    rustix::fs::CWD,
                    &data,
                    rustix::fs::RenameFlags::EXCHANGE,
                );
                at(&data, exchanged.map_err(io::Error::from))?;
            } else if beside.exists() {
                at(&data, fs::rename(&beside, &data))?;
            }
            data.parent().map_or(Ok(()), sync)?;
            remove(&beside)?;
            at(&source, fs::read(source.join(VALUES)))
        })
        .await?;
        let values: Vec<Value> = at(
            Path::new(VALUES),
            serde_json::from_slice(&values).map_err(Into::into),
        )?;
        let mut changes: Vec<StorageChange> = self
            .entries(name)
            .await?
            .into_iter()
            .map(|entry| StorageChange {
                key: entry.0,
                value: None,
            })
            .collect();
        let decode = |text: &str| hex::decode(text).unwrap_or_default();
        changes.extend(values.iter().map(|one| StorageChange {
            key: decode(&one.key),
            value: Some(decode(&one.value)),
        }));
        let transaction = StorageTransaction {
            module: name.clone(),
            changes,
            quota: u64::MAX,
        };
        Ok(self.store.commit(transaction).await?)
    }

    async fn values(&self, name: &ModuleName) -> Result<Vec<u8>, SnapshotError> {
        let entries = self.entries(name).await?;
        let values: Vec<Value> = entries
            .iter()
            .map(|(key, value)| Value {
                key: hex::encode(key),
                value: hex::encode(value),
            })
            .collect();
        at(
            Path::new(VALUES),
            serde_json::to_vec(&values).map_err(Into::into),
        )
    }

    async fn entries(&self, name: &ModuleName) -> Result<Vec<(Vec<u8>, Vec<u8>)>, SnapshotError> {
        let mut all: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        loop {
            let after = all.last().map(|(key, _)| key.clone());
            let (page, more) = self
                .store
                .storage_scan(name, b"", after.as_deref(), PAGE)
                .await?;
            all.extend(page.into_iter().map(|entry| (entry.key, entry.value)));
            if !more {
                return Ok(all);
            }
        }
    }
}

fn at<T>(path: &Path, outcome: io::Result<T>) -> Result<T, SnapshotError> {
    outcome.map_err(|source| SnapshotError::Io {
        path: path.to_owned(),
        source,
    })
}

fn remove(path: &Path) -> Result<(), SnapshotError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => at(path, Err(error)),
        _ => Ok(()),
    }
}

fn make_private(path: &Path) -> Result<(), SnapshotError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    at(path, made)
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), SnapshotError> {
    at(path, fs::write(path, bytes))?;
    sync(path)
}

fn sync(path: &Path) -> Result<(), SnapshotError> {
    at(path, File::open(path).and_then(|file| file.sync_all()))
}

/// Copies folders, files and links with their owners; what is neither is left out: sockets and pipes
/// are made anew by whoever needs them. A folder that is not there leaves an empty copy.
pub fn copy_tree(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    make_private(to)?;
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => at(from, entries)?,
    };
    for entry in entries {
        let entry = at(from, entry)?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = at(&path, entry.file_type())?;
        if kind.is_dir() {
            copy_tree(&path, &target)?;
        } else if kind.is_symlink() {
            at(
                &target,
                fs::read_link(&path).and_then(|led| symlink(led, &target)),
            )?;
            keep_owner(&path, &target)?;
        } else if kind.is_file() {
            at(&path, fs::copy(&path, &target))?;
            keep_owner(&path, &target)?;
            sync(&target)?;
        }
    }
    let mode = at(from, fs::metadata(from))?.permissions();
    at(to, fs::set_permissions(to, mode))?;
    keep_owner(from, to)?;
    sync(to)
}

fn keep_owner(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    let owner = at(from, from.symlink_metadata())?;
    let copy = at(to, to.symlink_metadata())?;
    if (owner.uid(), owner.gid()) == (copy.uid(), copy.gid()) {
        return Ok(());
    }
    at(to, lchown(to, Some(owner.uid()), Some(owner.gid())))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> Result<T, SnapshotError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| at(Path::new("snapshots"), Err(io::Error::other(error))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;

    fn manifest(version: &str, more: &str) -> Manifest {
        format!("name = \"m\"\nversion = \"{version}\"\nentry_point = \"m\"\n{more}")
            .parse()
            .unwrap()
    }

    async fn set(store: &Store, value: &[u8]) {
        let transaction = StorageTransaction {
            module: "m".parse().unwrap(),
            changes: vec![StorageChange {
                key: b"k".to_vec(),
                value: Some(value.to_vec()),
            }],
            quota: u64::MAX,
        };
        store.commit(transaction).await.unwrap();
    }

    #[tokio::test]
    async fn data_goes_back_with_the_version_that_cannot_read_it_and_only_then() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Arc::new(SystemClock))
            .await
            .unwrap();
        let snapshots = Snapshots::new(dir.path().to_owned(), store.clone());
        let name: ModuleName = "m".parse().unwrap();
        let data = dir.path().join("module-data/m");
        fs::create_dir_all(data.join("deep")).unwrap();
        let file = data.join("deep/file");
        fs::write(&file, "one").unwrap();
        symlink("deep/file", data.join("link")).unwrap();
        set(&store, b"one").await;
        let (old, new) = (manifest("1.0.0", ""), manifest("2.0.0", ""));
        let open = manifest("1.1.0", "[data]\ncompatible_from = \"1.0.0\"\n");

        let done = snapshots.prepare(&old.version, &open).await.unwrap();
        assert_eq!(done, Done::Nothing);
        let done = snapshots.prepare(&old.version, &new).await.unwrap();
        assert_eq!(done, Done::Kept);
        fs::write(&file, "two").unwrap();
        fs::write(data.join("more"), "two").unwrap();
        set(&store, b"two").await;

        let done = snapshots.prepare(&new.version, &old).await.unwrap();
        assert_eq!(done, Done::BroughtBack);
        assert_eq!(fs::read(&file).unwrap(), b"one");
        assert_eq!(fs::read(data.join("link")).unwrap(), b"one");
        assert!(!data.join("more").exists());
        let value = store.storage_get(&name, b"k").await.unwrap();
        assert_eq!(value, Some(b"one".to_vec()));
        assert!(snapshots.has(&name, &new.version));

        // Downwards without a copy, both read the same data.
        let done = snapshots
            .prepare(&open.version, &manifest("1.0.5", ""))
            .await;
        assert_eq!(done.unwrap(), Done::Nothing);
    }
}
