//! Backups as files: one encrypted archive each, written whole or not at all, and brought back only
//! into a place where nothing is.
//!
//! An archive is a tar file inside an age file: `age -d` and `tar` open it without this program. Its
//! first entry, `backup.json`, says what it holds; then come the files below `data/`; its last entry,
//! `contents.json`, lists each with its digest, so that an archive without it was cut short. What is put
//! in, and when modules stand still for it, is `control`'s to say.

mod archive;
mod error;
mod extract;
mod folder;
mod keys;
mod list;
mod restore;
#[cfg(test)]
mod tests;
mod tree;

pub use archive::{FORMAT, Header, ModuleInBackup, write};
pub use error::BackupError;
pub use extract::{Verified, verify};
pub use folder::{BackupsFolder, Unfinished};
pub use keys::{Lock, Opener, check_recipient, new_identity};
pub use list::{BackupFile, LockedBy, list};
pub use restore::{Restored, restore};
pub use tree::{Kept, copy_data};
