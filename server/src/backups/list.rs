//! The backups that are there.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::BackupError;
use super::error::at;
use crate::model::UtcTime;

/// An age header is not longer.
const MAX_HEAD: u64 = 64 << 10;

/// A backup, as far as it tells without its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupFile {
    /// Its file's name.
    pub name: String,
    /// Its full path.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was finished.
    pub made_at: UtcTime,
    /// What opens it.
    pub locked_by: LockedBy,
}

/// What opens a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LockedBy {
    /// The secret half of a key.
    Keys,
    /// A passphrase.
    Passphrase,
    /// Its head cannot be read.
    Unknown,
}

/// Lists the backups of a folder, the newest first. Blocks.
///
/// # Errors
/// Where the folder cannot be read; one that is not there has none.
pub fn list(dir: &Path) -> Result<Vec<BackupFile>, BackupError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at(dir))?,
    };
    let mut all = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(found) = entry.metadata() else {
            continue;
        };
        let is_ours = name.starts_with("bllvm-")
            && Path::new(&name)
                .extension()
                .is_some_and(|extension| extension == "age");
        if !found.is_file() || !is_ours {
            continue;
        }
        let since = found.modified().ok();
        let since = since.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let ms = since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0));
        all.push(BackupFile {
            path: entry.path().display().to_string(),
            size: found.len(),
            made_at: UtcTime::from_unix_ms(ms),
            locked_by: locked_by(&entry.path()),
            name,
        });
    }
    all.sort_by(|a, b| (b.made_at, &b.name).cmp(&(a.made_at, &a.name)));
    Ok(all)
}

fn locked_by(path: &Path) -> LockedBy {
    let Ok(file) = File::open(path) else {
        return LockedBy::Unknown;
    };
    let mut lines = BufReader::new(file.take(MAX_HEAD)).split(b'\n').flatten();
    if lines.next().as_deref() != Some(b"age-encryption.org/v1") {
        return LockedBy::Unknown;
    }
    match lines.next() {
        Some(line) if line.starts_with(b"-> scrypt ") => LockedBy::Passphrase,
        Some(line) if line.starts_with(b"-> ") => LockedBy::Keys,
        _ => LockedBy::Unknown,
    }
}
