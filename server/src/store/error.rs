//! What can go wrong with the database, each with the way out.

use std::path::PathBuf;

use crate::model::{Id, OperationKind};

/// Why the store could not do something. Cheap to clone: a whole group may get the same answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// Another program version wrote this database.
    #[error(
        "the database is of a newer version (migration {found}, this program knows up to {known}): \
         start the newer bllvm-node again, or restore a backup made by this one"
    )]
    NewerDatabase {
        /// The newest migration in the database.
        found: i64,
        /// The newest migration of this program.
        known: i64,
    },
    /// Another process holds the data directory.
    #[error(
        "{} is held by {}: stop it first, or choose another --data-dir",
        path.display(),
        pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, as it wrote.
        pid: Option<u32>,
    },
    /// The disk is full; nothing of the command was kept.
    #[error("the disk is full: free some space, then ask again; nothing of this change was kept")]
    DiskFull,
    /// Little space is left, so that no more is taken in; what is there can still be worked on.
    #[error(
        "only {free_bytes} bytes are free on the data directory's disk and intake stops below \
         {floor_bytes}: free some space, then ask again"
    )]
    DiskLow {
        /// Free bytes.
        free_bytes: u64,
        /// The bound.
        floor_bytes: u64,
    },
    /// The file is damaged.
    #[error(
        "{} is damaged ({detail}): stop the node, keep a copy of the file, and restore a backup",
        path.display()
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// The database could not be opened.
    #[error("{} could not be opened ({detail}): check that the directory exists and is writable", path.display())]
    Open {
        /// The database.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// A migration did not run; the database is as before.
    #[error("the database could not be brought up to date ({detail}); it is unchanged")]
    Migration {
        /// Which one, and why.
        detail: String,
    },
    /// There is no such thing.
    #[error("there is no {what}")]
    NotFound {
        /// What was asked for, such as ``module `x` ``.
        what: String,
    },
    /// The module has an open operation, which comes first.
    #[error(
        "operation {operation} ({kind}) is still open for this module: wait for it, or cancel it"
    )]
    Conflict {
        /// The open operation.
        operation: Id,
        /// What it does.
        kind: OperationKind,
    },
    /// The configuration changed meanwhile.
    #[error("the configuration has changed meanwhile; its entity tag is now {current}")]
    EtagMismatch {
        /// The entity tag that applies; empty where there is no revision.
        current: String,
    },
    /// A module's storage is full.
    #[error("the module's storage would hold {needed_bytes} bytes and may hold {quota_bytes}")]
    Quota {
        /// Bytes after the change.
        needed_bytes: u64,
        /// Bytes allowed.
        quota_bytes: u64,
    },
    /// A command refused itself.
    #[error("{detail}")]
    Refused {
        /// A stable code, as in problem documents.
        code: &'static str,
        /// Why, and the way out.
        detail: String,
    },
    /// An event is larger than the wire carries.
    #[error("the event `{kind}` has {bytes} bytes of data, the limit is {limit}")]
    EventTooLarge {
        /// Its type.
        kind: String,
        /// Its size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// A page cursor that this store did not make.
    #[error("`{cursor}` is not a page cursor: leave it out to start with the first page")]
    BadCursor {
        /// What was given.
        cursor: String,
    },
    /// A row cannot be understood.
    #[error("a row of `{table}` cannot be read: {detail}")]
    Row {
        /// The table.
        table: &'static str,
        /// Why.
        detail: String,
    },
    /// The store was closed, or is closing.
    #[error("the store is closed: the node is stopping")]
    Closed,
    /// A command panicked; nothing of it was kept.
    #[error("a command failed by a bug ({detail}); nothing of it was kept")]
    Bug {
        /// The panic's message.
        detail: String,
    },
    /// Anything else that SQLite says.
    #[error("the database refused: {detail}")]
    Database {
        /// What it said.
        detail: String,
    },
}

impl StoreError {
    /// The thing with this name is not there.
    pub fn not_found(what: &str, name: impl std::fmt::Display) -> Self {
        Self::NotFound {
            what: format!("{what} `{name}`"),
        }
    }

    /// Whether the whole transaction is lost, and not only one command.
    pub(super) fn ends_the_group(&self) -> bool {
        matches!(self, Self::DiskFull | Self::Corrupt { .. })
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let detail = error.to_string();
        match error {
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            sqlx::Error::Database(refusal) => {
                let code: i64 = refusal
                    .code()
                    .and_then(|code| code.parse().ok())
                    .unwrap_or_default();
                // The low byte is SQLite's primary result code: FULL, CORRUPT, NOTADB.
                match code & 0xff {
                    13 => Self::DiskFull,
                    11 | 26 => Self::Corrupt {
                        path: PathBuf::from(super::open::FILE),
                        detail,
                    },
                    _ => Self::Database { detail },
                }
            }
            _ => Self::Database { detail },
        }
    }
}
