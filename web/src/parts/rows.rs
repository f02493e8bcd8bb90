//! Rows and facts that several pages share.

use askama::Template;

use super::badge::{Badge, ModuleState};
use crate::format::{Hash, Sparkline, Stamp};

/// A value in a list of facts.
#[derive(Debug, Clone)]
pub enum Value {
    /// Words.
    Text(String),
    /// A path, an address, a command: monospace, with a copy button.
    Code(String),
    /// A moment.
    Time(Stamp),
    /// A hash, shortened.
    Hash(Hash),
    /// A state.
    Badge(Badge),
    /// A way to another page.
    Link {
        /// Where it leads.
        href: String,
        /// What it says.
        text: String,
    },
}

/// A label and its value.
#[derive(Debug, Clone)]
pub struct Fact {
    /// The label.
    pub label: String,
    /// The value.
    pub value: Value,
}

impl Fact {
    /// A fact in words.
    pub fn text(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(label, Value::Text(value.into()))
    }

    /// A fact to copy.
    pub fn code(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(label, Value::Code(value.into()))
    }

    /// A fact of any kind.
    pub fn new(label: impl Into<String>, value: Value) -> Self {
        Self {
            label: label.into(),
            value,
        }
    }
}

/// A measured number with its history.
#[derive(Debug, Clone)]
pub struct Stat {
    /// What is measured.
    pub label: String,
    /// The number with its unit.
    pub value: String,
    /// What to compare it with: `of 256 MiB`.
    pub detail: String,
    /// The last minutes.
    pub trend: Option<Sparkline>,
}

/// What went wrong and what to do.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What happened, in a sentence.
    pub what: String,
    /// What to do now; empty if nothing helps but waiting.
    pub advice: String,
    /// Last lines of output.
    pub lines: Vec<String>,
}

/// Something that only a person can do.
#[derive(Debug, Clone)]
pub struct Task {
    /// Who asks.
    pub module: String,
    /// What is to be done.
    pub title: String,
    /// Why.
    pub detail: String,
    /// Where to do it.
    pub href: String,
    /// The word on the link.
    pub action: String,
}

/// Which buttons make sense now.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one button each")]
pub struct Actions {
    /// Go to the review page first; nothing is granted yet.
    pub review: bool,
    /// Start it.
    pub load: bool,
    /// Stop it.
    pub unload: bool,
    /// Take up configuration or version anew.
    pub reload: bool,
    /// Let it be loaded again.
    pub enable: bool,
    /// Stop it and keep it from being loaded.
    pub disable: bool,
}

impl Actions {
    /// The buttons for a state.
    pub fn for_state(state: ModuleState, enabled: bool) -> Self {
        let waiting = state == ModuleState::Waiting;
        let unusable = state == ModuleState::Unusable;
        let up = matches!(
            state,
            ModuleState::Starting | ModuleState::Running | ModuleState::BackingOff
        );
        Self {
            review: waiting,
            load: matches!(state, ModuleState::Stopped | ModuleState::Failed),
            unload: up,
            reload: state == ModuleState::Running,
            enable: !enabled && !waiting && !unusable,
            disable: enabled && !waiting && !unusable,
        }
    }
}

/// A module in one card or row.
#[derive(Debug, Clone)]
pub struct ModuleCard {
    /// Its name.
    pub name: String,
    /// The manifest's title, or the name.
    pub title: String,
    /// Its version.
    pub version: String,
    /// Where it is.
    pub state: Badge,
    /// How it is, where it runs.
    pub health: Option<Badge>,
    /// What a degraded module says about itself.
    pub health_message: String,
    /// How long it has been running: `2 h 14 min`; empty if it is not.
    pub uptime: String,
    /// Processor share: `0.4 %`.
    pub cpu: String,
    /// Resident memory: `18.2 MiB`.
    pub memory: String,
    /// Processor share over the last minutes.
    pub cpu_trend: Option<Sparkline>,
    /// Status fields that the module publishes.
    pub status: Vec<Fact>,
    /// Last error.
    pub problem: Option<Problem>,
    /// Number of things that need a person.
    pub tasks: u32,
    /// Whether it may be loaded.
    pub enabled: bool,
    /// Which buttons make sense.
    pub actions: Actions,
}

/// An event in a list.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// Its sequence number; `–` for events that have none.
    pub sequence: String,
    /// When.
    pub at: Stamp,
    /// Its type: `chain.block_connected`.
    pub kind: String,
    /// Who published it: `host` or a module's name.
    pub publisher: String,
    /// The module's page, if a module published it or is meant.
    pub module: Option<String>,
    /// What happened, in words.
    pub summary: String,
    /// How loud it is.
    pub badge: Badge,
    /// The body as JSON, pretty; empty hides it.
    pub body: String,
}

/// An operation in a list.
#[derive(Debug, Clone)]
pub struct OperationRow {
    /// Its id.
    pub id: String,
    /// What: `reload`.
    pub verb: String,
    /// On what: a module's name, or what else it is about.
    pub target: String,
    /// How far.
    pub status: Badge,
    /// Of 100, while it runs and where it is known.
    pub progress: Option<u8>,
    /// The step it is at.
    pub step: String,
    /// Who asked.
    pub by: String,
    /// When.
    pub started: Stamp,
    /// For how long.
    pub took: String,
    /// Why it failed.
    pub reason: String,
    /// Whether it can still be cancelled.
    pub can_cancel: bool,
}

/// A listening address of a module.
#[derive(Debug, Clone)]
pub struct ListenerRow {
    /// Its name in the manifest.
    pub name: String,
    /// Address and port.
    pub address: String,
    /// Open, refused, not granted.
    pub state: Badge,
    /// From where it can be reached, if the state does not say it.
    pub purpose: String,
}

/// A line of a module's output.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// When.
    pub at: Stamp,
    /// `error`, `warn`, `info`, `debug`, `trace`; `gap` for a notice of lost lines.
    pub level: &'static str,
    /// `log`, `stdout`, `stderr`, `host`.
    pub source: String,
    /// The text, without escape sequences.
    pub message: String,
    /// Further fields: `peer=… attempt=3`.
    pub fields: String,
}

/// Log lines alone, for the stream that a log page follows.
#[derive(Debug, Template)]
#[template(path = "parts/log_lines.html")]
pub struct LogLines {
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
}

/// Where a list continues.
#[derive(Debug, Clone, Default)]
pub struct Pager {
    /// Newer rows.
    pub newer: Option<String>,
    /// Older rows.
    pub older: Option<String>,
}
