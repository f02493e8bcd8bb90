//! Whatever takes longer than a request: the list, and one of them with its steps.

use askama::Template;

use super::overview::{hostile_problem, operations};
use crate::layout::Chrome;
use crate::parts::{Badge, Fact, OperationRow, OperationStatus, Pager, Problem, Value};
use crate::samples::{self, HOSTILE, LONG, ago};

/// `GET /operations`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/operations.html")]
pub struct Operations {
    /// The frame.
    pub chrome: Chrome,
    /// Pending and running.
    pub open: Vec<OperationRow>,
    /// Ended, newest first.
    pub done: Vec<OperationRow>,
    /// Where the list continues.
    pub pager: Pager,
}

/// `GET /operations/{id}`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/operation.html")]
pub struct OperationPage {
    /// The frame.
    pub chrome: Chrome,
    /// What it is and how far.
    pub operation: OperationRow,
    /// Why it failed and what to do.
    pub problem: Option<Problem>,
    /// What was done so far.
    pub steps: Vec<StepRow>,
    /// Who, when, why.
    pub facts: Vec<Fact>,
    /// Where it goes on: the address, and what is written on the link.
    pub next: Option<(String, String)>,
}

/// One step of an operation.
#[derive(Debug, Clone)]
pub struct StepRow {
    /// How far.
    pub status: Badge,
    /// What.
    pub title: String,
    /// More about it.
    pub detail: String,
    /// How long it took.
    pub took: String,
}

impl Operations {
    /// One under way, one failed.
    pub fn sample() -> Self {
        let mut rows = operations();
        let done = rows.split_off(1);
        Self {
            chrome: samples::chrome("/operations"),
            open: rows,
            done,
            pager: Pager {
                newer: None,
                older: Some("/operations?before=01JDAXM001".to_owned()),
            },
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let empty = Self {
            open: Vec::new(),
            done: Vec::new(),
            pager: Pager::default(),
            ..Self::sample()
        };
        let hostile = Self {
            chrome: samples::chrome_hostile("/operations"),
            open: vec![hostile_row()],
            pager: Pager {
                newer: Some(HOSTILE.to_owned()),
                older: Some(HOSTILE.to_owned()),
            },
            ..Self::sample()
        };
        vec![
            ("sample", Self::sample()),
            ("empty", empty),
            ("hostile", hostile),
        ]
    }
}

fn hostile_row() -> OperationRow {
    OperationRow {
        id: HOSTILE.to_owned(),
        verb: HOSTILE.to_owned(),
        target: LONG.repeat(3),
        step: HOSTILE.to_owned(),
        by: HOSTILE.to_owned(),
        took: HOSTILE.to_owned(),
        reason: HOSTILE.to_owned(),
        ..operations().remove(0)
    }
}

impl OperationPage {
    /// A reload under way.
    pub fn sample() -> Self {
        let step = |status: OperationStatus, title: &str, detail: &str, took: &str| StepRow {
            status: status.into(),
            title: title.to_owned(),
            detail: detail.to_owned(),
            took: took.to_owned(),
        };
        Self {
            chrome: samples::chrome("/operations/01JDAXP2Q4"),
            operation: operations().remove(0),
            problem: None,
            next: None,
            steps: vec![
                step(
                    OperationStatus::Succeeded,
                    "Configuration checked",
                    "Against the schema and by the module",
                    "3 ms",
                ),
                step(
                    OperationStatus::Succeeded,
                    "New process prepared",
                    "Process 41377 on the held sockets",
                    "38 ms",
                ),
                step(
                    OperationStatus::Running,
                    "Old process drains",
                    "2 requests are still open",
                    "",
                ),
                step(OperationStatus::Pending, "New process takes over", "", ""),
            ],
            facts: vec![
                Fact::text("Asked by", "operator (browser)"),
                Fact::text("Why", "Configuration revision 7"),
                Fact::new("Began", Value::Time(ago(4))),
                Fact::text(
                    "Mode",
                    "overlap: the new process is ready before the old one ends",
                ),
                Fact::code("Id", "01JDAXP2Q4"),
            ],
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let mut failed = Self {
            operation: operations().remove(1),
            ..Self::sample()
        };
        failed.steps.truncate(1);
        failed.problem = Some(Problem {
            what: "The new process was not ready within 10 s.".to_owned(),
            advice: "The old process still serves with the old configuration. See the log, then reload again.".to_owned(),
            lines: vec!["error: could not open /etc/clock.tz: permission denied".to_owned()],
        });
        let pending = Self {
            steps: Vec::new(),
            ..Self::sample()
        };
        let hostile = Self {
            chrome: samples::chrome_hostile("/operations/x"),
            operation: hostile_row(),
            problem: Some(hostile_problem()),
            facts: vec![Fact::text(HOSTILE, HOSTILE)],
            next: Some(("/modules".to_owned(), HOSTILE.to_owned())),
            ..Self::sample()
        };
        vec![
            ("sample", Self::sample()),
            ("failed", failed),
            ("pending", pending),
            ("hostile", hostile),
        ]
    }
}
