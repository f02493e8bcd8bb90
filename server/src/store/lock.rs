//! One node a data directory: a lock that the system drops with its holder.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::time::{Duration, Instant};

use super::StoreError;

/// The lock file in the data directory.
pub(super) const FILE: &str = "bllvm.lock";

/// The longest that a killed holder is waited for.
const DYING: Duration = Duration::from_secs(10);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(20);

/// Held until dropped; a kill -9 drops it too.
#[derive(Debug)]
pub(super) struct DataDirLock {
    _file: File,
}

impl DataDirLock {
    /// Takes the lock, or says who has it. A holder that was killed is waited for: it keeps the lock
    /// until its last write has reached the disk.
    pub(super) async fn take(data_dir: &Path) -> Result<Self, StoreError> {
        let until = Instant::now() + DYING;
        loop {
            match Self::try_take(data_dir) {
                Err(StoreError::Locked { pid: Some(pid), .. })
                    if is_dying(pid) && Instant::now() < until =>
                {
                    tokio::time::sleep(LOOK).await;
                }
                taken => return taken,
            }
        }
    }

    fn try_take(data_dir: &Path) -> Result<Self, StoreError> {
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

/// Whether a process has ended, or has been killed and waits for its last threads.
fn is_dying(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return true;
    };
    // The name before the state may hold anything, a parenthesis too.
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes());
    matches!(state, Some([b'Z' | b'X', ..]))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn a_living_holder_is_named_and_a_dying_one_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDirLock::take(dir.path()).await.unwrap();
        let refused = DataDirLock::take(dir.path()).await.unwrap_err();
        assert!(
            matches!(refused, StoreError::Locked { pid, .. } if pid == Some(std::process::id()))
        );

        let mut child = Command::new("true").spawn().unwrap();
        while !is_dying(child.id()) {
            tokio::time::sleep(LOOK).await;
        }
        fs::write(dir.path().join(FILE), child.id().to_string()).unwrap();
        let (taken, ()) = tokio::join!(DataDirLock::take(dir.path()), async {
            tokio::time::sleep(LOOK).await;
            drop(held);
        });
        assert!(taken.is_ok());
        child.wait().unwrap();
    }
}
