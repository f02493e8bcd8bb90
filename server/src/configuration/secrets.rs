//! Secrets at rest: XChaCha20-Poly1305 under a key that only the host's user can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bllvm_manifest::ModuleName;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde_json::Value;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Why the key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretKeyError {
    /// The file could not be read or made.
    #[error("could not use the secret key {path}: {source}")]
    Io {
        /// The key's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file does not hold a key.
    #[error(
        "{path} has {found} bytes where a secret key has {KEY_BYTES}; bring it back from a backup, \
         or move it away: stored secrets are lost then and must be typed again"
    )]
    Length {
        /// The key's file.
        path: PathBuf,
        /// Bytes that are there.
        found: usize,
    },
    /// Others can read it.
    #[error("{path} can be read by others (mode {mode:o}); run: chmod 600 {path}")]
    Mode {
        /// The key's file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A stored secret does not open under this key.
    #[error(
        "the stored secret `{key}` of {module} does not open under this secret.key; type it again"
    )]
    Sealed {
        /// The module.
        module: ModuleName,
        /// The dotted key.
        key: String,
    },
}

/// A secret as stored: nonce and ciphertext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// The dotted key in the configuration.
    pub key: String,
    /// Nonce, then ciphertext with its tag.
    pub sealed: Vec<u8>,
}

/// The host's key for secrets at rest.
#[derive(Clone)]
pub struct SecretKey(XChaCha20Poly1305);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey([redacted])")
    }
}

impl SecretKey {
    /// Reads `<data-dir>/secret.key`, or makes it at the first start.
    ///
    /// # Errors
    /// [`SecretKeyError`], with the way out.
    pub fn open_or_create(data_dir: &Path) -> Result<Self, SecretKeyError> {
        let path = data_dir.join("secret.key");
        let io = |source| SecretKeyError::Io {
            path: path.clone(),
            source,
        };
        match fs::metadata(&path) {
            Ok(found) => {
                let mode = found.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(SecretKeyError::Mode { path, mode });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(&path).map_err(io)?,
            Err(error) => return Err(io(error)),
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_BYTES + 1));
        let file = fs::File::open(&path).map_err(io)?;
        file.take(KEY_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(io)?;
        let key: [u8; KEY_BYTES] =
            bytes
                .as_slice()
                .try_into()
                .map_err(|_| SecretKeyError::Length {
                    path: path.clone(),
                    found: bytes.len(),
                })?;
        Ok(Self(XChaCha20Poly1305::new(&Key::from(key))))
    }

    /// Encrypts a secret. It opens only for the same module and key.
    pub fn seal(&self, module: &ModuleName, key: &str, value: &Value) -> SealedSecret {
        let text = Zeroizing::new(value.to_string());
        SealedSecret {
            key: key.to_owned(),
            sealed: self.seal_bytes(&context(module, key), text.as_bytes()),
        }
    }

    /// Opens a stored secret.
    ///
    /// # Errors
    /// [`SecretKeyError::Sealed`] where key, module or bytes do not fit.
    pub fn open(
        &self,
        module: &ModuleName,
        secret: &SealedSecret,
    ) -> Result<Value, SecretKeyError> {
        self.open_bytes(&context(module, &secret.key), &secret.sealed)
            .and_then(|text| serde_json::from_slice(&text).ok())
            .ok_or_else(|| SecretKeyError::Sealed {
                module: module.clone(),
                key: secret.key.clone(),
            })
    }

    /// Encrypts bytes: nonce, then ciphertext with its tag. They open only in the same context,
    /// which says what they are for and is unique to it.
    pub fn seal_bytes(&self, context: &str, plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).expect("the system gives random bytes");
        let payload = Payload {
            msg: plain,
            aad: context.as_bytes(),
        };
        let ciphertext = self.0.encrypt(&XNonce::from(nonce), payload);
        let mut sealed = nonce.to_vec();
        sealed.extend(ciphertext.expect("a secret is far below the cipher's size limit"));
        sealed
    }

    /// Opens what [`SecretKey::seal_bytes`] made in the same context.
    pub fn open_bytes(&self, context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_BYTES)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
        let payload = Payload {
            msg: ciphertext,
            aad: context.as_bytes(),
        };
        let plain = self.0.decrypt(&XNonce::from(nonce), payload).ok()?;
        Some(Zeroizing::new(plain))
    }
}

fn context(module: &ModuleName, key: &str) -> String {
    format!("bllvm-secret-v1/{module}/{key}")
}

fn create(path: &Path) -> io::Result<()> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(&mut *key).map_err(io::Error::other)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(&*key)?;
    file.sync_all()?;
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ModuleName {
        text.parse().unwrap()
    }

    #[test]
    fn a_secret_opens_for_its_own_module_and_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let key = SecretKey::open_or_create(dir.path()).unwrap();
        let sealed = key.seal(&name("a"), "token", &Value::from("canary"));
        assert!(!sealed.sealed.windows(6).any(|part| part == b"canary"));
        let again = SecretKey::open_or_create(dir.path()).unwrap();
        assert_eq!(
            again.open(&name("a"), &sealed).unwrap(),
            Value::from("canary")
        );
        assert!(again.open(&name("b"), &sealed).is_err());
        let moved = SealedSecret {
            key: "other".into(),
            ..sealed
        };
        assert!(again.open(&name("a"), &moved).is_err());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_command_that_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        SecretKey::open_or_create(dir.path()).unwrap();
        let path = dir.path().join("secret.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = SecretKey::open_or_create(dir.path()).unwrap_err();
        assert!(error.to_string().contains("chmod 600"));
    }
}
