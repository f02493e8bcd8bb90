//! Who can open a backup: age's public keys, or a passphrase. Secrets come from files and are never
//! printed, stored or passed as arguments.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::iter;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use age::secrecy::{ExposeSecret, SecretString};
use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor, Encryptor};
use zeroize::Zeroizing;

use super::BackupError;
use super::error::at;

/// Fewer characters are guessed.
const LEAST_CHARACTERS: usize = 12;
/// A key file is not larger.
const MAX_KEY_FILE: u64 = 64 << 10;

/// What a backup is locked with.
#[derive(Clone)]
pub enum Lock {
    /// Whoever has the secret half of one of these.
    Recipients(Vec<Recipient>),
    /// Whoever knows it.
    Passphrase(SecretString),
}

/// Whether a text is a public key of age.
///
/// # Errors
/// [`BackupError::BadRecipient`].
pub fn check_recipient(text: &str) -> Result<Recipient, BackupError> {
    text.trim()
        .parse()
        .map_err(|_| BackupError::BadRecipient(text.chars().take(80).collect()))
}

impl Lock {
    /// By public keys.
    ///
    /// # Errors
    /// Where there is none, or one is none.
    pub fn recipients<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<Self, BackupError> {
        let all: Vec<Recipient> = keys
            .into_iter()
            .map(check_recipient)
            .collect::<Result<_, _>>()?;
        if all.is_empty() {
            return Err(BackupError::NoRecipient);
        }
        Ok(Self::Recipients(all))
    }

    /// By a passphrase.
    ///
    /// # Errors
    /// Where it is short.
    pub fn passphrase(text: &str) -> Result<Self, BackupError> {
        let found = text.chars().count();
        if found < LEAST_CHARACTERS {
            return Err(BackupError::ShortPassphrase {
                found,
                least: LEAST_CHARACTERS,
            });
        }
        Ok(Self::Passphrase(SecretString::from(text.to_owned())))
    }

    /// In words, without a secret.
    pub fn in_words(&self) -> String {
        match self {
            Self::Recipients(all) => {
                let keys: Vec<String> = all.iter().map(ToString::to_string).collect();
                format!("for {}", keys.join(", "))
            }
            Self::Passphrase(_) => "with a passphrase".to_owned(),
        }
    }

    pub(super) fn encryptor(&self) -> Result<Encryptor, BackupError> {
        match self {
            Self::Recipients(all) => {
                let keys = all.iter().map(|key| -> &dyn age::Recipient { key });
                Encryptor::with_recipients(keys).map_err(|_| BackupError::NoRecipient)
            }
            Self::Passphrase(text) => Ok(Encryptor::with_user_passphrase(text.clone())),
        }
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_words())
    }
}

/// What a backup is opened with.
pub enum Opener {
    /// Secret keys.
    Identities(Vec<Identity>),
    /// A passphrase.
    Passphrase(SecretString),
}

impl Opener {
    /// Reads secret keys from a file as `age-keygen` and [`new_identity`] write it.
    ///
    /// # Errors
    /// Where it cannot be read or holds none.
    pub fn from_key_file(path: &Path) -> Result<Self, BackupError> {
        let text = read_secret(path)?;
        let mut keys = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = line.parse::<Identity>();
            keys.push(key.map_err(|_| BackupError::BadIdentity(path.to_owned()))?);
        }
        if keys.is_empty() {
            return Err(BackupError::BadIdentity(path.to_owned()));
        }
        Ok(Self::Identities(keys))
    }

    /// A passphrase, as it was typed.
    pub fn passphrase(text: &str) -> Self {
        Self::Passphrase(SecretString::from(text.to_owned()))
    }

    const fn what(&self) -> &'static str {
        match self {
            Self::Identities(_) => "key",
            Self::Passphrase(_) => "passphrase",
        }
    }

    /// Opens the outer layer of a backup.
    pub(super) fn open(&self, path: &Path) -> Result<Payload, BackupError> {
        let file = File::open(path).map_err(at(path))?;
        let whole = file.metadata().map_err(at(path))?.len();
        let seen = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            inner: file,
            seen: Arc::clone(&seen),
        };
        let decryptor = Decryptor::new_buffered(BufReader::new(counted))
            .map_err(|error| refused(path, self.what(), "another key", &error))?;
        let by_passphrase = decryptor.is_scrypt();
        let needed = match (by_passphrase, self) {
            (true, Self::Identities(_)) => "a passphrase",
            (false, Self::Passphrase(_)) => "keys",
            (true, _) => "another passphrase",
            (false, _) => "other keys",
        };
        let opened = match self {
            Self::Identities(keys) => {
                decryptor.decrypt(keys.iter().map(|key| -> &dyn age::Identity { key }))
            }
            Self::Passphrase(text) => {
                let identity = age::scrypt::Identity::new(text.clone());
                decryptor.decrypt(iter::once::<&dyn age::Identity>(&identity))
            }
        };
        match opened {
            Ok(reader) => Ok(Payload {
                inner: Box::new(reader),
                seen,
                whole,
            }),
            Err(error) => Err(refused(path, self.what(), needed, &error)),
        }
    }
}

/// What is inside, as it is decrypted; nothing of it is given out that was not checked.
pub(super) struct Payload {
    inner: Box<dyn Read>,
    seen: Arc<AtomicU64>,
    whole: u64,
}

impl Payload {
    /// Whether the file was read to its end: what does not fit there may as well be missing.
    fn is_at_end(&self) -> bool {
        self.seen.load(Ordering::Relaxed) >= self.whole
    }
}

impl Read for Payload {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            if error.kind() == io::ErrorKind::InvalidData && self.is_at_end() {
                let why =
                    "its last piece does not fit: bytes are missing at its end, or were changed";
                return io::Error::new(io::ErrorKind::UnexpectedEof, why);
            }
            error
        })
    }
}

/// Counts what was read of a file.
struct Counted {
    inner: File,
    seen: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let bytes = u64::try_from(read).unwrap_or(u64::MAX);
        self.seen.fetch_add(bytes, Ordering::Relaxed);
        Ok(read)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.what())
    }
}

fn refused(
    path: &Path,
    what: &'static str,
    needed: &'static str,
    error: &DecryptError,
) -> BackupError {
    let path = path.to_owned();
    match error {
        DecryptError::NoMatchingKeys
        | DecryptError::DecryptionFailed
        | DecryptError::KeyDecryptionFailed => BackupError::WrongKey { path, what, needed },
        DecryptError::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
            BackupError::Truncated {
                path,
                why: "its head is not whole".to_owned(),
            }
        }
        DecryptError::InvalidMac => BackupError::Corrupt {
            path,
            why: "its head was changed".to_owned(),
        },
        DecryptError::UnknownFormat | DecryptError::InvalidHeader => BackupError::NotABackup {
            path,
            why: "it is not encrypted by age".to_owned(),
        },
        other => BackupError::NotABackup {
            path,
            why: other.to_string(),
        },
    }
}

/// Makes a secret key in a new file that only its owner can read; gives the public half.
///
/// # Errors
/// Where the file is there already or cannot be written.
pub fn new_identity(path: &Path) -> Result<String, BackupError> {
    let identity = Identity::generate();
    let public = identity.to_public().to_string();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(at(path))?;
    let text = Zeroizing::new(format!(
        "# opens backups of bllvm-node; keep it away from the machine that makes them\n\
         # public key: {public}\n{}\n",
        identity.to_string().expose_secret()
    ));
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(at(path))?;
    Ok(public)
}

fn read_secret(path: &Path) -> Result<Zeroizing<String>, BackupError> {
    let found = fs::metadata(path).map_err(at(path))?;
    if found.len() > MAX_KEY_FILE {
        return Err(BackupError::BadIdentity(path.to_owned()));
    }
    let bytes = Zeroizing::new(fs::read(path).map_err(at(path))?);
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(BackupError::BadIdentity(path.to_owned())),
    }
}
