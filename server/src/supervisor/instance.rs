//! One process of a module: from its spawn to ready, and to its end.

use std::sync::Arc;
use std::time::Duration;

use bllvm_ipc::handshake::Goodbye;
use bllvm_ipc::lifecycle::{ConfigProblem, Configure, Drain, NewConfig, Ready, StartReason};
use bllvm_ipc::log::Level;
use bllvm_ipc::types::Empty;
use bllvm_ipc::{CallError, Connection, Limits, Method, Stream, WireError, method as m};
use bllvm_manifest::{Digest, Manifest};
use semver::Version;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::fault::{StartFailure, exit_of};
use super::greet::greet;
use super::heartbeat::Heartbeat;
use super::process::{self, Process, Tail};
use super::programs::Program;
use super::spawn::{no_descriptors, spawn};
use super::{CurrentConfig, Entry};
use crate::clock;
use crate::ipc::Session;
use crate::model::{Exit, Id, IsolationLayer, IsolationState, ReloadMode, RequiredLayer};
use crate::store::commands::{RunEnded, RunReady, RunStarted};

/// How long a process may take to end after its channel closed, before it is a fault.
pub(super) const CLOSE_GRACE: Duration = Duration::from_secs(1);
/// How long output may still come after the last process ended.
const OUTPUT_GRACE: Duration = Duration::from_millis(200);

/// What a process is started from. A crash starts the next one from the same.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub manifest: Manifest,
    pub digest: Digest,
    pub program: Program,
    pub config: Option<CurrentConfig>,
    pub reason: StartReason,
    pub reload: Option<ReloadMode>,
    pub dir: std::path::PathBuf,
    pub waived: std::collections::BTreeSet<RequiredLayer>,
}

impl Plan {
    pub fn version(&self) -> &Version {
        &self.manifest.version
    }

    pub fn revision(&self) -> Option<u64> {
        self.config.as_ref().map(|config| config.revision)
    }
}

/// A process with an open session.
#[derive(Debug)]
pub(super) struct Instance {
    pub run: Id,
    pub plan: Plan,
    pub process: Process,
    pub connection: Connection,
    pub session: Arc<Session>,
    pub ready_at: Option<Instant>,
    pub heartbeat: Option<Heartbeat>,
    tail: Tail,
    output: watch::Receiver<()>,
}

/// The sockets that a process inherits.
#[derive(Debug)]
pub(super) struct Inheritance {
    pub descriptors: Vec<std::os::fd::OwnedFd>,
    pub names: String,
}

impl Instance {
    /// Spawns a process and greets it, until it could be configured. On any failure, nothing of it
    /// is left, and its run is recorded.
    pub async fn begin(
        context: &Arc<Context>,
        entry: &Entry,
        plan: Plan,
        inheritance: Inheritance,
        cancel: &CancellationToken,
    ) -> Result<Self, StartFailure> {
        let run = clock::new_id(&*context.clock);
        let (stream, theirs) = Stream::pair().map_err(no_descriptors)?;
        let (process, tail, output) =
            spawn(context, entry, run, &plan, inheritance, theirs).await?;
        entry.roots().push(process.root_pid());
        let greeted = tokio::select! {
            greeted = greet(context, entry, run, &stream, &process) => greeted,
            () = cancel.cancelled() => Err(StartFailure::cancelled()),
        };
        context
            .ledger
            .record(RunStarted {
                id: run,
                module: entry.name.clone(),
                version: plan.version().to_string(),
                pid: process.life().pid,
                reload: plan.reload,
                isolation: isolation(&plan.program, &process),
            })
            .await;
        if let Err(failure) = greeted {
            let exit = failure.exit.clone();
            let leftover = Leftover {
                run,
                process: &process,
                tail: &tail,
                output,
            };
            leftover.clear(context, entry, exit, secrets(&plan)).await;
            return Err(failure);
        }
        let session = Session::new(entry, Arc::clone(&context.services));
        let connection = Connection::start(stream, Limits::default(), session.handler());
        Ok(Self {
            run,
            plan,
            process,
            connection,
            session,
            ready_at: None,
            heartbeat: None,
            tail,
            output,
        })
    }

    /// Hands over the configuration and lets the module prepare.
    pub async fn prepare(&self, context: &Context) -> Result<(), StartFailure> {
        let deadline = context.settings.ready_deadline;
        let (value, revision) = match &self.plan.config {
            Some(config) => (config.value.clone(), config.revision),
            None => (json!({}), 0),
        };
        let configure = Configure {
            config: value,
            revision,
            reason: self.plan.reason,
        };
        let verdict = self.ask::<m::Configure>(&configure, deadline).await?;
        if !verdict.problems.is_empty() {
            let mut failure = StartFailure::fault(
                "config_refused",
                format!(
                    "it refused its configuration: {}",
                    problems(&verdict.problems)
                ),
                "mend the configuration; it is tried again then",
            );
            failure.exit = Some(Exit::Killed {
                reason: "config_refused".to_owned(),
            });
            return Err(failure);
        }
        self.ask::<m::Prepare>(&Empty {}, deadline).await.map(drop)
    }

    /// Makes it the one that serves.
    pub async fn activate(
        &mut self,
        context: &Arc<Context>,
        entry: &Entry,
    ) -> Result<(), StartFailure> {
        let deadline = context.settings.ready_deadline;
        let Ready {
            methods,
            subscriptions,
        } = self.ask::<m::Activate>(&Empty {}, deadline).await?;
        if let Err(refusal) = self.session.register_at_ready(methods) {
            context.note(&entry.name, Level::Warn, refusal.to_string());
        }
        self.session.open_feed(&self.connection);
        let subscribed = self
            .session
            .subscribe_at_ready(&self.connection, subscriptions)
            .await;
        if let Err(refusal) = subscribed {
            context.note(&entry.name, Level::Warn, refusal.to_string());
        }
        self.ready_at = Some(Instant::now());
        self.heartbeat = Some(Heartbeat::start(
            self.connection.clone(),
            context.settings.heartbeat,
            context.settings.heartbeat_misses,
            &context.tracker,
        ));
        context.ledger.record(RunReady { id: self.run }).await;
        Ok(())
    }

    /// What isolates it, and how far its program is verified.
    pub fn isolation(&self) -> Vec<IsolationLayer> {
        isolation(&self.plan.program, &self.process)
    }

    /// Asks for something that the module must do to go on living.
    pub async fn ask<M: Method>(
        &self,
        request: &M::Request,
        deadline: Duration,
    ) -> Result<M::Response, StartFailure> {
        let name = M::NAME;
        let answer = tokio::select! {
            answer = timeout(deadline, self.connection.call::<M>(request)) => answer,
            life = self.process.until(|life| life.end.is_some() || life.gone) => {
                let end = life.end.unwrap_or(process::ProcessEnd::Unknown);
                return Err(StartFailure::ended(&format!("before it answered `{name}`"), &end));
            }
        };
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(CallError::Closed)) => Err(self
                .why_closed(&format!("before it answered `{name}`"))
                .await),
            Ok(Err(CallError::Reply(reply))) => Err(StartFailure::killed(
                "not_ready",
                "not_ready",
                format!("it answered `{name}` with an error: {reply}"),
            )),
            Ok(Err(shape @ CallError::Shape { .. })) => Err(StartFailure::killed(
                "protocol_fault",
                "protocol_fault",
                shape.to_string(),
            )),
            Err(_) => Err(StartFailure::killed(
                "not_ready",
                "not_ready",
                format!(
                    "it did not answer `{name}` within {} ms",
                    deadline.as_millis()
                ),
            )),
        }
    }

    /// Why the channel closed: the process ended, broke the protocol, or let go of it.
    pub async fn why_closed(&self, when: &str) -> StartFailure {
        let fault = self.connection.closed().await;
        let torn = match &*fault {
            Ok(()) => None,
            // A process that ends with frames unread or half-written resets its channel.
            Err(torn @ (WireError::Io(_) | WireError::Truncated)) => Some(torn.to_string()),
            Err(fault) => {
                return StartFailure::killed(
                    "protocol_fault",
                    "protocol_fault",
                    format!("it broke the protocol {when}: {fault}"),
                );
            }
        };
        let end = self.process.until(|life| life.end.is_some() || life.gone);
        if let Ok(life) = timeout(CLOSE_GRACE, end).await {
            let end = life.end.unwrap_or(process::ProcessEnd::Unknown);
            return StartFailure::ended(when, &end);
        }
        let words = self.session.goodbye().map(|words| words.to_string());
        let words = words.or(torn).map(|words| format!(": {words}"));
        StartFailure::killed(
            "protocol_fault",
            "protocol_fault",
            format!("it closed its channel {when}{}", words.unwrap_or_default()),
        )
    }

    /// Lets the module judge a configuration, or take it.
    pub async fn reconfigure(
        &self,
        value: &Value,
        revision: u64,
        deadline: Duration,
    ) -> Result<Vec<ConfigProblem>, StartFailure> {
        let new = NewConfig {
            config: value.clone(),
            revision,
        };
        let verdict = self.ask::<m::Reconfigure>(&new, deadline).await?;
        Ok(verdict.problems)
    }

    /// Lets the module finish what is open.
    pub async fn drain(&self, deadline: Duration) -> Result<(), StartFailure> {
        let drain = Drain {
            deadline_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
        };
        self.ask::<m::Drain>(&drain, deadline).await?;
        // What it had finished before may come right behind; who ends the connection would lose it.
        let _ = timeout(deadline, self.connection.idle()).await;
        Ok(())
    }

    /// Ends it in good order: goodbye, SIGTERM, SIGKILL. Tells how it ended.
    pub async fn part(&self, context: &Context, why: &Goodbye, by: Option<Instant>) -> Exit {
        let settings = &context.settings;
        let clip = |deadline: Duration| match by {
            Some(by) => deadline.min(by.saturating_duration_since(Instant::now())),
            None => deadline,
        };
        self.connection.close(why);
        let hard = context.hard.clone();
        let patience = async {
            if timeout(clip(settings.goodbye_grace), self.process.gone())
                .await
                .is_ok()
            {
                return true;
            }
            self.process.terminate();
            timeout(clip(settings.term_deadline), self.process.gone())
                .await
                .is_ok()
        };
        let ended = tokio::select! {
            ended = patience => ended,
            () = hard.cancelled() => false,
        };
        if ended {
            return Exit::Stopped;
        }
        self.process.kill();
        self.process.gone().await;
        Exit::Killed {
            reason: "stop_deadline".to_owned(),
        }
    }

    /// Kills it.
    pub async fn kill(&self) {
        self.connection
            .close(&Goodbye::new("fault", "this process is being replaced"));
        self.process.kill();
        self.process.gone().await;
    }

    /// Records the end of a process of which nothing is left.
    pub async fn bury(self, context: &Context, entry: &Entry, exit: Option<Exit>) -> Exit {
        self.session.close_feed();
        self.connection
            .close(&Goodbye::new("shutdown", "the process has ended"));
        let secrets = secrets(&self.plan).to_vec();
        let leftover = Leftover {
            run: self.run,
            process: &self.process,
            tail: &self.tail,
            output: self.output,
        };
        leftover.clear(context, entry, exit, &secrets).await
    }
}

/// What isolates a process, and how far its program is verified.
fn isolation(program: &Program, process: &Process) -> Vec<IsolationLayer> {
    let (state, detail) = match program {
        Program::Bytes(_) => (
            IsolationState::Enforced,
            "the bytes that run are the confirmed ones".to_owned(),
        ),
        Program::Script { interpreter, .. } => (
            IsolationState::Partial,
            format!(
                "the script is the confirmed one; its interpreter {} is not verified",
                interpreter.display()
            ),
        ),
    };
    let program = IsolationLayer {
        layer: "program".to_owned(),
        state,
        detail,
    };
    let layers = process.life().isolation;
    [program].into_iter().chain(layers).collect()
}

fn secrets(plan: &Plan) -> &[String] {
    plan.config.as_ref().map_or(&[], |config| &config.secrets)
}

pub(super) fn problems(problems: &[ConfigProblem]) -> String {
    let problems = problems.iter().map(|problem| {
        if problem.key.is_empty() {
            problem.message.clone()
        } else {
            format!("`{}`: {}", problem.key, problem.message)
        }
    });
    problems.collect::<Vec<_>>().join("; ")
}

struct Leftover<'a> {
    run: Id,
    process: &'a Process,
    tail: &'a Tail,
    output: watch::Receiver<()>,
}

impl Leftover<'_> {
    async fn clear(
        mut self,
        context: &Context,
        entry: &Entry,
        exit: Option<Exit>,
        secrets: &[String],
    ) -> Exit {
        if !self.process.life().gone {
            self.process.kill();
        }
        let end = self.process.gone().await;
        entry.roots().retain(|pid| *pid != self.process.root_pid());
        // Its last words come through the pipes, which close with the last process.
        let _ = timeout(OUTPUT_GRACE, self.output.changed()).await;
        let exit = exit.unwrap_or_else(|| exit_of(&end));
        let last_output = match exit {
            Exit::Stopped => Vec::new(),
            _ => self.tail.lines(secrets),
        };
        context
            .ledger
            .record(RunEnded {
                id: self.run,
                exit: exit.clone(),
                last_output,
            })
            .await;
        exit
    }
}
