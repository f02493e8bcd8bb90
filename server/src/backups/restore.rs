//! Brings a backup back: beside its place first, and there by one rename once all of it is right.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::error::at;
use super::extract::{Verified, read_all};
use super::{BackupError, Opener};
use crate::store::{DATABASE_FILE, fit_copy};

/// Without these it is no data directory.
const NEEDED: [&str; 2] = [DATABASE_FILE, "secret.key"];

/// What was, or would be, brought back.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// What the backup holds.
    pub verified: Verified,
    /// The data directory.
    pub data_dir: PathBuf,
}

/// Brings a backup back into a data directory that is empty or not there; a dry run reads it all and
/// writes nothing.
///
/// # Errors
/// See [`BackupError`]; the data directory is as it was then.
pub async fn restore(
    path: &Path,
    opener: Opener,
    data_dir: &Path,
    dry_run: bool,
) -> Result<Restored, BackupError> {
    refuse_what_is_there(data_dir)?;
    let path = path.to_owned();
    let done = |verified| Restored {
        verified,
        data_dir: data_dir.to_owned(),
    };
    if dry_run {
        let read = move || read_all(&path, &opener, None);
        return Ok(done(blocking(read).await?));
    }
    let beside = Beside::make(data_dir)?;
    let (archive, into) = (path.clone(), beside.0.clone());
    let verified = blocking(move || read_all(&archive, &opener, Some(&into))).await?;
    for name in NEEDED {
        if !beside.0.join(name).is_file() {
            return Err(BackupError::Corrupt {
                path,
                why: format!("it has no `{name}`"),
            });
        }
    }
    fit_copy(&beside.0.join(DATABASE_FILE), &data_dir.join("modules")).await?;
    let parent = data_dir.parent().unwrap_or(Path::new("/"));
    fs::rename(&beside.0, data_dir).map_err(at(data_dir))?;
    File::open(parent)
        .and_then(|parent| parent.sync_all())
        .map_err(at(parent))?;
    Ok(done(verified))
}

/// What exists is never written over.
fn refuse_what_is_there(data_dir: &Path) -> Result<(), BackupError> {
    match fs::read_dir(data_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at(data_dir)(error)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(entry) => Err(BackupError::NotEmpty {
                path: data_dir.to_owned(),
                found: entry
                    .map(|entry| entry.file_name().to_string_lossy().into_owned())
                    .unwrap_or_default(),
            }),
        },
    }
}

/// The folder in which everything is put together.
struct Beside(PathBuf);

impl Beside {
    fn make(data_dir: &Path) -> Result<Self, BackupError> {
        let name = data_dir.file_name().unwrap_or_default().to_string_lossy();
        let parent = data_dir.parent().unwrap_or(Path::new("/"));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(at(parent))?;
        let beside = parent.join(format!(".{name}.restoring"));
        // Left by one that was killed.
        match fs::remove_dir_all(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(beside)(error)),
            _ => {}
        }
        let made = DirBuilder::new().mode(0o700).create(&beside);
        made.map_err(at(&beside))?;
        Ok(Self(beside))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| BackupError::Io {
            path: PathBuf::from("the archive"),
            source: io::Error::other(error),
        })?
}
