//! Files that are there as long as the node runs, by which others on this machine find it.

use std::fs;
use std::path::{Path, PathBuf};

use super::build::{AppError, SOCKET_FILE};

/// In the data directory of a running node: the address of its API.
pub const ADDRESS_FILE: &str = "http-address";
/// In the data directory of a running node: the address of its Core-compatible face.
pub const FACE_ADDRESS_FILE: &str = "face-address";

/// The files; gone with this value.
#[derive(Debug)]
pub struct RunFiles(Vec<PathBuf>);

impl RunFiles {
    /// Writes them.
    pub fn write(data_dir: &Path, url: &str, face: Option<&str>) -> Result<Self, AppError> {
        let mut files = Self(vec![data_dir.join(SOCKET_FILE)]);
        files.add(data_dir.join(ADDRESS_FILE), url)?;
        if let Some(face) = face {
            files.add(data_dir.join(FACE_ADDRESS_FILE), face)?;
        }
        Ok(files)
    }

    fn add(&mut self, path: PathBuf, address: &str) -> Result<(), AppError> {
        let written = fs::write(&path, format!("{address}\n"));
        self.0.push(path.clone());
        written.map_err(|source| AppError::Prepare { path, source })
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
