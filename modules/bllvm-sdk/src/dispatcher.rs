//! The dispatcher: the one task that owns the module and leads it through its life.
//!
//! It runs at most one step of the life and one event at a time, starts calls as tasks of their
//! own, and answers pings between; a module that blocks it does not pong.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bllvm_ipc::lifecycle::{Call, ConfigVerdict, NewConfig, Ready};
use bllvm_ipc::types::{Empty, ModuleCallResult};
use bllvm_ipc::{ErrorCode, ErrorReply};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::delivery::Delivery;
use crate::handler::{Life, Responder, Work};
use crate::{Context, Methods, Module, Problems, Result};

/// How far the module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    Configured,
    Prepared,
    Active,
    Draining,
    Drained,
}

/// A finished step.
enum Done<M> {
    Prepared(Result<M>, Responder<Empty>),
    Activated(Result<()>, Responder<Ready>),
    Drained(bool, Responder<Empty>),
    Resumed(Result<()>, Responder<Empty>),
    Reconfigured(Result<(), Problems>, Responder<ConfigVerdict>),
}

type Step<M> = Pin<Box<dyn Future<Output = Done<M>> + Send>>;

pub(crate) struct Dispatcher<M: Module> {
    context: Context,
    inbox: mpsc::Receiver<Work>,
    delivery: Delivery,
    methods: Methods<M>,
    phase: Phase,
    config: Option<M::Config>,
    module: Option<Arc<M>>,
    /// The step that goes on now; later ones wait.
    step: Option<Step<M>>,
    waiting: VecDeque<Life>,
}

impl<M: Module> Dispatcher<M> {
    pub(crate) fn new(context: Context, inbox: mpsc::Receiver<Work>, delivery: Delivery) -> Self {
        Self {
            context,
            inbox,
            delivery,
            methods: M::methods(),
            phase: Phase::New,
            config: None,
            module: None,
            step: None,
            waiting: VecDeque::new(),
        }
    }

    /// Runs until nobody can send work any more, or the module cannot go on.
    pub(crate) async fn run(mut self) -> Result<()> {
        let outcome = self.lead().await;
        if let Err(error) = &outcome {
            tracing::error!("{}", error.chain());
        }
        outcome
    }

    async fn lead(&mut self) -> Result<()> {
        loop {
            if self.step.is_none()
                && let Some(life) = self.waiting.pop_front()
            {
                self.begin(life);
                continue;
            }
            let delivers = self.delivery.is_busy() || self.phase == Phase::Active;
            let serving = self.context.serving();
            tokio::select! {
                biased;
                work = self.inbox.recv() => match work {
                    Some(Work::Ping(id)) => self.pong(id),
                    Some(Work::Call(call, responder)) => self.call(call, responder),
                    Some(Work::Life(life)) => self.waiting.push_back(life),
                    None => return Ok(()),
                },
                done = next(&mut self.step) => {
                    self.step = None;
                    self.finish(done)?;
                }
                outcome = deliver(&mut self.delivery, self.module.as_ref(), &serving), if delivers => {
                    outcome?;
                }
            }
        }
    }

    fn pong(&self, id: u64) {
        if !self.delivery.is_stuck() {
            self.context.connection().pong(id);
        }
    }

    /// Starts a call beside everything else. It ends when the caller goes away.
    fn call(&self, call: Call, mut responder: Responder<ModuleCallResult>) {
        let Some(module) = self.module.clone().filter(|_| self.phase == Phase::Active) else {
            let error = ErrorReply::unavailable("the module does not serve now", 200);
            return answer(responder, Err(error));
        };
        match self.methods.begin(module, call) {
            Err(error) => answer(responder, Err(error)),
            Ok(work) => self.context.spawn(async move {
                tokio::select! {
                    result = work => {
                        answer(responder, result.map(|result| ModuleCallResult { result }));
                    }
                    () = responder.closed() => {}
                }
            }),
        }
    }

    /// Begins a step, or answers at once where it takes no time or does not fit.
    fn begin(&mut self, life: Life) {
        match (life, self.phase, &self.module) {
            (Life::Configure(request, responder), Phase::New | Phase::Configured, _) => {
                self.context.set_started(request.reason, request.revision);
                let config = read::<M>(request.config);
                let verdict = verdict(config.as_ref().map(drop).map_err(Clone::clone));
                self.config = config.ok();
                if self.config.is_some() {
                    self.phase = Phase::Configured;
                }
                answer(responder, Ok(verdict));
            }
            (Life::Validate(NewConfig { config, .. }, responder), ..) => {
                answer(responder, Ok(verdict(read::<M>(config).map(drop))));
            }
            (Life::Prepare(responder), Phase::Configured, _) => {
                let Some(config) = self.config.take() else {
                    return answer(responder, Err(ErrorReply::invalid("configure comes first")));
                };
                let context = self.context.clone();
                self.step = Some(Box::pin(async move {
                    Done::Prepared(M::prepare(context, config).await, responder)
                }));
            }
            (Life::Activate(responder), Phase::Prepared, Some(module)) => {
                let module = module.clone();
                self.step = Some(Box::pin(async move {
                    Done::Activated(module.activate().await, responder)
                }));
            }
            (Life::Drain(drain, responder), Phase::Active, Some(module)) => {
                self.phase = Phase::Draining;
                let (module, serving) = (module.clone(), self.context.serving());
                let deadline = Duration::from_millis(drain.deadline_ms);
                self.step = Some(Box::pin(async move {
                    let both = async { tokio::join!(module.drain(), serving.drain()) };
                    let finished = tokio::time::timeout(deadline, both).await.is_ok();
                    Done::Drained(finished, responder)
                }));
            }
            // Nothing serves, so nothing is open.
            (Life::Drain(_, responder), ..) => answer(responder, Ok(Empty {})),
            (Life::Resume(responder), Phase::Drained, Some(module)) => {
                let module = module.clone();
                self.context.renew_serving();
                self.step = Some(Box::pin(async move {
                    Done::Resumed(module.resume().await, responder)
                }));
            }
            (Life::Reconfigure(request, responder), Phase::Active, Some(module)) => {
                let config = match read::<M>(request.config) {
                    Ok(config) => config,
                    Err(problems) => return answer(responder, Ok(verdict(Err(problems)))),
                };
                let module = module.clone();
                self.step = Some(Box::pin(async move {
                    Done::Reconfigured(module.reconfigure(config).await, responder)
                }));
            }
            (life, phase, _) => refuse(life, phase),
        }
    }

    /// Takes over what a step brought. An error ends the process.
    fn finish(&mut self, done: Done<M>) -> Result<()> {
        match done {
            Done::Prepared(Ok(module), responder) => {
                self.module = Some(Arc::new(module));
                self.phase = Phase::Prepared;
                answer(responder, Ok(Empty {}));
            }
            Done::Prepared(Err(error), responder) => {
                tracing::error!("the module could not prepare: {}", error.chain());
                answer(responder, Err(error.to_reply()));
            }
            Done::Activated(Ok(()), responder) => {
                self.phase = Phase::Active;
                answer(responder, Ok(self.ready()));
            }
            Done::Activated(Err(error), responder) => {
                tracing::error!("the module could not start to serve: {}", error.chain());
                self.context.draining().cancel();
                self.context.renew_serving();
                answer(responder, Err(error.to_reply()));
            }
            Done::Drained(finished, responder) => {
                self.phase = Phase::Drained;
                self.delivery.acknowledge();
                let late = || ErrorReply::new(ErrorCode::Deadline, "not all was finished in time");
                answer(responder, finished.then_some(Empty {}).ok_or_else(late));
            }
            Done::Resumed(Ok(()), responder) => {
                self.phase = Phase::Active;
                answer(responder, Ok(Empty {}));
            }
            Done::Resumed(Err(error), responder) => {
                answer(responder, Err(error.to_reply()));
                return Err(error);
            }
            Done::Reconfigured(outcome, responder) => {
                answer(responder, Ok(verdict(outcome)));
            }
        }
        Ok(())
    }

    fn ready(&self) -> Ready {
        Ready {
            methods: self.methods.descriptions(),
            subscriptions: M::EVENTS.iter().map(|kind| (*kind).to_owned()).collect(),
        }
    }
}

async fn next<M>(step: &mut Option<Step<M>>) -> Done<M> {
    match step {
        Some(step) => step.await,
        None => std::future::pending().await,
    }
}

async fn deliver<M: Module>(
    delivery: &mut Delivery,
    module: Option<&Arc<M>>,
    serving: &crate::serving::Serving,
) -> Result<()> {
    match module {
        Some(module) => delivery.step(module, serving).await,
        None => std::future::pending().await,
    }
}

fn read<M: Module>(config: Value) -> Result<M::Config, Problems> {
    let config = serde_json::from_value(config)
        .map_err(|error| Problems::whole(format!("it does not fit: {error}")))?;
    M::validate(&config)?;
    Ok(config)
}

fn verdict(outcome: Result<(), Problems>) -> ConfigVerdict {
    outcome.err().unwrap_or_default().into_verdict()
}

fn answer<T>(responder: Responder<T>, result: Result<T, ErrorReply>) {
    // Who asked may have gone.
    let _ = responder.send(result);
}

fn refuse(life: Life, phase: Phase) {
    let (asked, after) = match &life {
        Life::Configure(..) => ("configure", "the welcome"),
        Life::Validate(..) => ("validate", "the welcome"),
        Life::Prepare(_) => ("prepare", "configure"),
        Life::Activate(_) => ("activate", "prepare"),
        Life::Drain(..) => ("drain", "activate"),
        Life::Resume(_) => ("resume", "drain"),
        Life::Reconfigure(..) => ("reconfigure", "activate"),
    };
    let error = ErrorReply::new(
        ErrorCode::Conflict,
        format!("`{asked}` comes after {after}; this module is {phase:?}"),
    );
    match life {
        Life::Configure(_, to) | Life::Validate(_, to) | Life::Reconfigure(_, to) => {
            answer(to, Err(error));
        }
        Life::Prepare(to) | Life::Drain(_, to) | Life::Resume(to) => answer(to, Err(error)),
        Life::Activate(to) => answer(to, Err(error)),
    }
}
