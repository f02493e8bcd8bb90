//! Runs: when a process began, how it ended.

use bllvm_web::pages::module::RunRow;
use bllvm_web::parts::{Badge, Tone};

use super::operation::mode_words;
use super::{lasted, sentence, stamp};
use crate::model::{Exit, Run, UtcTime};

/// A run's row.
pub fn row(run: &Run, now: UtcTime) -> RunRow {
    let (outcome, reason) = match &run.exit {
        None => (Badge::new(Tone::Good, "running"), String::new()),
        Some(Exit::Stopped) => (
            Badge::new(Tone::Quiet, "ended"),
            "It was asked to end.".to_owned(),
        ),
        Some(Exit::Code { code: 0 }) => (
            Badge::new(Tone::Warn, "ended"),
            "It ended by itself.".to_owned(),
        ),
        Some(Exit::Code { .. } | Exit::Signal { .. }) => {
            (Badge::new(Tone::Bad, "crashed"), String::new())
        }
        Some(Exit::Killed { reason }) => (Badge::new(Tone::Bad, "killed"), killed(reason)),
        Some(Exit::Lost) => (
            Badge::new(Tone::Warn, "lost"),
            "bllvm-node ended before it saw how this run ended.".to_owned(),
        ),
        Some(Exit::NotStarted { reason }) => {
            (Badge::new(Tone::Bad, "not started"), sentence(reason))
        }
    };
    let until = run.ended_at.unwrap_or(now);
    let mut facts = vec![run.version.clone()];
    facts.extend(run.pid.map(|pid| format!("process {pid}")));
    facts.push(lasted(run.started_at, until));
    let started = run
        .reload
        .map(|mode| format!("Started by a reload, {}.", mode_words(mode).0));
    let reason = [started.unwrap_or_default(), reason]
        .join(" ")
        .trim()
        .to_owned();
    RunRow {
        id: run.id.to_string(),
        started: stamp(run.started_at, now),
        outcome,
        exit: run
            .exit
            .as_ref()
            .map_or_else(|| "still running".to_owned(), exit_words),
        facts: facts.join(", "),
        reason,
        lines: run.last_output.clone(),
    }
}

/// How a process ended.
pub fn exit_words(exit: &Exit) -> String {
    match exit {
        Exit::Code { code } => format!("exit code {code}"),
        Exit::Signal { signal } => match signal_name(*signal) {
            Some(name) => format!("signal {signal} ({name})"),
            None => format!("signal {signal}"),
        },
        Exit::Killed { .. } => "ended by the node".to_owned(),
        Exit::Stopped => "stopped".to_owned(),
        Exit::Lost => "not known".to_owned(),
        Exit::NotStarted { .. } => "no process".to_owned(),
    }
}

/// Why the node ended a process.
pub fn killed(reason: &str) -> String {
    match reason {
        "handshake_timeout" => "It did not say hello in time.".to_owned(),
        "handshake_refused" => "Its hello was refused.".to_owned(),
        "not_ready" => "It did not become ready in time.".to_owned(),
        "unresponsive" => "It did not answer any more.".to_owned(),
        "stop_deadline" => "It did not end in time when it was asked to.".to_owned(),
        "protocol_fault" => "It broke the rules of its channel.".to_owned(),
        other => sentence(&other.replace('_', " ")),
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGKILL => "killed from outside, perhaps for lack of memory",
        libc::SIGSEGV => "segmentation fault",
        libc::SIGABRT => "abort",
        libc::SIGBUS => "bus error",
        libc::SIGILL => "illegal instruction",
        libc::SIGTERM => "terminated from outside",
        libc::SIGSYS => "forbidden system call",
        _ => return None,
    })
}
