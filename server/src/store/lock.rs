//! One node a data directory: a lock that the system drops with its holder.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::StoreError;

/// The lock file in the data directory.
pub(super) const FILE: &str = "bllvm.lock";

/// Held until dropped; a kill -9 drops it too.
#[derive(Debug)]
pub(super) struct DataDirLock {
    _file: File,
}

impl DataDirLock {
    /// Takes the lock, or says who has it.
    pub(super) fn take(data_dir: &Path) -> Result<Self, StoreError> {
        let path = data_dir.join(FILE);
        let open = |detail: String| StoreError::Open {
            path: path.clone(),
            detail,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| open(error.to_string()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let pid = file
                    .read_to_string(&mut text)
                    .ok()
                    .and_then(|_| text.trim().parse().ok());
                return Err(StoreError::Locked { path, pid });
            }
            Err(error) => return Err(open(error.to_string())),
        }
        // The number is for people only; the lock itself is what counts.
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|error| open(error.to_string()))?;
        Ok(Self { _file: file })
    }
}
