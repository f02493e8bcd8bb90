//! A connection after the handshake: calls both ways, many in flight, one reader, one writer.
//!
//! A slow or hostile peer fills its own queue only: requests beyond the limit are answered `busy`,
//! reading pauses while more than the limit waits to be written, bulk replies are made a few at a
//! time, and a frame that stands still ends the connection.

mod calls;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::{Notify, Semaphore, oneshot, watch};

use crate::codec::{Wire, encode};
use crate::event::{EventClass, EventEnvelope};
use crate::frame::{ERROR, Frame, Kind, LARGE, RAW};
use crate::handshake::Goodbye;
use crate::log::{LogRecord, Metric};
use crate::outbox::Outbox;
use crate::{CallError, ErrorCode, ErrorReply, Limits, Method, Stream, WireError, method};

pub use calls::{Sent, Turn};

/// Replies and cancels that fit nothing; more than this many end the connection.
const MAX_MEANINGLESS: u64 = 1000;
/// Pings use the upper half of the id space, so that they never meet a call's id.
const PING_BIT: u64 = 1 << 63;
/// Bytes that are read at once.
const READ: usize = 64 << 10;

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The header's method number; may be unknown to [`method::by_id`].
    pub method: u16,
    /// The body, not yet decoded.
    pub body: Bytes,
    /// Whether the body is raw bytes.
    pub raw: bool,
}

impl Incoming {
    /// Decodes the body as the method's request.
    ///
    /// # Errors
    /// `invalid`, naming the method and what does not fit.
    pub fn decode<M: Method>(&self) -> Result<M::Request, ErrorReply> {
        if self.raw != M::Request::RAW {
            return Err(ErrorReply::invalid(format!(
                "`{}`: the RAW flag does not fit",
                M::NAME
            )));
        }
        M::Request::from_body(&self.body)
            .map_err(|reason| ErrorReply::invalid(format!("`{}`: {reason}", M::NAME)))
    }
}

/// An encoded answer.
#[derive(Clone, Debug)]
pub struct Answer {
    body: Bytes,
    raw: bool,
    /// Whether the method's answers may exceed the control limit.
    large: bool,
}

/// The future of an answer that takes a while.
pub type LaterAnswer = Pin<Box<dyn Future<Output = Result<Answer, ErrorReply>> + Send>>;

/// How a handler answers a request.
pub enum Reply {
    /// At once, from the reader.
    Now(Result<Answer, ErrorReply>),
    /// By a task of its own, which a cancel or the connection's end stops.
    Later(LaterAnswer),
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Reply::Now",
            Self::Later(_) => "Reply::Later",
        })
    }
}

impl Reply {
    /// An answer that is there already.
    pub fn now<M: Method>(result: Result<M::Response, ErrorReply>) -> Self {
        Self::Now(result.and_then(|response| answer::<M>(&response)))
    }

    /// An answer that takes a while.
    pub fn later<M: Method>(
        work: impl Future<Output = Result<M::Response, ErrorReply>> + Send + 'static,
    ) -> Self {
        Self::Later(Box::pin(async move {
            work.await.and_then(|response| answer::<M>(&response))
        }))
    }

    /// A refusal.
    pub fn refuse(error: ErrorReply) -> Self {
        Self::Now(Err(error))
    }
}

/// Encodes a method's response.
fn answer<M: Method>(response: &M::Response) -> Result<Answer, ErrorReply> {
    let body = response.to_body().map_err(ErrorReply::internal)?;
    Ok(Answer {
        body,
        raw: M::Response::RAW,
        large: M::LARGE,
    })
}

/// What comes in beside requests.
#[derive(Clone, Debug)]
pub enum Notice {
    /// An event; acknowledge durable ones by [`Connection::acknowledge`].
    Event(EventEnvelope),
    /// All durable events up to this number are applied.
    Ack(u64),
    /// A log record.
    Log(LogRecord),
    /// A metric.
    Metric(Metric),
    /// A ping, to be answered by [`Connection::pong`] from wherever the real work is done.
    Ping(u64),
    /// The other side's last words.
    Goodbye(Goodbye),
}

/// What a side does with what comes in. Called from the reader: it must not block.
pub trait Handler: Send + Sync + 'static {
    /// Answers a request.
    fn request(&self, connection: &Connection, request: Incoming) -> Reply;

    /// Takes a notice.
    fn notice(&self, connection: &Connection, notice: Notice) {
        if let Notice::Ping(id) = notice {
            connection.pong(id);
        }
    }
}

/// Why a connection ended; `None` while it lives.
pub type Ending = Option<Arc<Result<(), WireError>>>;

/// A handle to a connection. Cheap to clone; the connection ends by [`Connection::close`], by the
/// other side, or by a fault.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("queued_bytes", &self.shared.outbox.bytes())
            .finish_non_exhaustive()
    }
}

struct Shared {
    outbox: Outbox,
    limits: Limits,
    next_id: AtomicU64,
    meaningless: AtomicU64,
    calls: Semaphore,
    bulk: Semaphore,
    large: Semaphore,
    pending: Mutex<HashMap<u64, oneshot::Sender<Result<Frame, CallError>>>>,
    /// The last open call came to its end.
    answered: Notify,
    serving: Mutex<HashMap<u64, tokio::task::AbortHandle>>,
    ending: watch::Sender<Ending>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    /// Whether both are handles to one connection.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Starts reading and writing on a stream whose handshake is over.
    pub fn start(stream: Stream, limits: Limits, handler: Arc<dyn Handler>) -> Self {
        let connection = Self {
            shared: Arc::new(Shared {
                outbox: Outbox::new(stream, limits.outgoing_bytes),
                next_id: AtomicU64::new(1),
                meaningless: AtomicU64::new(0),
                calls: Semaphore::new(limits.in_flight),
                bulk: Semaphore::new(limits.bulk_in_flight),
                large: Semaphore::new(limits.large_in_flight),
                pending: Mutex::default(),
                answered: Notify::new(),
                serving: Mutex::default(),
                ending: watch::Sender::new(None),
                limits,
            }),
        };
        let run = connection.clone();
        tokio::spawn(async move {
            let mut ended = run.shared.ending.subscribe();
            let outcome = tokio::select! {
                read = run.read(&*handler) => read,
                written = run.shared.outbox.run() => written.map_err(WireError::from),
                _ = ended.wait_for(Option::is_some) => Ok(()),
            };
            run.end(outcome);
        });
        connection
    }

    /// Answers a ping.
    pub fn pong(&self, id: u64) {
        self.send_lossy(&Frame::new(Kind::Pong, 0, id, Bytes::new()));
    }

    /// Says that all durable events up to `seq` are applied.
    pub fn acknowledge(&self, seq: u64) {
        self.send_lossy(&Frame::new(Kind::Ack, 0, seq, Bytes::new()));
    }

    /// Sends a log record, unless more than the limit waits already; tells whether it did.
    pub fn log(&self, record: &LogRecord) -> bool {
        self.send_bounded(Kind::Log, encode(record))
    }

    /// Sends a metric, unless more than the limit waits already; tells whether it did.
    pub fn metric(&self, metric: &Metric) -> bool {
        self.send_bounded(Kind::Metric, encode(metric))
    }

    /// Sends frames made by [`encode_event`], unless more than the limit waits; tells whether it did.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub fn try_send_events(&self, frames: &[Bytes]) -> Result<bool, CallError> {
        self.shared
            .outbox
            .try_send_encoded(frames)
            .map_err(|_| CallError::Closed)
    }

    /// Sends an event whatever waits already; for the few of which none may be left out.
    ///
    /// # Errors
    /// What the codec said. A connection that has ended is none.
    pub fn send_event(&self, event: &EventEnvelope) -> Result<(), String> {
        self.send_lossy(&event_frame(event)?);
        Ok(())
    }

    /// Waits until fewer bytes than the limit wait to be written, or the connection ended.
    pub async fn has_space(&self) {
        self.shared.outbox.has_space().await;
    }

    /// Bytes that wait to be written.
    pub fn queued_bytes(&self) -> usize {
        self.shared.outbox.bytes()
    }

    /// Says goodbye and ends the connection.
    pub fn close(&self, goodbye: &Goodbye) {
        if let Ok(body) = encode(goodbye) {
            self.send_lossy(&Frame::new(Kind::Goodbye, 0, 0, body));
            self.shared.outbox.flush_now();
        }
        self.end(Ok(()));
    }

    /// Waits for the end and says why it came: `Ok` for a close or a clean end of the stream.
    pub async fn closed(&self) -> Arc<Result<(), WireError>> {
        let mut ending = self.shared.ending.subscribe();
        let outcome = ending.wait_for(Option::is_some).await;
        outcome
            .ok()
            .and_then(|ending| ending.clone())
            .unwrap_or_else(|| Arc::new(Ok(())))
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.shared.ending.borrow().is_some()
    }

    fn send_lossy(&self, frame: &Frame) {
        // A closed connection has nobody left to tell.
        let _ = self.shared.outbox.send_soon(frame);
    }

    fn send_bounded(&self, kind: Kind, body: Result<Bytes, String>) -> bool {
        let Ok(body) = body else { return false };
        if self.shared.outbox.bytes() >= self.shared.limits.outgoing_bytes {
            return false;
        }
        self.shared
            .outbox
            .send_soon(&Frame::new(kind, 0, 0, body))
            .is_ok()
    }

    async fn read(&self, handler: &dyn Handler) -> Result<(), WireError> {
        let limits = &self.shared.limits;
        let mut buffer = BytesMut::new();
        loop {
            while let Some(frame) =
                Frame::read_from(&mut buffer, limits.control_bytes, limits.bulk_bytes)?
            {
                if frame.kind == Kind::Goodbye {
                    let words = Goodbye::from_body(&frame.body);
                    let words = words.map_err(|reason| WireError::Body {
                        kind: Kind::Goodbye,
                        reason,
                    })?;
                    handler.notice(self, Notice::Goodbye(words));
                    return Ok(());
                }
                self.dispatch(handler, frame)?;
            }
            self.shared.outbox.flush_now();
            self.shared.outbox.has_space().await;
            let inside_frame = !buffer.is_empty();
            let read = self.read_some(&mut buffer);
            let count = if inside_frame {
                let late = u64::try_from(limits.frame_progress.as_millis()).unwrap_or(u64::MAX);
                tokio::time::timeout(limits.frame_progress, read)
                    .await
                    .map_err(|_| WireError::Stalled(late))??
            } else {
                read.await?
            };
            if count == 0 {
                return if inside_frame {
                    Err(WireError::Truncated)
                } else {
                    Ok(())
                };
            }
        }
    }

    async fn read_some(&self, buffer: &mut BytesMut) -> std::io::Result<usize> {
        let stream = self.shared.outbox.stream().tokio();
        loop {
            let is_low = buffer.capacity() < READ / 4;
            buffer.reserve(if buffer.is_empty() && is_low {
                READ
            } else {
                READ / 4
            });
            match stream.try_read_buf(buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if buffer.is_empty() {
                        // Most connections are silent, and need no memory for that.
                        *buffer = BytesMut::new();
                    }
                    stream.readable().await?;
                }
                outcome => return outcome,
            }
        }
    }

    fn dispatch(&self, handler: &dyn Handler, frame: Frame) -> Result<(), WireError> {
        let malformed = |kind| move |reason| WireError::Body { kind, reason };
        match frame.kind {
            Kind::Request => self.serve(handler, frame),
            Kind::Response | Kind::Pong => {
                if !self.answered(frame) {
                    return self.meaningless("answers that nobody waits for");
                }
            }
            Kind::Cancel => {
                let served = lock(&self.shared.serving).remove(&frame.id);
                match served {
                    Some(task) => {
                        task.abort();
                        let error =
                            ErrorReply::new(ErrorCode::Cancelled, "cancelled by the caller");
                        self.refuse(frame.id, error);
                    }
                    // The answer and the cancel crossed on the way.
                    None => return self.meaningless("cancels of nothing"),
                }
            }
            Kind::Event => {
                let event = EventEnvelope::from_body(&frame.body).map_err(malformed(frame.kind))?;
                handler.notice(self, Notice::Event(event));
            }
            Kind::Ack => handler.notice(self, Notice::Ack(frame.id)),
            Kind::Log => {
                let record = LogRecord::from_body(&frame.body).map_err(malformed(frame.kind))?;
                handler.notice(self, Notice::Log(record));
            }
            Kind::Metric => {
                let metric = Metric::from_body(&frame.body).map_err(malformed(frame.kind))?;
                handler.notice(self, Notice::Metric(metric));
            }
            Kind::Ping => handler.notice(self, Notice::Ping(frame.id)),
            found @ (Kind::Hello | Kind::Welcome | Kind::Goodbye) => {
                return Err(WireError::Unexpected {
                    found,
                    expected: "a frame of an open connection",
                });
            }
        }
        Ok(())
    }

    fn meaningless(&self, what: &'static str) -> Result<(), WireError> {
        let count = self.shared.meaningless.fetch_add(1, Ordering::Relaxed);
        if count < MAX_MEANINGLESS {
            Ok(())
        } else {
            Err(WireError::Abuse(what))
        }
    }

    fn serve(&self, handler: &dyn Handler, frame: Frame) {
        let id = frame.id;
        {
            let serving = lock(&self.shared.serving);
            if serving.contains_key(&id) {
                drop(serving);
                let error = ErrorReply::invalid(format!("id {id} is open already"));
                self.refuse(id, error);
                return;
            }
            if serving.len() >= self.shared.limits.in_flight {
                drop(serving);
                let limit = self.shared.limits.in_flight;
                let mut error = ErrorReply::new(
                    ErrorCode::Busy,
                    format!("{limit} requests are open already"),
                );
                error.retry_after_ms = Some(100);
                self.refuse(id, error);
                return;
            }
        }
        let size = match method::by_id(frame.method) {
            Some(method) if method.raw_response => Size::Bulk,
            Some(method) if method.large_response => Size::Large,
            _ => Size::Control,
        };
        let (raw, takes_large) = (frame.has(RAW), frame.has(LARGE));
        let incoming = Incoming {
            method: frame.method,
            body: frame.body,
            raw,
        };
        match handler.request(self, incoming) {
            Reply::Now(result) => self.reply(id, result, takes_large),
            Reply::Later(work) => self.serve_later(id, work, size, takes_large),
        }
    }

    fn serve_later(&self, id: u64, work: LaterAnswer, size: Size, takes_large: bool) {
        let connection = self.clone();
        // The lock is held until the handle is in, so that a quick task cannot finish before.
        let mut serving = lock(&self.shared.serving);
        let task = tokio::spawn(async move {
            let shared = &connection.shared;
            let _permit = match size {
                Size::Control => None,
                Size::Bulk => shared.bulk.acquire().await.ok(),
                Size::Large => shared.large.acquire().await.ok(),
            };
            let result = work.await;
            if size != Size::Control {
                shared.outbox.has_space().await;
            }
            if lock(&shared.serving).remove(&id).is_some() {
                connection.reply(id, result, takes_large);
                shared.outbox.flush_now();
            }
        });
        serving.insert(id, task.abort_handle());
    }

    fn refuse(&self, id: u64, error: ErrorReply) {
        self.reply(id, Err(error), false);
    }

    fn reply(&self, id: u64, result: Result<Answer, ErrorReply>, takes_large: bool) {
        let result = result.and_then(|answer| {
            let large = answer.large && takes_large;
            let limit = self.limit(answer.raw, large);
            fits("answer", answer.body.len(), limit).map_err(|mut error| {
                if answer.large && !takes_large {
                    error.message += "; ask with the LARGE flag for up to the bulk limit";
                }
                error
            })?;
            let raw = if answer.raw { RAW } else { 0 };
            Ok((raw | if large { LARGE } else { 0 }, answer.body))
        });
        let (flags, body) =
            result.unwrap_or_else(|error| (ERROR, encode(&error).unwrap_or_default()));
        let mut frame = Frame::new(Kind::Response, 0, id, body);
        frame.flags = flags;
        // A closed connection has nobody left to answer.
        let _ = self.shared.outbox.queue(&frame);
    }

    /// The most bytes that a frame of this kind may have after its length.
    fn limit(&self, raw: bool, large: bool) -> u32 {
        let limits = &self.shared.limits;
        match (raw, large) {
            (true, _) => limits.bulk_bytes,
            (false, true) => limits.bulk_bytes.max(limits.control_bytes),
            (false, false) => limits.control_bytes,
        }
    }

    fn end(&self, outcome: Result<(), WireError>) {
        let first = self.shared.ending.send_if_modified(|ending| {
            let first = ending.is_none();
            if first {
                *ending = Some(Arc::new(outcome));
            }
            first
        });
        if !first {
            return;
        }
        self.shared.calls.close();
        self.shared.bulk.close();
        self.shared.outbox.close();
        lock(&self.shared.serving)
            .drain()
            .for_each(|(_, task)| task.abort());
        self.give_up();
    }
}

/// Whether a body of so many bytes may be sent.
fn fits(what: &str, bytes: usize, limit: u32) -> Result<(), ErrorReply> {
    if bytes + crate::frame::HEADER_BYTES <= limit as usize {
        return Ok(());
    }
    let text = format!("the {what} has {bytes} bytes, the limit is {limit}");
    Err(ErrorReply::new(ErrorCode::TooLarge, text))
}

/// How much an answer may take, by its method.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Control,
    Bulk,
    Large,
}

/// Encodes an event once, for any number of receivers.
///
/// # Errors
/// What the codec said.
pub fn encode_event(event: &EventEnvelope) -> Result<Bytes, String> {
    Ok(event_frame(event)?.to_bytes())
}

fn event_frame(event: &EventEnvelope) -> Result<Frame, String> {
    let class: EventClass = event.class;
    Ok(Frame::new(
        Kind::Event,
        class as u16,
        event.seq,
        encode(event)?,
    ))
}
