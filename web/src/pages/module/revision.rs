//! One revision of a module's configuration and what it changed.

use askama::Template;

use super::configuration::{RevisionRow, revision};
use super::head::{ModuleHead, Tab};
use crate::layout::Chrome;
use crate::parts::{Badge, Tone};
use crate::samples::{self, HOSTILE};

/// `GET /modules/{name}/configuration/{revision}`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/module/revision.html")]
pub struct Revision {
    /// The frame.
    pub chrome: Chrome,
    /// The module.
    pub head: ModuleHead,
    /// The revision.
    pub revision: RevisionRow,
    /// What the differences are to: `Compared with revision 6`.
    pub compared_with: String,
    /// The differences.
    pub diff: Vec<DiffLine>,
    /// The whole file, secrets replaced.
    pub toml: String,
    /// Whether it can become the configuration again.
    pub can_restore: bool,
    /// The present configuration's, for `If-Match`.
    pub etag: String,
}

/// What happened to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Same,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
}

impl Change {
    /// The class in the stylesheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }

    /// The sign in front of the line, for those who see no colours.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Same => " ",
            Self::Added => "+",
            Self::Removed => "-",
        }
    }
}

/// A line of a comparison.
#[derive(Debug, Clone)]
pub struct DiffLine {
    /// What happened to it.
    pub change: Change,
    /// The line.
    pub text: String,
}

pub(super) fn sample_diff() -> Vec<DiffLine> {
    let line = |change, text: &str| DiffLine {
        change,
        text: text.to_owned(),
    };
    vec![
        line(Change::Same, "[listen]"),
        line(Change::Removed, "port = 8490"),
        line(Change::Added, "port = 8491"),
        line(Change::Same, ""),
        line(Change::Same, "[display]"),
    ]
}

impl Revision {
    /// A revision that was replaced.
    pub fn sample() -> Self {
        Self {
            chrome: samples::chrome("/modules/block-clock/configuration/5"),
            head: ModuleHead::sample(Tab::Configuration),
            revision: revision(
                5,
                90_000,
                Badge::new(Tone::Quiet, "replaced"),
                "by hand in the file",
                "display.zone",
            ),
            compared_with: "Compared with revision 4".to_owned(),
            diff: sample_diff(),
            toml: "[listen]\nport = 8490\n".to_owned(),
            can_restore: true,
            etag: "\"7-9c56cc51\"".to_owned(),
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let first = Self {
            diff: Vec::new(),
            can_restore: false,
            ..Self::sample()
        };
        let hostile = Self {
            chrome: samples::chrome_hostile("/modules/x/configuration/5"),
            head: ModuleHead::hostile(Tab::Configuration),
            diff: vec![DiffLine {
                change: Change::Removed,
                text: HOSTILE.repeat(5),
            }],
            toml: HOSTILE.to_owned(),
            etag: HOSTILE.to_owned(),
            compared_with: HOSTILE.to_owned(),
            ..Self::sample()
        };
        vec![
            ("sample", Self::sample()),
            ("first", first),
            ("hostile", hostile),
        ]
    }
}
