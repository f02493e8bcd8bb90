//! Backups: what is there, and a button that makes another.

use askama::Template;

use crate::format::Stamp;
use crate::layout::Chrome;
use crate::samples::{self, HOSTILE, LONG, ago};

/// `GET /backups`, and the answer to the form on it.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/backups.html")]
pub struct Backups {
    /// The frame.
    pub chrome: Chrome,
    /// Those that are there, the newest first.
    pub backups: Vec<BackupRow>,
    /// Where they lie.
    pub folder: String,
    /// The public keys that the node's configuration names.
    pub recipients: Vec<String>,
    /// What is wrong with the form.
    pub error: Option<String>,
}

/// A backup in the list.
#[derive(Debug, Clone)]
pub struct BackupRow {
    /// Its file's name.
    pub name: String,
    /// Its full path.
    pub path: String,
    /// Its size with its unit.
    pub size: String,
    /// When it was made.
    pub made: Stamp,
    /// What opens it, in words.
    pub opened_by: String,
}

impl Backups {
    /// Two backups, and keys that open the next.
    pub fn sample() -> Self {
        let newest = BackupRow {
            name: "bllvm-20261122T190000-0f7xq2.age".to_owned(),
            path: "/var/lib/bllvm/backups/bllvm-20261122T190000-0f7xq2.age".to_owned(),
            size: "41 MiB".to_owned(),
            made: ago(3600),
            opened_by: "a key".to_owned(),
        };
        let older = BackupRow {
            name: "bllvm-20261115T190000-9a2bk1.age".to_owned(),
            made: ago(610_000),
            opened_by: "a passphrase".to_owned(),
            ..newest.clone()
        };
        Self {
            chrome: samples::chrome("/backups"),
            backups: vec![newest, older],
            folder: "/var/lib/bllvm/backups".to_owned(),
            recipients: vec![
                "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p".to_owned(),
            ],
            error: None,
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let empty = Self {
            backups: Vec::new(),
            recipients: Vec::new(),
            ..Self::sample()
        };
        let refused = Self {
            error: Some("The passphrase has 3 characters: use at least 12.".to_owned()),
            ..empty.clone()
        };
        let mut hostile = Self {
            chrome: samples::chrome_hostile("/backups"),
            folder: HOSTILE.to_owned(),
            recipients: vec![HOSTILE.to_owned()],
            error: Some(HOSTILE.to_owned()),
            ..Self::sample()
        };
        (hostile.backups[0].name, hostile.backups[0].path) = (HOSTILE.to_owned(), LONG.repeat(3));
        vec![
            ("sample", Self::sample()),
            ("empty", empty),
            ("refused", refused),
            ("hostile", hostile),
        ]
    }
}
