//! What waits to be written: bounded in bytes, flushed in as few writes as possible.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::Notify;

use crate::{Frame, Stream};

/// Bodies below this size are copied into one buffer; larger ones are written from where they are.
const COPY_BELOW: usize = 4096;

/// The writing half of a connection.
#[derive(Debug)]
pub(crate) struct Outbox {
    stream: Stream,
    waiting: Mutex<Waiting>,
    /// Something was queued that nobody flushed.
    queued: Notify,
    /// Bytes left the queue, or it closed.
    space: Notify,
    limit: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    front: VecDeque<Bytes>,
    front_bytes: usize,
    tail: BytesMut,
    closed: bool,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.front_bytes + self.tail.len()
    }

    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            let sealed = self.tail.split().freeze();
            self.front_bytes += sealed.len();
            self.front.push_back(sealed);
        }
    }

    fn push(&mut self, frame: &Frame) {
        if frame.body.len() < COPY_BELOW {
            frame.write_to(&mut self.tail);
        } else {
            frame.write_head(&mut self.tail);
            self.push_bytes(frame.body.clone());
        }
    }

    fn push_bytes(&mut self, bytes: Bytes) {
        if bytes.len() < COPY_BELOW {
            self.tail.extend_from_slice(&bytes);
        } else {
            self.seal_tail();
            self.front_bytes += bytes.len();
            self.front.push_back(bytes);
        }
    }

    /// Writes until nothing waits (true) or the socket is full (false).
    fn flush(&mut self, stream: &Stream) -> io::Result<bool> {
        while self.bytes() > 0 {
            let written = if self.front.is_empty() {
                stream.tokio().try_write(&self.tail)
            } else {
                let mut slices = [IoSlice::new(&[]); 16];
                let mut used = 0;
                for chunk in self
                    .front
                    .iter()
                    .map(|chunk| &chunk[..])
                    .chain([&self.tail[..]])
                    .take(16)
                {
                    slices[used] = IoSlice::new(chunk);
                    used += 1;
                }
                stream.tokio().try_write_vectored(&slices[..used])
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.tail.clear();
        Ok(true)
    }

    fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let Some(chunk) = self.front.front_mut() else {
                self.tail.advance(count);
                return;
            };
            let part = chunk.len().min(count);
            chunk.advance(part);
            self.front_bytes -= part;
            count -= part;
            if chunk.is_empty() {
                self.front.pop_front();
            }
        }
    }
}

/// The queue no longer takes anything.
#[derive(Debug)]
pub(crate) struct OutboxClosed;

impl Outbox {
    pub(crate) fn new(stream: Stream, limit: usize) -> Self {
        Self {
            stream,
            waiting: Mutex::default(),
            queued: Notify::new(),
            space: Notify::new(),
            limit,
        }
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame and writes at once what the socket takes.
    pub(crate) fn send_now(&self, frame: &Frame) -> Result<(), OutboxClosed> {
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(OutboxClosed);
        }
        waiting.push(frame);
        self.flush_locked(waiting);
        Ok(())
    }

    /// Queues a frame; the writer task sends it together with whatever else waits.
    pub(crate) fn send_soon(&self, frame: &Frame) -> Result<(), OutboxClosed> {
        self.queue(frame)?;
        self.queued.notify_one();
        Ok(())
    }

    /// Queues a frame without waking anyone: the caller will flush.
    pub(crate) fn queue(&self, frame: &Frame) -> Result<(), OutboxClosed> {
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(OutboxClosed);
        }
        waiting.push(frame);
        Ok(())
    }

    /// Queues encoded frames while fewer than the limit wait; tells whether it did.
    pub(crate) fn try_send_encoded(&self, frames: &[Bytes]) -> Result<bool, OutboxClosed> {
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(OutboxClosed);
        }
        if waiting.bytes() >= self.limit {
            return Ok(false);
        }
        for frame in frames {
            waiting.push_bytes(frame.clone());
        }
        self.flush_locked(waiting);
        Ok(true)
    }

    /// Writes at once what the socket takes.
    pub(crate) fn flush_now(&self) {
        let waiting = self.waiting();
        if waiting.bytes() > 0 {
            self.flush_locked(waiting);
        }
    }

    fn flush_locked(&self, mut waiting: MutexGuard<'_, Waiting>) {
        // A failed write shows itself to the writer task, which ends the connection.
        let drained = waiting.flush(&self.stream).unwrap_or(false);
        drop(waiting);
        if drained {
            self.space.notify_waiters();
        } else {
            self.queued.notify_one();
        }
    }

    /// Bytes that wait now.
    pub(crate) fn bytes(&self) -> usize {
        self.waiting().bytes()
    }

    /// Waits until fewer than the limit wait, or the queue closed.
    pub(crate) async fn has_space(&self) {
        loop {
            let space = self.space.notified();
            tokio::pin!(space);
            space.as_mut().enable();
            {
                let waiting = self.waiting();
                if waiting.closed || waiting.bytes() < self.limit {
                    return;
                }
            }
            space.await;
        }
    }

    /// The writer task: sends what others queued, until the stream fails or the queue closes.
    pub(crate) async fn run(&self) -> io::Result<()> {
        loop {
            self.queued.notified().await;
            loop {
                let drained = {
                    let mut waiting = self.waiting();
                    if waiting.closed {
                        return Ok(());
                    }
                    waiting.flush(&self.stream)?
                };
                self.space.notify_waiters();
                if drained {
                    break;
                }
                self.stream.tokio().writable().await?;
            }
        }
    }

    /// Takes nothing any more and drops what waits.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.closed = true;
        waiting.front.clear();
        waiting.front_bytes = 0;
        waiting.tail.clear();
        drop(waiting);
        self.space.notify_waiters();
        self.queued.notify_one();
    }
}
