//! Who changed what, and what was refused.

use askama::Template;

use crate::format::{Hash, Stamp};
use crate::layout::Chrome;
use crate::parts::{Badge, Pager, Tone};
use crate::samples::{self, HOSTILE, LONG, ago};

/// `GET /audit`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/audit.html")]
pub struct Audit {
    /// The frame.
    pub chrome: Chrome,
    /// What was searched for.
    pub search: String,
    /// The rows, newest first.
    pub rows: Vec<AuditRow>,
    /// What to say if there is none.
    pub nothing: String,
    /// Where the list continues.
    pub pager: Pager,
}

/// One thing that was asked for.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// When.
    pub at: Stamp,
    /// By whom.
    pub who: String,
    /// What.
    pub verb: String,
    /// On what.
    pub target: String,
    /// What more is worth saying; never a secret.
    pub detail: String,
    /// Done, refused, failed.
    pub outcome: Badge,
    /// In which request, where it came by one.
    pub request: Option<Hash>,
}

impl Audit {
    /// Three rows.
    pub fn sample() -> Self {
        let row =
            |seconds, who: &str, verb: &str, target: &str, detail: &str, outcome: Badge| AuditRow {
                at: ago(seconds),
                who: who.to_owned(),
                verb: verb.to_owned(),
                target: target.to_owned(),
                detail: detail.to_owned(),
                outcome,
                request: Some(Hash::new("01JDAXQ6Z9M3K7")),
            };
        let done = Badge::new(Tone::Good, "done");
        Self {
            chrome: samples::chrome("/audit"),
            search: String::new(),
            rows: vec![
                row(4, "operator", "reload", "block-clock", "", done.clone()),
                row(
                    5,
                    "operator",
                    "configure",
                    "block-clock",
                    "Revision 7: listen.port 8490 → 8491",
                    done.clone(),
                ),
                row(
                    900,
                    "token ci",
                    "uninstall",
                    "lightning",
                    "Scope modules:install is missing.",
                    Badge::new(Tone::Bad, "refused"),
                ),
                row(
                    8050,
                    "operator",
                    "grant",
                    "block-clock",
                    "chain.read, events.chain",
                    done,
                ),
            ],
            nothing: "Nobody has changed anything yet.".to_owned(),
            pager: Pager {
                newer: None,
                older: Some("/audit?before=12".to_owned()),
            },
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let empty = Self {
            rows: Vec::new(),
            pager: Pager::default(),
            ..Self::sample()
        };
        let row = AuditRow {
            at: ago(1),
            who: HOSTILE.to_owned(),
            verb: HOSTILE.to_owned(),
            target: LONG.repeat(2),
            detail: HOSTILE.to_owned(),
            outcome: Badge::new(Tone::Bad, HOSTILE),
            request: Some(Hash::new(HOSTILE)),
        };
        let hostile = Self {
            chrome: samples::chrome_hostile("/audit"),
            search: HOSTILE.to_owned(),
            rows: vec![row],
            ..Self::sample()
        };
        vec![
            ("sample", Self::sample()),
            ("empty", empty),
            ("hostile", hostile),
        ]
    }
}
