//! One engine per directory: a locked file that names its holder.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use crate::EngineError;

/// Holds the directory until dropped; the system lets go of it if the process dies.
#[derive(Debug)]
pub struct DirLock(File);

impl Drop for DirLock {
    fn drop(&mut self) {
        // Closing is not enough: a process that another thread is just starting shares the open file
        // until it executes its program, and would hold the lock for that long.
        let _ = self.0.unlock();
    }
}

impl DirLock {
    /// Takes the directory, or says who has it.
    pub fn take(dir: &Path) -> Result<Self, EngineError> {
        let path = dir.join("node.lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(EngineError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                return Err(EngineError::Busy {
                    dir: dir.to_owned(),
                    pid: holder.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(source)) => {
                return Err(EngineError::io("lock", &path)(source));
            }
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(EngineError::io("write", &path))?;
        Ok(Self(file))
    }
}
