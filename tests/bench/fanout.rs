//! Events to sixteen subscriber processes: encoded once and batched, against one write an event.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::Arc;
use std::time::Instant;

use bllvm_ipc::connection::encode_event;
use bllvm_ipc::{
    Connection, ErrorReply, EventClass, EventEnvelope, Handler, Incoming, Limits, Notice, Reply,
    Stream,
};
use tokio::sync::mpsc;

use crate::parts::{runtime, start_child, stdin_socket};
use crate::stats::{Row, median, ratio};

const SUBSCRIBERS: usize = 16;
const EVENTS: usize = 20_000;
const BATCH: usize = 256;
const ROUNDS: usize = 5;

/// The row of the fan-out goal.
pub fn measure() -> anyhow::Result<Vec<Row>> {
    let (mut ours, mut single) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(round(BATCH)?);
        single.push(round(1)?);
    }
    let gain = ratio(&ours, &single);
    let rate = median(&mut ours);
    Ok(vec![Row {
        what: "events delivered a second, 16 subscribers, 200 B, from memory".into(),
        ours: format!("{:.2} M/s", rate / 1e6),
        yardstick: format!("one write an event {:.2} M/s", median(&mut single) / 1e6),
        ratio: Some(gain),
        goal: "≥ 1 M/s and ≥ 5×",
        reached: Some(gain >= 5.0 && rate >= 1e6),
    }])
}

struct Acks(mpsc::UnboundedSender<u64>);

impl Handler for Acks {
    fn request(&self, _: &Connection, _: Incoming) -> Reply {
        Reply::refuse(ErrorReply::unsupported("nothing"))
    }

    fn notice(&self, _: &Connection, notice: Notice) {
        if let Notice::Ack(seq) = notice {
            // The round may be over.
            let _ = self.0.send(seq);
        }
    }
}

fn event(seq: u64) -> EventEnvelope {
    EventEnvelope {
        seq,
        kind: "chain.block_connected".into(),
        class: EventClass::Durable,
        publisher: "host".into(),
        time: "2026-11-22T19:00:00.000Z".into(),
        data: serde_json::json!({ "height": seq, "hash": "00".repeat(24) }),
    }
}

fn round(batch: usize) -> anyhow::Result<f64> {
    let children: Vec<(UnixStream, Child)> = (0..SUBSCRIBERS)
        .map(|_| start_child("subscriber"))
        .collect::<Result<_, _>>()?;
    let runtime = runtime()?;
    let mut processes = Vec::new();
    let seconds = runtime.block_on(async {
        let mut feeds = Vec::new();
        for (stream, child) in children {
            let (sender, acks) = mpsc::unbounded_channel();
            let stream = Stream::from_fd(OwnedFd::from(stream))?;
            let connection = Connection::start(stream, Limits::default(), Arc::new(Acks(sender)));
            connection.ping().await?;
            feeds.push((connection, acks));
            processes.push(child);
        }
        let start = Instant::now();
        let frames: Vec<bytes::Bytes> = (1..=EVENTS as u64)
            .map(|seq| encode_event(&event(seq)).map_err(anyhow::Error::msg))
            .collect::<Result<_, _>>()?;
        let frames = Arc::new(frames);
        let deliveries = feeds.into_iter().map(|(connection, mut acks)| {
            let frames = frames.clone();
            tokio::spawn(async move {
                for chunk in frames.chunks(batch) {
                    // The yardstick waits for an empty queue, so that each event is a write of its own.
                    while connection.queued_bytes() > 0 && batch == 1 {
                        tokio::task::yield_now().await;
                    }
                    while !connection.try_send_events(chunk)? {
                        connection.has_space().await;
                    }
                }
                while acks.recv().await.is_some_and(|seq| seq < EVENTS as u64) {}
                anyhow::Ok(())
            })
        });
        for delivery in deliveries.collect::<Vec<_>>() {
            delivery.await??;
        }
        anyhow::Ok(start.elapsed().as_secs_f64())
    })?;
    drop(runtime);
    for mut child in processes {
        child.wait()?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few hundred thousand fit")]
    let deliveries = (SUBSCRIBERS * EVENTS) as f64;
    Ok(deliveries / seconds)
}

/// Counts frames as a module in any language would, acknowledges the last one and pings.
pub fn subscriber() -> anyhow::Result<()> {
    use bllvm_ipc::{Frame, Kind};
    use std::io::Write;
    let mut stream = stdin_socket()?;
    let mut buffer = bytes::BytesMut::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        while let Some(frame) = Frame::read_from(&mut buffer, 1 << 20, 8 << 20)? {
            let answer = match frame.kind {
                Kind::Ping => Kind::Pong,
                Kind::Event if frame.id == EVENTS as u64 => Kind::Ack,
                _ => continue,
            };
            stream.write_all(&Frame::new(answer, 0, frame.id, bytes::Bytes::new()).to_bytes())?;
        }
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        buffer.extend_from_slice(&chunk[..count]);
    }
}
