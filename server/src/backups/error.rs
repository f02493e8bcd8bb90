//! Why a backup could not be made, read or brought back: each with a code of its own and a way out.

use std::io;
use std::path::PathBuf;

use crate::store::StoreError;

/// Why a backup could not be made, read or brought back; nothing is half-done.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nobody could open it.
    #[error(
        "nothing says who shall be able to open the backup: `bllvm-node backup keygen FILE` makes a key; \
         name its public half in `backup.recipients`, or give a passphrase"
    )]
    NoRecipient,
    /// What names a recipient is none.
    #[error(
        "`{0}` is no public key of age: it begins with `age1`, and `bllvm-node backup keygen FILE` prints one"
    )]
    BadRecipient(String),
    /// The key file holds no key.
    #[error(
        "{} holds no secret key of age: a line of it begins with `AGE-SECRET-KEY-1`", .0.display()
    )]
    BadIdentity(PathBuf),
    /// A passphrase would be guessed.
    #[error("the passphrase has {found} characters: use at least {least}")]
    ShortPassphrase {
        /// Characters that it has.
        found: usize,
        /// Characters that it must have.
        least: usize,
    },
    /// The file is no backup.
    #[error("{} is no backup of bllvm ({why})", path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
        /// What is odd about it.
        why: String,
    },
    /// It was locked for another key.
    #[error("{} does not open with this {what}: it was made for {needed}", path.display())]
    WrongKey {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What it needs.
        needed: &'static str,
    },
    /// It ends too early.
    #[error(
        "{} is cut short ({why}): fetch the file again, or take another backup", path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
    /// It is not what was written.
    #[error("{} is damaged ({why}): fetch the file again, or take another backup", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where it was seen.
        why: String,
    },
    /// A newer program made it.
    #[error(
        "{} was made by a newer bllvm-node ({found}; this one knows up to {known}): restore it with that one",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What is known here.
        known: String,
    },
    /// Something is there already.
    #[error(
        "{} is not empty (it has `{found}`): name a data directory that is not there yet", path.display()
    )]
    NotEmpty {
        /// The data directory.
        path: PathBuf,
        /// One thing that lies there.
        found: String,
    },
    /// An operator ended it.
    #[error("it was cancelled; nothing of it is kept")]
    Cancelled,
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => "disk_full",
            Self::NoRecipient => "no_recipient",
            Self::BadRecipient(_) => "bad_recipient",
            Self::BadIdentity(_) => "bad_identity",
            Self::ShortPassphrase { .. } => "short_passphrase",
            Self::NotABackup { .. } => "not_a_backup",
            Self::WrongKey { .. } => "wrong_key",
            Self::Truncated { .. } => "backup_truncated",
            Self::Corrupt { .. } => "backup_corrupt",
            Self::Newer { .. } => "backup_newer",
            Self::NotEmpty { .. } => "not_empty",
            Self::Cancelled => "cancelled",
            Self::Io { .. } => "io",
            Self::Store(_) => "database",
        }
    }
}

/// Names the file in what the system refused.
pub(super) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.into();
    move |source| BackupError::Io { path, source }
}
