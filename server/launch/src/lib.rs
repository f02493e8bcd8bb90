//! What bllvm-node and bllvm-launch say to each other: the policy in, the reports out.
//!
//! The program itself is small on purpose: no tokio, no threads, one child.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The first descriptor that a module inherits beside the standard three.
pub const FIRST_FD: i32 = 3;
/// The channel's name in `LISTEN_FDNAMES`.
pub const CHANNEL_NAME: &str = "bllvm";

/// How one module is to be started: the program's only argument, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Descriptors from [`FIRST_FD`] on that the module inherits: the channel, then its listeners.
    pub inherited: i32,
    /// The descriptor for [`Report`]s.
    pub status_fd: i32,
    /// What is executed.
    pub program: Program,
    /// The module's arguments, its own name first.
    pub argv: Vec<String>,
    /// The module's directory.
    pub cwd: PathBuf,
    /// Private writable memory in bytes.
    pub memory_bytes: u64,
    /// Open files.
    pub files: u64,
}

/// What is executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// An open descriptor: the verified bytes themselves.
    Descriptor(i32),
    /// A path: an interpreter that the operator allowed.
    Path(PathBuf),
}

/// One line on the status descriptor, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "report")]
pub enum Report {
    /// A layer between the module and the machine.
    Layer {
        /// Its name.
        layer: String,
        /// Whether it holds.
        enforced: bool,
        /// What holds, or why it does not.
        detail: String,
    },
    /// The module's program runs.
    Started {
        /// Its process id, as the module sees it.
        pid: i32,
    },
    /// The module's program could not be executed.
    NotStarted {
        /// The system's error number; 0 where it was not the system.
        errno: i32,
        /// What was being done.
        what: String,
        /// What a person can do.
        way_out: String,
    },
    /// The module ended by itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// The module was ended by a signal.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
}
