//! Reading small files of unknown origin: a regular file, up to a limit, no more.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why a small file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing is there.
    #[error("{path} does not exist")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A folder, pipe, device or socket is there.
    #[error("{path} is not a regular file")]
    NotAFile {
        /// What was looked at.
        path: PathBuf,
    },
    /// The file is larger than any honest one.
    #[error("{path} has {size} bytes; at most {limit} are read")]
    TooLarge {
        /// What was looked at.
        path: PathBuf,
        /// Its size, or at least the limit plus one.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The system says no.
    #[error("{path} could not be read: {source}")]
    Io {
        /// What was looked at.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Reads a regular file of at most `limit` bytes; a larger one is refused by its
/// size, and one that grows meanwhile is not read past the limit.
///
/// # Errors
/// See [`FileError`].
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let path_buf = || path.to_path_buf();
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing { path: path_buf() },
        _ => FileError::Io {
            path: path_buf(),
            source,
        },
    };
    // Asked before opening: opening a pipe would wait for its writer.
    if !path.metadata().map_err(io)?.is_file() {
        return Err(FileError::NotAFile { path: path_buf() });
    }
    let file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    if size > limit {
        return Err(FileError::TooLarge {
            path: path_buf(),
            size,
            limit,
        });
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge {
            path: path_buf(),
            size: limit.saturating_add(1),
            limit,
        });
    }
    Ok(bytes)
}

/// Line and column, both from 1, of a byte offset; the column counts characters.
pub(crate) fn position(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = &bytes[..offset.min(bytes.len())];
    let line = before.split(|b| *b == b'\n').count();
    let start = before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    (
        line,
        String::from_utf8_lossy(&before[start..]).chars().count() + 1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_at_the_limit_is_read_and_one_above_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [b'x'; 10]).unwrap();
        assert_eq!(read_bounded(&path, 10).unwrap().len(), 10);
        assert!(matches!(
            read_bounded(&path, 9),
            Err(FileError::TooLarge {
                size: 10,
                limit: 9,
                ..
            })
        ));
    }

    #[test]
    fn what_is_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            read_bounded(folder.path(), 9),
            Err(FileError::NotAFile { .. })
        ));
        assert!(matches!(
            read_bounded(&folder.path().join("none"), 9),
            Err(FileError::Missing { .. })
        ));
    }

    #[test]
    fn an_endless_device_is_refused() {
        assert!(matches!(
            read_bounded(Path::new("/dev/zero"), 9),
            Err(FileError::NotAFile { .. })
        ));
    }

    #[test]
    fn positions_count_from_one() {
        assert_eq!(position(b"ab\ncd", 0), (1, 1));
        assert_eq!(position(b"ab\ncd", 4), (2, 2));
        assert_eq!(position("ä\nöx".as_bytes(), 5), (2, 2));
    }
}
