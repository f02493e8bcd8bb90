//! `[backup]`: where backups lie, and who can open them.

use std::path::{Path, PathBuf};

use super::reader::{self, Key, Reader};
use crate::backups::check_recipient;

const DIR: Key = Key::derived(
    "backup.dir",
    "\"/var/backups/bllvm\"",
    "Where backups lie. Default: `backups` in the data directory; another disk is better.",
);
const RECIPIENTS: Key = Key::new(
    "backup.recipients",
    "[]",
    "Public keys of age (`age1…`) whose secret halves open backups. `bllvm-node backup keygen`\nmakes a pair; keep its file on another machine.",
);

pub(super) const KEYS: &[Key] = &[DIR, RECIPIENTS];

/// The settings of backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Where they lie.
    pub dir: PathBuf,
    /// Public keys of those who can open them.
    pub recipients: Vec<String>,
}

impl Backup {
    pub(super) fn read(reader: &mut Reader, data_dir: &Path) -> Self {
        Self {
            dir: reader
                .path(DIR.path)
                .unwrap_or_else(|| data_dir.join("backups")),
            recipients: reader.get(&RECIPIENTS, recipients),
        }
    }
}

fn recipients(value: &toml::Value) -> Result<Vec<String>, String> {
    let keys = reader::texts(value)?;
    for key in &keys {
        check_recipient(key).map_err(|error| format!("has {error}"))?;
    }
    Ok(keys)
}
