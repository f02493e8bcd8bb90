//! Calls that this side makes: sent in turn, answered in any order.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::{SemaphorePermit, oneshot};

use super::{Connection, PING_BIT, fits, lock};
use crate::codec::Wire;
use crate::frame::{ERROR, Frame, Kind, LARGE, RAW};
use crate::{CallError, ErrorReply, Method};

impl Connection {
    /// Calls a method and waits for its answer. Dropping the future cancels the call.
    ///
    /// # Errors
    /// The other side's refusal, a lost connection, or a body of the wrong shape.
    pub async fn call<M: Method>(&self, request: &M::Request) -> Result<M::Response, CallError> {
        self.turn().await?.send::<M>(request)?.answer().await
    }

    /// Calls a method by number with an encoded body; the answer is the frame's body.
    ///
    /// # Errors
    /// The other side's refusal, or a lost connection.
    pub async fn call_encoded(
        &self,
        method: u16,
        body: Bytes,
        raw: bool,
    ) -> Result<Bytes, CallError> {
        let flags = if raw { RAW } else { 0 };
        let open = self.turn().await?.send_encoded(method, body, flags)?;
        Ok(open.reply().await?.body)
    }

    /// Waits until a call may go out: until fewer than the limit are open, and there is space. What is
    /// then sent by [`Turn::send`] goes out before all that is sent after that returned.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub async fn turn(&self) -> Result<Turn<'_>, CallError> {
        let permit = self.shared.calls.acquire().await;
        let permit = permit.map_err(|_| CallError::Closed)?;
        self.shared.outbox.has_space().await;
        Ok(Turn {
            connection: self,
            permit,
        })
    }

    /// Asks for a sign of life from the other side's dispatcher.
    ///
    /// # Errors
    /// A lost connection.
    pub async fn ping(&self) -> Result<(), CallError> {
        let id = PING_BIT | self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let ping = Frame::new(Kind::Ping, 0, id, Bytes::new());
        self.open(&ping, true)?.answer().await.map(drop)
    }

    /// Calls that wait for the other side's answer.
    pub fn open_calls(&self) -> usize {
        lock(&self.shared.pending).len()
    }

    /// Waits until no call is open, be it that the connection ended.
    pub async fn idle(&self) {
        loop {
            let answered = self.shared.answered.notified();
            if self.open_calls() == 0 {
                return;
            }
            answered.await;
        }
    }

    /// A caller that is alone writes at once; callers in a crowd share the writer's next write.
    fn open(&self, frame: &Frame, alone: bool) -> Result<OpenCall<'_>, CallError> {
        let (sender, answer) = oneshot::channel();
        lock(&self.shared.pending).insert(frame.id, sender);
        let open = OpenCall {
            connection: self,
            id: frame.id,
            answer: Some(answer),
        };
        let outbox = &self.shared.outbox;
        if alone {
            outbox.send_now(frame)
        } else {
            outbox.send_soon(frame)
        }
        .map_err(|_| CallError::Closed)?;
        Ok(open)
    }

    /// Hands an answer to who waits for it; tells whether anybody does.
    pub(super) fn answered(&self, frame: Frame) -> bool {
        let mut pending = lock(&self.shared.pending);
        let waiting = pending.remove(&frame.id);
        let was_last = pending.is_empty();
        drop(pending);
        let known = waiting.is_some();
        if let Some(waiting) = waiting {
            // The caller may have gone in this very moment.
            let _ = waiting.send(Ok(frame));
        }
        if was_last {
            self.shared.answered.notify_waiters();
        }
        known
    }

    /// Tells all who wait that no answer will come.
    pub(super) fn give_up(&self) {
        let waiting: Vec<_> = lock(&self.shared.pending).drain().collect();
        for (_, waiting) in waiting {
            // The caller may have gone in this very moment.
            let _ = waiting.send(Err(CallError::Closed));
        }
        self.shared.answered.notify_waiters();
    }
}

/// Leave to send one call without waiting.
#[derive(Debug)]
#[must_use = "a place among the open calls is kept for it"]
pub struct Turn<'a> {
    connection: &'a Connection,
    permit: SemaphorePermit<'a>,
}

impl<'a> Turn<'a> {
    /// Sends the call. Dropping what comes back cancels it.
    ///
    /// # Errors
    /// A lost connection, or a body of the wrong shape or size.
    pub fn send<M: Method>(self, request: &M::Request) -> Result<Sent<'a, M>, CallError> {
        let body = request.to_body().map_err(shape::<M>)?;
        let raw = if M::Request::RAW { RAW } else { 0 };
        let large = if M::LARGE { LARGE } else { 0 };
        let open = self.send_encoded(M::ID, body, raw | large)?;
        Ok(Sent {
            open,
            method: std::marker::PhantomData,
        })
    }

    fn send_encoded(self, method: u16, body: Bytes, flags: u8) -> Result<Asked<'a>, CallError> {
        let connection = self.connection;
        // The other side would end the connection, and every call on it.
        let limit = connection.limit(flags & RAW != 0, false);
        fits("request", body.len(), limit).map_err(CallError::Reply)?;
        let id = connection.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let mut frame = Frame::new(Kind::Request, method, id, body);
        frame.flags = flags;
        let alone = connection.open_calls() == 0;
        Ok(Asked {
            open: connection.open(&frame, alone)?,
            _permit: self.permit,
        })
    }
}

/// A call that was sent.
#[derive(Debug)]
#[must_use = "dropping it cancels the call"]
pub struct Sent<'a, M> {
    open: Asked<'a>,
    method: std::marker::PhantomData<M>,
}

impl<M: Method> Sent<'_, M> {
    /// Waits for the answer.
    ///
    /// # Errors
    /// The other side's refusal, a lost connection, or an answer of the wrong shape.
    pub async fn answer(self) -> Result<M::Response, CallError> {
        let frame = self.open.reply().await?;
        if frame.has(RAW) != M::Response::RAW {
            return Err(shape::<M>("the RAW flag does not fit".to_owned()));
        }
        M::Response::from_body(&frame.body).map_err(shape::<M>)
    }
}

/// A call that takes a place among the open ones.
#[derive(Debug)]
struct Asked<'a> {
    open: OpenCall<'a>,
    _permit: SemaphorePermit<'a>,
}

impl Asked<'_> {
    async fn reply(self) -> Result<Frame, CallError> {
        let answer = self.open.answer().await?;
        if !answer.has(ERROR) {
            return Ok(answer);
        }
        Err(match ErrorReply::from_body(&answer.body) {
            Ok(error) => CallError::Reply(error),
            Err(reason) => CallError::Shape {
                method: "error".to_owned(),
                reason,
            },
        })
    }
}

fn shape<M: Method>(reason: String) -> CallError {
    CallError::Shape {
        method: M::NAME.to_owned(),
        reason,
    }
}

/// Somebody waits for an answer. Where the caller goes away, it is forgotten and the other side told.
#[derive(Debug)]
struct OpenCall<'a> {
    connection: &'a Connection,
    id: u64,
    answer: Option<oneshot::Receiver<Result<Frame, CallError>>>,
}

impl OpenCall<'_> {
    async fn answer(mut self) -> Result<Frame, CallError> {
        let Some(answer) = &mut self.answer else {
            return Err(CallError::Closed);
        };
        let answer = answer.await.unwrap_or(Err(CallError::Closed));
        self.answer = None;
        answer
    }
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        if self.answer.is_none() {
            return;
        }
        let shared = &self.connection.shared;
        let mut pending = lock(&shared.pending);
        let was_open = pending.remove(&self.id).is_some();
        let was_last = pending.is_empty();
        drop(pending);
        if was_last {
            shared.answered.notify_waiters();
        }
        if was_open && self.id & PING_BIT == 0 {
            let cancel = Frame::new(Kind::Cancel, 0, self.id, Bytes::new());
            self.connection.send_lossy(&cancel);
        }
    }
}
