//! Why a start did not succeed, and whether trying again can help.

use bllvm_ipc::WireError;

use super::listeners::ListenerError;
use super::process::{Life, ProcessEnd, SpawnError};
use super::programs::ProgramError;
use crate::model::Exit;

/// A start that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StartFailure {
    /// A stable code, as in problem documents.
    pub code: &'static str,
    /// What happened.
    pub reason: String,
    /// What a person can do.
    pub way_out: Option<String>,
    /// Trying again cannot help: only a person can.
    pub permanent: bool,
    /// How the run ended, where there was one.
    pub exit: Option<Exit>,
    /// An operator or the host ended it.
    pub cancelled: bool,
}

impl StartFailure {
    /// A fault that only a person can mend.
    pub fn fault(
        code: &'static str,
        reason: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Self {
        Self {
            code,
            reason: reason.into(),
            way_out: Some(way_out.into()),
            permanent: true,
            exit: None,
            cancelled: false,
        }
    }

    /// Something that may be better the next time.
    pub fn passing(code: &'static str, reason: impl Into<String>, exit: Option<Exit>) -> Self {
        Self {
            code,
            reason: reason.into(),
            way_out: None,
            permanent: false,
            exit,
            cancelled: false,
        }
    }

    /// It ended by itself.
    pub fn ended(when: &str, end: &ProcessEnd) -> Self {
        let exit = exit_of(end);
        let reason = format!("{} {when}", describe(&exit));
        Self::passing("module_crashed", reason, Some(exit))
    }

    /// The host ended it, for a reason of `Exit::Killed`.
    pub fn killed(code: &'static str, why: &str, reason: impl Into<String>) -> Self {
        let exit = Exit::Killed {
            reason: why.to_owned(),
        };
        Self::passing(code, reason, Some(exit))
    }

    pub fn cancelled() -> Self {
        let mut failure = Self::killed("cancelled", "cancelled", "the start was called off");
        failure.cancelled = true;
        failure
    }

    /// A hello that was none, or was refused.
    pub fn handshake(error: &WireError, deadline_ms: u128) -> Self {
        let refused = |reason: String, way_out: &str| {
            let mut failure = Self::fault("handshake_refused", reason, way_out);
            failure.exit = Some(Exit::Killed {
                reason: "handshake_refused".to_owned(),
            });
            failure
        };
        match error {
            WireError::HelloDeadline(_) => Self::killed(
                "handshake_timeout",
                "handshake_timeout",
                format!("it said no hello within {deadline_ms} ms"),
            ),
            WireError::Refused(goodbye) => refused(
                format!("its hello was refused: {goodbye}"),
                "do what the refusal says, then retry",
            ),
            WireError::Io(_) | WireError::Truncated => Self::killed(
                "handshake_failed",
                "protocol_fault",
                "it closed its channel before it said hello",
            ),
            other => refused(
                format!("its hello cannot be understood: {other}"),
                "build it with bllvm-sdk, or write descriptor 3 as PROTOCOL.md says; is standard \
                 output connected to it?",
            ),
        }
    }

    /// Both in one text.
    pub fn detail(&self) -> String {
        match &self.way_out {
            Some(way_out) => format!("{}; {way_out}", self.reason),
            None => self.reason.clone(),
        }
    }
}

/// The stored form of a process's end.
pub(super) fn exit_of(end: &ProcessEnd) -> Exit {
    match end {
        ProcessEnd::Code(code) => Exit::Code { code: *code },
        ProcessEnd::Signal(signal) => Exit::Signal { signal: *signal },
        // Only the kernel or another process could have done that.
        ProcessEnd::Unknown => Exit::Signal { signal: 9 },
    }
}

/// An end, in words.
pub(super) fn describe(exit: &Exit) -> String {
    match exit {
        Exit::Code { code: 0 } => "it ended by itself (exit code 0)".to_owned(),
        Exit::Code { code } => format!("it ended with exit code {code}"),
        Exit::Signal { signal } => format!("it was ended by signal {signal}{}", name(*signal)),
        Exit::Killed { reason } => format!("it was killed ({reason})"),
        Exit::Stopped => "it was stopped".to_owned(),
        Exit::Lost => "its end was not seen".to_owned(),
        Exit::NotStarted { reason } => format!("it could not be started: {reason}"),
    }
}

fn name(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        9 => " (SIGKILL: by a person, another program, or the kernel when memory ran out)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

impl From<ListenerError> for StartFailure {
    fn from(error: ListenerError) -> Self {
        let code = if error.source.kind() == std::io::ErrorKind::AddrInUse {
            "port_in_use"
        } else {
            "listener_failed"
        };
        let way_out = "end the other program, or grant another address; then retry";
        Self::fault(code, error.to_string(), way_out)
    }
}

impl From<SpawnError> for StartFailure {
    fn from(error: SpawnError) -> Self {
        let reason = error.to_string();
        match error {
            SpawnError::NoLaunch(_) => Self::fault("launcher_missing", reason, "then retry"),
            SpawnError::System(_) | SpawnError::Ending => {
                Self::passing("spawn_failed", reason, None)
            }
        }
    }
}

impl StartFailure {
    /// A program that is not executed.
    pub fn program(error: &ProgramError, module: &bllvm_manifest::ModuleName) -> Self {
        let reason = error.to_string();
        match error {
            ProgramError::DigestMismatch { found, .. } => Self::fault(
                "digest_mismatch",
                reason,
                format!(
                    "if you changed it yourself, confirm it: bllvm-node module load {module} --digest {found}"
                ),
            ),
            ProgramError::Interpreter { .. } => Self::fault(
                "interpreter_not_allowed",
                reason,
                "allow it in the node's configuration: [modules.interpreters]",
            ),
            ProgramError::Layout(bllvm_manifest::LayoutError::Missing { .. }) => {
                Self::fault("program_missing", reason, "then retry")
            }
            ProgramError::Script(_) | ProgramError::Layout(_) => {
                Self::fault("not_executable", reason, "then retry")
            }
            ProgramError::Read { .. } => Self::fault(
                "program_unreadable",
                reason,
                "check its owner and permissions, then retry",
            ),
            ProgramError::Keep(_) => Self::passing("no_memory", reason, None),
        }
    }

    /// A process that was not started, because required layers do not hold here.
    pub fn unprotected(life: &Life, module: &bllvm_manifest::ModuleName) -> Self {
        let why = |layer: &bllvm_launch::Layer| {
            let found = life
                .isolation
                .iter()
                .find(|one| one.layer == layer.as_str());
            match found {
                Some(found) => format!("{layer} ({})", found.detail),
                None => layer.to_string(),
            }
        };
        let missing: Vec<String> = life.missing.iter().map(why).collect();
        let names: Vec<&str> = life.missing.iter().map(|layer| layer.as_str()).collect();
        let reason = format!("this system cannot put up {}", missing.join("; "));
        let way_out = format!(
            "make it available, or let this module run without it: bllvm-node module sandbox {module} --waive {}",
            names.join(",")
        );
        let mut failure = Self::fault("sandbox_incomplete", reason.clone(), way_out);
        failure.exit = Some(Exit::NotStarted { reason });
        failure
    }

    /// A program that the system would not execute.
    pub fn refused(errno: i32, what: &str, way_out: &str) -> Self {
        let system = std::io::Error::from_raw_os_error(errno);
        let reason = format!("the system did not {what}: {system}");
        let mut failure = Self::fault("not_executable", reason.clone(), way_out);
        // What the machine is short of now, it may have later.
        failure.permanent = !matches!(
            errno,
            libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::ETXTBSY
        );
        failure.exit = Some(Exit::NotStarted { reason });
        failure
    }
}
