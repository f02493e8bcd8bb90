//! A secret key as a file: one line, readable by its owner only.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bllvm_manifest::{FileError, read_bounded};
use zeroize::Zeroizing;

use crate::{KeyError, SecretKey};

/// Only its owner reads it.
pub const SECRET_KEY_MODE: u32 = 0o600;
const MAX_BYTES: u64 = 4096;

/// Why a key file was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("{0}; make a key with `cargo bllvm-module keygen`")]
    File(#[from] FileError),
    /// It holds something else.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: KeyError,
    },
    /// Others could have read it.
    #[error("{0} may be read by others (mode {mode:03o}): run `chmod 600 {0}`, and make a new key if others use this machine", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Something is there already, and a lost key is lost for good.
    #[error("{} is there already and is not replaced: name another file", .0.display())]
    Exists(PathBuf),
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Reads a secret key.
///
/// # Errors
/// See [`KeyFileError`]; a file that others may read is refused.
pub fn read_secret_key(path: &Path) -> Result<SecretKey, KeyFileError> {
    let bytes = Zeroizing::new(read_bounded(path, MAX_BYTES)?);
    let mode = std::fs::metadata(path)
        .map_err(|source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        })?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    SecretKey::parse(text.trim_end_matches('\n')).map_err(|source| KeyFileError::Content {
        path: path.to_owned(),
        source,
    })
}

/// Writes a secret key into a new file.
///
/// # Errors
/// See [`KeyFileError`]; an existing file is never replaced.
pub fn write_secret_key(path: &Path, key: &SecretKey) -> Result<(), KeyFileError> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
        _ => KeyFileError::Io {
            path: path.to_owned(),
            source,
        },
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(SECRET_KEY_MODE);
    let mut file = options.open(path).map_err(io)?;
    file.write_all(key.to_text().as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_its_owners_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.key");
        let key = SecretKey::from_seed([5; 32]);
        write_secret_key(&path, &key).unwrap();
        assert_eq!(read_secret_key(&path).unwrap().public(), key.public());
        assert!(matches!(
            write_secret_key(&path, &key),
            Err(KeyFileError::Exists(_))
        ));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = read_secret_key(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn what_is_no_key_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.key");
        write_secret_key(&path, &SecretKey::from_seed([5; 32])).unwrap();
        std::fs::write(&path, "hunter2").unwrap();
        let error = read_secret_key(&path).unwrap_err().to_string();
        assert!(
            error.contains("my.key") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
