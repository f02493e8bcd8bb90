//! The first page: every module in a card, the node in a line, what needs a person.

use askama::Template;

use crate::format::Sparkline;
use crate::layout::Chrome;
use crate::parts::{
    Actions, Badge, EventRow, Fact, Health, ModuleCard, ModuleState, OperationRow, OperationStatus,
    Problem, Task, Tone,
};
use crate::samples::{self, HOSTILE, LONG, ago};

/// `GET /`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/overview.html")]
pub struct Overview {
    /// The frame.
    pub chrome: Chrome,
    /// How many modules are in which state.
    pub tallies: Vec<Tally>,
    /// What is wrong with the base node.
    pub node_problem: Option<Problem>,
    /// Installed releases that their makers took back.
    pub taken_back: Vec<Problem>,
    /// Number of modules that were found and not yet reviewed.
    pub waiting: u32,
    /// The same in words: `2 modules wait for your review: mesh, clock.`
    pub waiting_text: String,
    /// What needs a person.
    pub tasks: Vec<Task>,
    /// One card a module, those in trouble first.
    pub cards: Vec<ModuleCard>,
    /// Operations that are pending, running or lately failed.
    pub operations: Vec<OperationRow>,
    /// The last events.
    pub events: Vec<EventRow>,
    /// Where to drop a module's folder.
    pub modules_dir: String,
}

/// How many are in one state.
#[derive(Debug, Clone)]
pub struct Tally {
    /// The state.
    pub badge: Badge,
    /// How many.
    pub count: u32,
}

impl Overview {
    /// A working node with five modules, each in another state.
    pub fn sample() -> Self {
        Self {
            chrome: samples::chrome("/"),
            tallies: vec![
                Tally {
                    badge: ModuleState::Running.into(),
                    count: 3,
                },
                Tally {
                    badge: ModuleState::Failed.into(),
                    count: 1,
                },
                Tally {
                    badge: ModuleState::BackingOff.into(),
                    count: 1,
                },
                Tally {
                    badge: ModuleState::Stopped.into(),
                    count: 1,
                },
            ],
            node_problem: None,
            taken_back: Vec::new(),
            waiting: 2,
            waiting_text: "2 modules wait for your review: block-log, mesh.".to_owned(),
            tasks: vec![Task {
                module: "lightning".to_owned(),
                title: "Fund the on-chain wallet".to_owned(),
                detail: "A channel of 500,000 sat is asked for; the wallet holds 0 sat.".to_owned(),
                href: "/modules/lightning".to_owned(),
                action: "Show address".to_owned(),
            }],
            cards: vec![failed(), backing_off(), running(), degraded(), stopped()],
            operations: operations(),
            events: events(),
            modules_dir: "/var/lib/bllvm/modules".to_owned(),
        }
    }

    /// The hard states.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let problem = Problem {
            what:
                "The base node does not answer: its process ended with signal 6 (abort) 12 s ago."
                    .to_owned(),
            advice: "It is started again in 4 s. Modules keep running; chain requests wait."
                .to_owned(),
            lines: vec!["Assertion `m_chain.Tip()' failed.".to_owned()],
        };
        vec![
            ("sample", Self::sample()),
            ("empty", Self::empty()),
            (
                "node-down",
                Self {
                    taken_back: vec![problem.clone()],
                    node_problem: Some(problem),
                    ..Self::sample()
                },
            ),
            ("hostile", Self::hostile()),
        ]
    }

    fn empty() -> Self {
        let mut chrome = samples::chrome("/");
        (
            chrome.node,
            chrome.modules_waiting,
            chrome.operations_running,
        ) = (None, 0, 0);
        Self {
            chrome,
            tallies: Vec::new(),
            waiting: 0,
            waiting_text: String::new(),
            tasks: Vec::new(),
            cards: Vec::new(),
            operations: Vec::new(),
            events: Vec::new(),
            ..Self::sample()
        }
    }

    fn hostile() -> Self {
        let mut card = failed();
        (card.name, card.title, card.version) =
            (HOSTILE.to_owned(), HOSTILE.to_owned(), HOSTILE.to_owned());
        card.problem = Some(hostile_problem());
        let long = ModuleCard {
            name: LONG.to_owned(),
            title: LONG.to_owned(),
            ..running()
        };
        let mut event = events().remove(0);
        (event.summary, event.kind, event.body) =
            (HOSTILE.to_owned(), HOSTILE.to_owned(), HOSTILE.to_owned());
        event.module = Some(HOSTILE.to_owned());
        let mut operation = operations().remove(0);
        (operation.id, operation.target) = (HOSTILE.to_owned(), LONG.repeat(4));
        Self {
            chrome: samples::chrome_hostile("/"),
            waiting_text: HOSTILE.to_owned(),
            tasks: vec![Task {
                module: HOSTILE.to_owned(),
                title: HOSTILE.to_owned(),
                detail: HOSTILE.to_owned(),
                href: HOSTILE.to_owned(),
                action: HOSTILE.to_owned(),
            }],
            cards: vec![card, long],
            operations: vec![operation],
            events: vec![event],
            modules_dir: HOSTILE.to_owned(),
            ..Self::sample()
        }
    }
}

pub(super) fn hostile_problem() -> Problem {
    Problem {
        what: HOSTILE.to_owned(),
        advice: HOSTILE.to_owned(),
        lines: vec![HOSTILE.to_owned()],
    }
}

pub(super) fn running() -> ModuleCard {
    ModuleCard {
        name: "block-clock".to_owned(),
        title: "Block clock".to_owned(),
        version: "0.1.0".to_owned(),
        state: ModuleState::Running.into(),
        health: Some(Health::Healthy.into()),
        health_message: String::new(),
        uptime: "2 h 14 min".to_owned(),
        cpu: "0.4 %".to_owned(),
        memory: "6.1 MiB".to_owned(),
        cpu_trend: Sparkline::new(&[0.3, 0.4, 0.2, 0.5, 2.1, 0.6, 0.4, 0.3, 0.3, 0.9, 0.4, 0.4]),
        status: vec![Fact::text("Tip", "1,204"), Fact::text("Since tip", "3 min")],
        problem: None,
        tasks: 0,
        enabled: true,
        actions: Actions::for_state(ModuleState::Running, true),
    }
}

fn degraded() -> ModuleCard {
    ModuleCard {
        name: "lightning".to_owned(),
        title: "Lightning".to_owned(),
        version: "0.3.2".to_owned(),
        health: Some(Health::Degraded.into()),
        health_message: "No peer for 12 min; payments can't be routed.".to_owned(),
        cpu: "3.1 %".to_owned(),
        memory: "48.9 MiB".to_owned(),
        cpu_trend: Sparkline::new(&[3.3, 3.4, 3.2, 4.5, 2.1, 3.6, 8.4, 3.3, 3.3, 2.9, 3.4, 3.1]),
        status: vec![
            Fact::text("Channels", "0 of 2 usable"),
            Fact::text("Peers", "0"),
        ],
        tasks: 1,
        ..running()
    }
}

fn failed() -> ModuleCard {
    ModuleCard {
        name: "stratum-v2".to_owned(),
        title: "Stratum V2".to_owned(),
        version: "0.2.0".to_owned(),
        state: ModuleState::Failed.into(),
        health: None,
        uptime: String::new(),
        cpu: String::new(),
        memory: String::new(),
        cpu_trend: None,
        status: Vec::new(),
        problem: Some(Problem {
            what: "The handshake was refused: it speaks protocol 2, this node speaks 1.".to_owned(),
            advice: "Install stratum-v2 0.1.x, or upgrade the node, then load it again.".to_owned(),
            lines: vec![
                "hello: protocol 2..2".to_owned(),
                "host: no version in common (1..1)".to_owned(),
            ],
        }),
        actions: Actions::for_state(ModuleState::Failed, true),
        ..running()
    }
}

fn backing_off() -> ModuleCard {
    ModuleCard {
        name: "mesh".to_owned(),
        title: "Mesh".to_owned(),
        state: ModuleState::BackingOff.into(),
        problem: Some(Problem {
            what: "Ended with signal 11 (segmentation fault), 4 times in 2 min.".to_owned(),
            advice: "It is started again in 8 s. Unload it to stop the attempts.".to_owned(),
            lines: Vec::new(),
        }),
        actions: Actions::for_state(ModuleState::BackingOff, true),
        ..failed()
    }
}

fn stopped() -> ModuleCard {
    ModuleCard {
        name: "governance".to_owned(),
        title: "Governance".to_owned(),
        state: ModuleState::Stopped.into(),
        problem: None,
        enabled: false,
        actions: Actions::for_state(ModuleState::Stopped, false),
        ..failed()
    }
}

pub(super) fn operations() -> Vec<OperationRow> {
    let running = OperationRow {
        id: "01JDAXP2Q4".to_owned(),
        verb: "reload".to_owned(),
        target: "block-clock".to_owned(),
        status: OperationStatus::Running.into(),
        progress: Some(60),
        step: "New process is prepared, the old one drains".to_owned(),
        by: "operator (browser)".to_owned(),
        started: ago(4),
        took: String::new(),
        reason: String::new(),
        can_cancel: true,
    };
    let failed = OperationRow {
        id: "01JDAXM001".to_owned(),
        verb: "load".to_owned(),
        target: "stratum-v2".to_owned(),
        status: OperationStatus::Failed.into(),
        progress: None,
        step: String::new(),
        by: "token ci".to_owned(),
        started: ago(840),
        took: "210 ms".to_owned(),
        reason: "Handshake refused: no protocol version in common.".to_owned(),
        can_cancel: false,
    };
    vec![running, failed]
}

pub(super) fn events() -> Vec<EventRow> {
    let event = |sequence: &str,
                 seconds,
                 tone,
                 word: &str,
                 kind: &str,
                 module: Option<&str>,
                 summary: &str| EventRow {
        sequence: sequence.to_owned(),
        at: ago(seconds),
        kind: kind.to_owned(),
        publisher: "host".to_owned(),
        module: module.map(str::to_owned),
        summary: summary.to_owned(),
        badge: Badge::new(tone, word),
        body: "{\n  \"height\": 1204,\n  \"txs\": 3\n}".to_owned(),
    };
    vec![
        event(
            "8812",
            9,
            Tone::Warn,
            "warning",
            "module.crashed",
            Some("mesh"),
            "Signal 11; fourth crash in 2 min.",
        ),
        event(
            "8811",
            185,
            Tone::Quiet,
            "chain",
            "chain.block_connected",
            None,
            "Block 1,204 with 3 transactions.",
        ),
        event(
            "8810",
            840,
            Tone::Bad,
            "error",
            "module.failed",
            Some("stratum-v2"),
            "Handshake refused.",
        ),
        event(
            "8809",
            8040,
            Tone::Good,
            "ok",
            "module.ready",
            Some("block-clock"),
            "Ready after 38 ms.",
        ),
    ]
}
