//! The connection's handler: sorts what comes in and hands it to the dispatcher, never blocking.

use std::sync::{Arc, Mutex, PoisonError};

use bllvm_ipc::handshake::Goodbye;
use bllvm_ipc::lifecycle::{Call, ConfigVerdict, Configure, Drain, NewConfig, Ready};
use bllvm_ipc::types::{Empty, ModuleCallResult};
use bllvm_ipc::{
    Connection, ErrorCode, ErrorReply, Handler, Incoming, Method, Notice, Reply, method,
};
use tokio::sync::{mpsc, oneshot};

use crate::events::EventQueue;

/// Requests and pings that may wait for the dispatcher; the connection allows 64 open requests.
pub(crate) const INBOX: usize = 256;

pub(crate) type Responder<T> = oneshot::Sender<Result<T, ErrorReply>>;

/// What the dispatcher does.
#[derive(Debug)]
pub(crate) enum Work {
    Ping(u64),
    Call(Call, Responder<ModuleCallResult>),
    Life(Life),
}

/// A step of the module's life, with where its answer goes.
#[derive(Debug)]
pub(crate) enum Life {
    Configure(Configure, Responder<ConfigVerdict>),
    Validate(NewConfig, Responder<ConfigVerdict>),
    Prepare(Responder<Empty>),
    Activate(Responder<Ready>),
    Drain(Drain, Responder<Empty>),
    Resume(Responder<Empty>),
    Reconfigure(NewConfig, Responder<ConfigVerdict>),
}

/// Between the reader and the dispatcher.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) inbox: mpsc::Sender<Work>,
    pub(crate) events: Arc<EventQueue>,
    pub(crate) goodbye: Arc<Mutex<Option<Goodbye>>>,
}

impl Gateway {
    fn ask<M: Method>(
        &self,
        request: &Incoming,
        work: impl FnOnce(M::Request, Responder<M::Response>) -> Work,
    ) -> Reply
    where
        M::Response: Send + 'static,
    {
        let params = match request.decode::<M>() {
            Ok(params) => params,
            Err(error) => return Reply::refuse(error),
        };
        let (responder, answer) = oneshot::channel();
        if self.inbox.try_send(work(params, responder)).is_err() {
            let text = "the module's dispatcher takes nothing now";
            return Reply::refuse(ErrorReply::new(ErrorCode::Busy, text));
        }
        Reply::later::<M>(async move {
            answer.await.unwrap_or_else(|_| {
                let text = format!(
                    "`{}` ended without an answer; see the module's log",
                    M::NAME
                );
                Err(ErrorReply::internal(text))
            })
        })
    }
}

impl Handler for Gateway {
    fn request(&self, _: &Connection, request: Incoming) -> Reply {
        let life = Work::Life;
        match request.method {
            method::Call::ID => self.ask::<method::Call>(&request, Work::Call),
            method::Configure::ID => {
                self.ask::<method::Configure>(&request, |p, r| life(Life::Configure(p, r)))
            }
            method::Validate::ID => {
                self.ask::<method::Validate>(&request, |p, r| life(Life::Validate(p, r)))
            }
            method::Prepare::ID => {
                self.ask::<method::Prepare>(&request, |_, r| life(Life::Prepare(r)))
            }
            method::Activate::ID => {
                self.ask::<method::Activate>(&request, |_, r| life(Life::Activate(r)))
            }
            method::Drain::ID => {
                self.ask::<method::Drain>(&request, |p, r| life(Life::Drain(p, r)))
            }
            method::Resume::ID => {
                self.ask::<method::Resume>(&request, |_, r| life(Life::Resume(r)))
            }
            method::Reconfigure::ID => {
                self.ask::<method::Reconfigure>(&request, |p, r| life(Life::Reconfigure(p, r)))
            }
            other => Reply::refuse(ErrorReply::unsupported(format!(
                "method {other:#06x} is not known to this module"
            ))),
        }
    }

    fn notice(&self, _: &Connection, notice: Notice) {
        match notice {
            Notice::Event(event) => self.events.push(event),
            // A full inbox leaves the ping without a pong, which is the truth.
            Notice::Ping(id) => drop(self.inbox.try_send(Work::Ping(id))),
            Notice::Goodbye(words) => {
                *self.goodbye.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
            }
            // A host sends none of these.
            Notice::Ack(_) | Notice::Log(_) | Notice::Metric(_) => {}
        }
    }
}
