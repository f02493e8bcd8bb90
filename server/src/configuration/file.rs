//! Files that are either the old ones or the new ones, also after a power cut.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Which writing of which file: another one differs in at least one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    /// Nanoseconds since 1970.
    changed: i128,
}

impl FileIdentity {
    /// The identity of what a path leads to.
    ///
    /// # Errors
    /// What the system said.
    pub fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|found| Self::from(&found))
    }

    /// When its content last changed, in milliseconds since 1970.
    pub fn changed_ms(&self) -> i64 {
        i64::try_from(self.changed / 1_000_000).unwrap_or(i64::MAX)
    }
}

impl From<&fs::Metadata> for FileIdentity {
    fn from(found: &fs::Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            changed: i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec()),
        }
    }
}

/// Writes a file under a temporary name, fsyncs it, renames it and fsyncs the directory.
///
/// # Errors
/// What the system said; the old file is untouched then.
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write_identified(path, bytes, mode).map(drop)
}

/// As [`write_atomically`], and tells which writing it was.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_identified(path: &Path, bytes: &[u8], mode: u32) -> io::Result<FileIdentity> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let temporary = dir.join(format!(".{}.new", name.to_string_lossy()));
    let written = (|| {
        // Left over from a crash; nobody reads it under this name.
        let _ = fs::remove_file(&temporary);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        let identity = FileIdentity::from(&file.metadata()?);
        fs::rename(&temporary, path)?;
        fs::File::open(dir)?.sync_all()?;
        Ok(identity)
    })();
    if written.is_err() {
        // Best effort: the next write removes it too.
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::write_atomically;

    #[test]
    fn a_write_replaces_the_whole_file_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        write_atomically(&path, b"first", 0o600).unwrap();
        write_atomically(&path, b"second", 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
