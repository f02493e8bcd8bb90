//! The first words: a race of the hello, the process's end, and the deadline.

use bllvm_ipc::handshake::accept;
use bllvm_ipc::{Limits, Stream};
use tokio::time::timeout;

use super::Entry;
use super::context::Context;
use super::fault::StartFailure;
use super::instance::CLOSE_GRACE;
use super::process::{self, Process};
use crate::ipc::{Identity, welcome};
use crate::model::Id;

/// Waits for a new process's hello and answers it.
pub(super) async fn greet(
    context: &Context,
    entry: &Entry,
    run: Id,
    stream: &Stream,
    process: &Process,
) -> Result<(), StartFailure> {
    let settings = &context.settings;
    let limits = Limits {
        hello_deadline: settings.hello_deadline,
        ..Limits::default()
    };
    let life = process.settled().await;
    if let Some((errno, what, way_out)) = &life.refused {
        return Err(StartFailure::refused(*errno, what, way_out));
    }
    if !life.missing.is_empty() {
        return Err(StartFailure::unprotected(&life, &entry.name));
    }
    let identity = Identity {
        module: entry.name.clone(),
        run,
        grant: entry.rights.get(),
        heartbeat: settings.heartbeat,
    };
    let ended = |end: Option<process::ProcessEnd>| {
        let end = end.unwrap_or(process::ProcessEnd::Unknown);
        StartFailure::ended("before it said hello", &end)
    };
    let error = tokio::select! {
        biased;
        greeted = accept(stream, &limits, |hello| welcome(&identity, hello)) => match greeted {
            Ok(_) => return Ok(()),
            Err(error) => error,
        },
        life = process.until(|life| life.end.is_some() || life.gone) => return Err(ended(life.end)),
    };
    let failure = StartFailure::handshake(&error, settings.hello_deadline.as_millis());
    if failure.code != "handshake_failed" {
        return Err(failure);
    }
    // A closed channel is as a rule the first that is seen of a crash.
    let end = process.until(|life| life.end.is_some() || life.gone);
    match timeout(CLOSE_GRACE, end).await {
        Ok(life) => Err(ended(life.end)),
        Err(_) => Err(failure),
    }
}
