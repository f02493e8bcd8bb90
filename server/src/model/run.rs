//! One process of a module, from spawn to exit.

use bllvm_manifest::ModuleName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Id, IsolationLayer, ReloadMode, UtcTime};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum Exit {
    /// By itself, with a code.
    Code {
        /// The exit code.
        code: i32,
    },
    /// By a signal that the host did not send.
    Signal {
        /// The signal's number.
        signal: i32,
    },
    /// By the host, for a reason.
    Killed {
        /// The reason: `handshake_timeout`, `handshake_refused`, `not_ready`, `unresponsive`,
        /// `stop_deadline`, `protocol_fault`.
        reason: String,
    },
    /// Asked to end, and did.
    Stopped,
    /// The host ended before it saw the exit.
    Lost,
    /// The process could not be started.
    NotStarted {
        /// Why.
        reason: String,
    },
}

/// One process of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Run {
    /// Its id; the module sees it as its instance id.
    pub id: Id,
    /// The module.
    #[schema(value_type = String)]
    pub module: ModuleName,
    /// The module's version.
    pub version: String,
    /// The process id, where it started.
    pub pid: Option<u32>,
    /// When it was spawned.
    pub started_at: UtcTime,
    /// When it became running.
    pub ready_at: Option<UtcTime>,
    /// When it ended.
    pub ended_at: Option<UtcTime>,
    /// How it ended.
    pub exit: Option<Exit>,
    /// The reload that started it, where one did.
    pub reload: Option<ReloadMode>,
    /// The last lines of its output, kept when it ended badly.
    pub last_output: Vec<String>,
    /// What stood between it and the machine, layer by layer.
    pub isolation: Vec<IsolationLayer>,
}
