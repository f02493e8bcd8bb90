//! What bllvm-node and bllvm-launch say to each other: the policy in, the reports out.
//!
//! The program itself is small on purpose: no tokio, no threads, one child.

use std::collections::BTreeSet;
use std::fmt;
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
    /// The module's data directory: where it starts, and the only place that it may write to.
    pub data_dir: PathBuf,
    /// What stands between the module and the machine.
    pub sandbox: Sandbox,
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

/// What stands between the module and the machine. Everything that is not here is denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    /// Whom it runs as.
    pub user: User,
    /// What it may use up.
    pub limits: Limits,
    /// Files and folders that it may read, beside what every program needs.
    pub readable: Vec<PathBuf>,
    /// TCP ports to which it may connect.
    pub connect: Ports,
    /// Whether it may use UDP.
    pub udp: bool,
    /// Whether it may start other programs.
    pub programs: bool,
    /// Whether namespaces are tried.
    pub namespaces: bool,
    /// The control group that it joins, as a folder.
    pub control_group: Option<PathBuf>,
    /// Layers without which the module does not start.
    pub required: BTreeSet<Layer>,
}

/// Whom a module runs as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum User {
    /// A user and a group of this number, which nobody else has.
    Own(u32),
    /// The host's user.
    Host {
        /// Why not an own one.
        why: String,
    },
}

/// What a module may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Private writable memory of each process in bytes.
    pub memory_bytes: u64,
    /// Open files of each process.
    pub files: u64,
    /// Processes and threads together.
    pub processes: u64,
    /// The size of each file that it writes.
    pub file_bytes: u64,
}

/// TCP ports to which a module may connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ports {
    /// All of them.
    Any,
    /// These.
    Only(BTreeSet<u16>),
}

impl Ports {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Only(ports) if ports.is_empty())
    }
}

/// One layer between a module and the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Nothing of the host's is inherited but what the module is given.
    Descriptors,
    /// A user of its own.
    OwnUser,
    /// No capabilities of the superuser.
    Capabilities,
    /// No program raises its rights.
    NoNewPrivileges,
    /// Limits on memory, files and processes.
    Limits,
    /// Landlock's rules on files.
    LandlockFiles,
    /// Landlock's rules on TCP.
    LandlockNetwork,
    /// Landlock's scopes: signals and abstract sockets.
    LandlockScope,
    /// The filter of system calls.
    Seccomp,
    /// Processes of its own.
    PidNamespace,
    /// Users of its own.
    UserNamespace,
    /// Mounts of its own: nothing but its data directory is writable, and nothing in there runs.
    MountNamespace,
    /// System V IPC and message queues of its own.
    IpcNamespace,
    /// A network of its own, with nothing in it.
    NetworkNamespace,
    /// A control group of its own.
    ControlGroup,
}

impl Layer {
    /// Without these nothing starts, unless an operator waives them for a module.
    pub const REQUIRED: [Self; 4] = [
        Self::NoNewPrivileges,
        Self::Capabilities,
        Self::LandlockFiles,
        Self::Seccomp,
    ];

    /// Its name in reports, settings and requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::OwnUser => "own_user",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivileges => "no_new_privileges",
            Self::Limits => "limits",
            Self::LandlockFiles => "landlock_files",
            Self::LandlockNetwork => "landlock_network",
            Self::LandlockScope => "landlock_scope",
            Self::Seccomp => "seccomp",
            Self::PidNamespace => "pid_namespace",
            Self::UserNamespace => "user_namespace",
            Self::MountNamespace => "mount_namespace",
            Self::IpcNamespace => "ipc_namespace",
            Self::NetworkNamespace => "network_namespace",
            Self::ControlGroup => "control_group",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a layer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// It holds.
    Enforced,
    /// It holds in part; the detail says what does not.
    Partial,
    /// The system does not offer it here; the detail says why.
    Unavailable,
    /// Nothing is missing without it; the detail says why.
    NotNeeded,
}

/// One line on the status descriptor, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "report")]
pub enum Report {
    /// A layer between the module and the machine.
    Layer {
        /// Which.
        layer: Layer,
        /// How far it holds.
        hold: Hold,
        /// What holds, or why it does not.
        detail: String,
    },
    /// The module's program runs.
    Started {
        /// Its process id, as the module sees it.
        pid: i32,
        /// How many generations below the launcher it is.
        generations: u32,
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
    /// The module was not started because required layers are missing.
    Refused {
        /// Which.
        missing: Vec<Layer>,
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
