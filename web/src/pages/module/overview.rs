//! State, numbers and methods of one module.

use askama::Template;

use super::head::{ModuleHead, Tab};
use crate::format::{Sparkline, Stamp};
use crate::layout::Chrome;
use crate::pages::overview::{hostile_problem, operations};
use crate::parts::{Badge, Fact, ListenerRow, Problem, Stat, Task, Tone, Value};
use crate::samples::{self, DIGEST, HOSTILE, ago};

/// `GET /modules/{name}`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/module/overview.html")]
pub struct ModuleOverview {
    /// The frame.
    pub chrome: Chrome,
    /// The module.
    pub head: ModuleHead,
    /// What is wrong and what to do.
    pub problem: Option<Problem>,
    /// How the last reload went.
    pub reload: Option<ReloadOutcome>,
    /// What needs a person.
    pub tasks: Vec<Task>,
    /// Processor, memory, restarts, calls.
    pub stats: Vec<Stat>,
    /// State, why, process, runs.
    pub facts: Vec<Fact>,
    /// Fields that the module publishes.
    pub status: Vec<Fact>,
    /// Where it listens.
    pub listeners: Vec<ListenerRow>,
    /// Methods that it registered.
    pub methods: Vec<MethodRow>,
}

/// How a reload went, and in which mode.
#[derive(Debug, Clone)]
pub struct ReloadOutcome {
    /// Succeeded, rolled back.
    pub badge: Badge,
    /// `Reloaded in place`, `… with overlap`, `… exclusively`, `Not reloaded`.
    pub mode: String,
    /// What that meant: `the process kept running`.
    pub explanation: String,
    /// When.
    pub at: Stamp,
    /// Its operation.
    pub operation: String,
}

/// A method that a module registered.
#[derive(Debug, Clone)]
pub struct MethodRow {
    /// Its name.
    pub name: String,
    /// What it does.
    pub summary: String,
    /// Its address in the API.
    pub path: String,
    /// Its page, to call it by hand.
    pub href: String,
}

impl ModuleOverview {
    /// A running module that was reloaded a moment ago.
    pub fn sample() -> Self {
        let trend = Sparkline::new(&[0.3, 0.4, 0.2, 0.5, 2.1, 0.6, 0.4, 0.3, 0.3, 0.9, 0.4, 0.4]);
        let stat = |label: &str, value: &str, detail: &str, trend| Stat {
            label: label.to_owned(),
            value: value.to_owned(),
            detail: detail.to_owned(),
            trend,
        };
        Self {
            chrome: samples::chrome("/modules/block-clock"),
            head: ModuleHead::sample(Tab::Overview),
            problem: None,
            reload: Some(ReloadOutcome {
                badge: Badge::new(Tone::Good, "succeeded"),
                mode: "Reloaded with overlap".to_owned(),
                explanation:
                    "the new process was ready before the old one ended; no connection was refused."
                        .to_owned(),
                at: ago(12),
                operation: "01JDAXP2Q4".to_owned(),
            }),
            tasks: Vec::new(),
            stats: vec![
                stat("Processor", "0.4 %", "of half a core", trend.clone()),
                stat("Memory", "6.1 MiB", "of 64 MiB", trend),
                stat("Uptime", "2 h 14 min", "", None),
                stat("Restarts", "1", "in 24 h", None),
            ],
            facts: vec![
                Fact::text("Why", "Loaded by operator, starts with the node"),
                Fact::text("Process", "41233"),
                Fact::new("Running since", Value::Time(ago(8040))),
                Fact::new(
                    "Runs",
                    Value::Link {
                        href: "/modules/block-clock/runs".to_owned(),
                        text: "3, last ended by reload".to_owned(),
                    },
                ),
                Fact::text("Configuration", "revision 7"),
                Fact::new("Digest", Value::Hash(crate::format::Hash::new(DIGEST))),
                Fact::text("Source", "folder, confirmed by operator"),
            ],
            status: vec![Fact::text("Tip", "1,204"), Fact::text("Since tip", "3 min")],
            listeners: vec![ListenerRow {
                name: "http".to_owned(),
                address: "127.0.0.1:8490".to_owned(),
                state: Badge::new(Tone::Good, "open"),
                purpose: "this machine only".to_owned(),
            }],
            methods: vec![MethodRow {
                name: "since_tip".to_owned(),
                summary: "Seconds since the tip was mined".to_owned(),
                path: "/api/v1/modules/block-clock/methods/since_tip".to_owned(),
                href: "/modules/block-clock/methods/since_tip".to_owned(),
            }],
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let problem = Problem {
            what: "The handshake was refused: it speaks protocol 2, this node speaks 1.".to_owned(),
            advice: "Install version 0.1.x, or upgrade the node, then load it again.".to_owned(),
            lines: vec!["hello: protocol 2..2".to_owned()],
        };
        let failed = Self {
            head: ModuleHead::failed(Tab::Overview),
            problem: Some(problem),
            reload: None,
            stats: Vec::new(),
            status: Vec::new(),
            methods: Vec::new(),
            listeners: Vec::new(),
            ..Self::sample()
        };
        let mut busy = Self {
            reload: None,
            ..Self::sample()
        };
        busy.head.operation = operations().into_iter().next();
        busy.chrome =
            samples::chrome_with_flash("/modules/block-clock", Tone::Good, "Reload was accepted.");
        let task = Task {
            module: HOSTILE.to_owned(),
            title: HOSTILE.to_owned(),
            detail: HOSTILE.to_owned(),
            href: HOSTILE.to_owned(),
            action: HOSTILE.to_owned(),
        };
        let mut hostile = Self {
            chrome: samples::chrome_hostile("/modules/x"),
            head: ModuleHead::hostile(Tab::Overview),
            problem: Some(hostile_problem()),
            tasks: vec![task],
            facts: vec![Fact::code(HOSTILE, HOSTILE)],
            status: vec![Fact::text(HOSTILE, HOSTILE)],
            methods: vec![MethodRow {
                name: HOSTILE.to_owned(),
                summary: HOSTILE.to_owned(),
                path: HOSTILE.to_owned(),
                href: HOSTILE.to_owned(),
            }],
            ..Self::sample()
        };
        hostile.listeners[0].purpose = String::from(HOSTILE);
        vec![
            ("sample", Self::sample()),
            ("failed", failed),
            ("busy", busy),
            ("hostile", hostile),
        ]
    }
}
