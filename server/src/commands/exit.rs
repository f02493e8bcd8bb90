//! How a command ends: exit codes, and the error's text with the way out.

use std::process::ExitCode;

use super::client::Problem;

/// Exit codes, as the help states them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Not done.
    Failed = 1,
    /// The command line or the configuration cannot be used.
    Usage = 64,
    /// The node cannot be reached.
    Unreachable = 69,
    /// Interrupted while waiting.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Failures that have an exit code or a text of their own; others are plain failures.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The command line does not fit.
    #[error("{0}")]
    Usage(String),
    /// The node cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The node said no.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// Whoever waited was interrupted.
    #[error("{0}")]
    Interrupted(String),
}

/// Writes a command's failure to stderr and gives its exit code.
pub fn report(error: &anyhow::Error) -> Exit {
    let exit = match error.downcast_ref::<CommandError>() {
        Some(CommandError::Usage(_)) => Exit::Usage,
        Some(CommandError::Unreachable(_)) => Exit::Unreachable,
        Some(CommandError::Interrupted(_)) => Exit::Interrupted,
        None if error.is::<crate::config::ConfigError>() => Exit::Usage,
        Some(CommandError::Refused(_)) | None => Exit::Failed,
    };
    if exit == Exit::Interrupted {
        eprintln!("{error}");
    } else {
        eprintln!("error: {error:#}");
    }
    exit
}
