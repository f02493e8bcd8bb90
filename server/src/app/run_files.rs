//! Files that are there as long as the node runs, by which others on this machine find it.

use std::fs;
use std::path::{Path, PathBuf};

use super::build::{AppError, SOCKET_FILE};

/// In the data directory of a running node: the address of its API.
pub const ADDRESS_FILE: &str = "http-address";

/// The files; gone with this value.
#[derive(Debug)]
pub struct RunFiles(Vec<PathBuf>);

impl RunFiles {
    /// Writes them.
    pub fn write(data_dir: &Path, url: &str) -> Result<Self, AppError> {
        let address = data_dir.join(ADDRESS_FILE);
        fs::write(&address, format!("{url}\n")).map_err(|source| AppError::Prepare {
            path: address.clone(),
            source,
        })?;
        Ok(Self(vec![address, data_dir.join(SOCKET_FILE)]))
    }
}

impl Drop for RunFiles {
    fn drop(&mut self) {
        for path in &self.0 {
            // The next start writes over whatever stays.
            let _ = fs::remove_file(path);
        }
    }
}
