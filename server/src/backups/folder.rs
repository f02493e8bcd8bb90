//! The folder that backups lie in: what is under way has another name until it is whole.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::BackupError;
use super::archive::MEMBER_DATA;
use super::error::at;
use crate::model::{Id, UtcTime};

const UNFINISHED: &str = ".incoming-";

/// Where backups lie.
#[derive(Clone, Debug)]
pub struct BackupsFolder {
    dir: PathBuf,
}

/// A backup under way; what is left of it when this is dropped is removed.
#[derive(Debug)]
pub struct Unfinished {
    dir: PathBuf,
    folder: PathBuf,
    target: PathBuf,
}

impl BackupsFolder {
    /// The folder is made when the first backup is.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Begins a backup. Blocks.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn begin(&self, id: Id, now: UtcTime) -> Result<Unfinished, BackupError> {
        private(&self.dir)?;
        let folder = self.dir.join(format!("{UNFINISHED}{id}"));
        remove(&folder)?;
        private(&folder.join(MEMBER_DATA))?;
        let time: String = now
            .to_string()
            .chars()
            .filter(|letter| !matches!(letter, '-' | ':'))
            .take(15)
            .collect();
        let tail = id.to_string().to_lowercase();
        let tail = &tail[tail.len().saturating_sub(6)..];
        Ok(Unfinished {
            target: self.dir.join(format!("bllvm-{time}-{tail}.age")),
            dir: self.dir.clone(),
            folder,
        })
    }

    /// Removes what a crash left half-done. Blocks.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub fn sweep(&self) -> Result<(), BackupError> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(at(&self.dir))?,
        };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

impl Unfinished {
    /// What goes into the archive lies below this.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What goes into the data directory lies below this.
    pub fn data(&self) -> PathBuf {
        self.folder.join(MEMBER_DATA)
    }

    /// Where the archive is written.
    pub fn archive(&self) -> PathBuf {
        self.folder.join("archive.age")
    }

    /// Gives the archive its name; from here on it is a backup. Blocks.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn finish(self) -> Result<PathBuf, BackupError> {
        fs::rename(self.archive(), &self.target).map_err(at(&self.target))?;
        File::open(&self.dir)
            .and_then(|dir| dir.sync_all())
            .map_err(at(&self.dir))?;
        Ok(self.target.clone())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What stays is swept at the next start.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn private(path: &Path) -> Result<(), BackupError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(at(path))
}

fn remove(path: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}
