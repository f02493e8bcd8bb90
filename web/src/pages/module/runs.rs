//! When a module ran and how each run ended.

use askama::Template;

use super::head::{ModuleHead, Tab};
use crate::format::Stamp;
use crate::layout::Chrome;
use crate::parts::{Badge, Pager, Tone};
use crate::samples::{self, HOSTILE, LONG, ago};

/// `GET /modules/{name}/runs`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/module/runs.html")]
pub struct Runs {
    /// The frame.
    pub chrome: Chrome,
    /// The module.
    pub head: ModuleHead,
    /// The runs, newest first.
    pub runs: Vec<RunRow>,
    /// Where the list continues.
    pub pager: Pager,
}

/// One run of the process.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// When it began.
    pub started: Stamp,
    /// Running, ended, crashed, killed, lost.
    pub outcome: Badge,
    /// `exit code 101`, `signal 11 (segmentation fault)`, `still running`.
    pub exit: String,
    /// Version, process, how long: `0.1.0, process 41233, 2 h 14 min`.
    pub facts: String,
    /// Why it ended, where that is known.
    pub reason: String,
    /// The last lines of its output, if it ended badly.
    pub lines: Vec<String>,
}

impl Runs {
    /// One that runs, one that was reloaded, one that crashed.
    pub fn sample() -> Self {
        let run = |id: &str, seconds, outcome, exit: &str, facts: &str, reason: &str| RunRow {
            id: id.to_owned(),
            started: ago(seconds),
            outcome,
            exit: exit.to_owned(),
            facts: facts.to_owned(),
            reason: reason.to_owned(),
            lines: Vec::new(),
        };
        let mut crashed = run(
            "1",
            90_000,
            Badge::new(Tone::Bad, "crashed"),
            "signal 11 (segmentation fault)",
            "0.1.0, process 901, 3 min",
            "It was started again at once.",
        );
        crashed.lines = vec![
            "thread 'main' panicked at src/module.rs:41:9:".to_owned(),
            "no tip yet".to_owned(),
        ];
        Self {
            chrome: samples::chrome("/modules/block-clock/runs"),
            head: ModuleHead::sample(Tab::Runs),
            runs: vec![
                run(
                    "3",
                    8040,
                    Badge::new(Tone::Good, "running"),
                    "still running",
                    "0.1.0, process 41233, 2 h 14 min",
                    "",
                ),
                run(
                    "2",
                    80_000,
                    Badge::new(Tone::Quiet, "ended"),
                    "exit code 0",
                    "0.1.0, process 902, 20 h",
                    "Reloaded by operator.",
                ),
                crashed,
            ],
            pager: Pager::default(),
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let empty = Self {
            runs: Vec::new(),
            ..Self::sample()
        };
        let mut hostile = Self {
            chrome: samples::chrome_hostile("/modules/x/runs"),
            head: ModuleHead::hostile(Tab::Runs),
            ..Self::sample()
        };
        for run in &mut hostile.runs {
            (run.id, run.exit, run.reason) =
                (HOSTILE.to_owned(), LONG.repeat(3), HOSTILE.to_owned());
            run.lines = vec![HOSTILE.to_owned(), LONG.repeat(9)];
        }
        vec![
            ("sample", Self::sample()),
            ("empty", empty),
            ("hostile", hostile),
        ]
    }
}
