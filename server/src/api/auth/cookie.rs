//! The cookie file, as bitcoind has it: whoever may read it is the local administrator.
//!
//! `<data-dir>/.cookie` holds `__cookie__:<64 hex digits>`, mode 0600, is new at every start and
//! goes away with the node.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The user's name in the cookie file.
pub const USER: &str = "__cookie__";

/// A cookie file that is there as long as this value is.
pub struct Cookie {
    path: PathBuf,
    hash: [u8; 32],
}

impl std::fmt::Debug for Cookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cookie")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Cookie {
    /// Writes a new cookie file into the data directory.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub fn write(data_dir: &Path) -> io::Result<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        let secret = hex::encode(secret);
        let path = data_dir.join(".cookie");
        let fresh = data_dir.join(".cookie.new");
        let _ = fs::remove_file(&fresh);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(format!("{USER}:{secret}").as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        Ok(Self {
            path,
            hash: Sha256::digest(secret.as_bytes()).into(),
        })
    }

    /// Whether this is the password in the file.
    pub fn fits(&self, password: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(password.as_bytes()).into();
        given.ct_eq(&self.hash).into()
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Cookie {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_file_is_private_new_each_time_and_gone_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let first = Cookie::write(dir.path()).unwrap();
        let path = dir.path().join(".cookie");
        let text = fs::read_to_string(&path).unwrap();
        let (user, secret) = text.split_once(':').unwrap();
        assert_eq!((user, secret.len()), (USER, 64));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(first.fits(secret) && !first.fits("") && !first.fits(&text));

        let second = Cookie::write(dir.path()).unwrap();
        assert!(!second.fits(secret));
        drop(second);
        assert!(!path.exists());
    }
}
