//! What the supervisor sees and says: a module's present state, and why a call has no answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bllvm_ipc::ErrorReply;
use bllvm_ipc::types::{MethodDescription, StatusField, UiProgress, UiTask};
use bllvm_manifest::{ConfigProblem, ModuleName};

use crate::model::{Health, Id, IsolationLayer, ObservedState, UtcTime};

/// A module as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Where it is in its life.
    pub state: ObservedState,
    /// How it is, while it runs.
    pub health: Health,
    /// Why it is not as it should be.
    pub reason: Option<String>,
    /// What a person can do about it.
    pub way_out: Option<String>,
    /// The present run.
    pub run: Option<Id>,
    /// The module's own process id.
    pub pid: Option<u32>,
    /// Since when it is in this state.
    pub since: UtcTime,
    /// When it became running.
    pub ready_at: Option<UtcTime>,
    /// Restarts after a crash since the host started.
    pub restarts: u64,
    /// When it will be started again, while it backs off.
    pub next_start_at: Option<UtcTime>,
    /// Processor time of all its processes in percent of one core, over the last sample.
    pub cpu_percent: f32,
    /// Resident memory of all its processes.
    pub memory_bytes: u64,
    /// The methods that it offers.
    pub methods: Vec<MethodDescription>,
    /// Its status fields.
    pub status: Vec<StatusField>,
    /// Its tasks that need a person.
    pub tasks: Vec<UiTask>,
    /// What it is busy with.
    pub progress: Vec<UiProgress>,
    /// Its metrics, by name: whether it is a counter, and the value.
    pub metrics: BTreeMap<String, (bool, f64)>,
    /// The configuration revision it runs on.
    pub revision: Option<u64>,
    /// Durable events that it has not acknowledged yet.
    pub cursor_lag: u64,
    /// The sockets that the host holds for it.
    pub listeners: BTreeMap<String, SocketAddr>,
    /// What isolates the present process, layer by layer.
    pub isolation: Vec<IsolationLayer>,
}

impl Observed {
    /// A module without a process.
    pub fn stopped(since: UtcTime) -> Self {
        Self {
            state: ObservedState::Stopped,
            health: Health::Unknown,
            reason: None,
            way_out: None,
            run: None,
            pid: None,
            since,
            ready_at: None,
            restarts: 0,
            next_start_at: None,
            cpu_percent: 0.0,
            memory_bytes: 0,
            methods: Vec::new(),
            status: Vec::new(),
            tasks: Vec::new(),
            progress: Vec::new(),
            metrics: BTreeMap::new(),
            revision: None,
            cursor_lag: 0,
            listeners: BTreeMap::new(),
            isolation: Vec::new(),
        }
    }
}

/// Why a call to a module has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallFailure {
    /// There is no such module.
    #[error("there is no module `{0}`")]
    NoModule(ModuleName),
    /// It does not run, or its process is ending right now.
    #[error("{}", not_running(*state, reason.as_deref()))]
    NotRunning {
        /// What was last seen of it.
        state: ObservedState,
        /// Why.
        reason: Option<String>,
    },
    /// It offers no such method.
    #[error("the module has no method `{method}`; it has {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    NoMethod {
        /// What was asked for.
        method: String,
        /// What it offers.
        known: Vec<String>,
    },
    /// The parameters are not what the method's own schema describes.
    #[error("`{method}` does not take these parameters: {}", problems.iter().map(in_words).collect::<Vec<_>>().join("; "))]
    Params {
        /// The method.
        method: String,
        /// What is wrong, field by field.
        problems: Vec<ConfigProblem>,
    },
    /// The parameters or the answer cannot be carried.
    #[error("{0}")]
    Invalid(String),
    /// It went away before it answered.
    #[error("the module went away before it answered")]
    Gone,
    /// It did not answer in time.
    #[error("the module did not answer within {0} ms")]
    Deadline(u64),
    /// It answered with an error.
    #[error(transparent)]
    Refused(ErrorReply),
}

/// What is wrong with a call's parameters, or with one of them.
pub(crate) fn in_words(problem: &ConfigProblem) -> String {
    if problem.key.is_empty() {
        format!("the parameters' value {}", problem.message)
    } else {
        problem.to_string()
    }
}

/// Why nobody takes a call. Between a process's end and the moment when the end is recorded, the
/// state that was last seen is still `running`, which would be no reason at all.
fn not_running(state: ObservedState, reason: Option<&str>) -> String {
    match (state, reason) {
        (ObservedState::Running, None) => {
            "the module takes no calls now: its process has just ended".to_owned()
        }
        (ObservedState::Running, Some(reason)) => {
            format!("the module takes no calls now: {reason}")
        }
        (state, None) => format!("the module is {state}"),
        (state, Some(reason)) => format!("the module is {state}: {reason}"),
    }
}

/// How the shutdown of all modules went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Modules that ended when asked.
    pub stopped: Vec<ModuleName>,
    /// Modules that had to be killed.
    pub killed: Vec<ModuleName>,
    /// How long it took.
    pub took: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_takes_no_calls_is_never_said_to_run() {
        for state in ObservedState::ALL.iter().copied() {
            for reason in [None, Some("it missed 3 signs of life in a row".to_owned())] {
                let text = CallFailure::NotRunning { state, reason }.to_string();
                assert!(!text.contains("is running"), "{text}");
            }
        }
        let crashed = CallFailure::NotRunning {
            state: ObservedState::BackingOff,
            reason: Some("it crashed".to_owned()),
        };
        assert_eq!(crashed.to_string(), "the module is backing_off: it crashed");
    }
}
