//! Durable events from their publishers through the journal to sixteen subscriber processes, over
//! SQLite's group commit of the same rows in groups of the same size.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::time::Instant;

use bllvm_ipc::types::SubscribeRequest;
use bllvm_ipc::{
    Connection, ErrorReply, EventClass, Frame, Handler, Incoming, Kind, Limits, Notice, Reply,
    Stream,
};
use bllvm_node::clock::SystemClock;
use bllvm_node::journal::Journal;
use bllvm_node::model::NewEvent;
use bllvm_node::store::Store;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::parts::{runtime, start_child, stdin_socket};
use crate::stats::{Row, median, ratio};

const SUBSCRIBERS: u8 = 16;
const EVENTS: usize = 25_600;
/// Publishers that wait for their event to be durable before they publish the next one: the writer
/// finds as many waiting each time.
const GROUP: usize = 256;
const ROUNDS: usize = 5;

#[expect(clippy::cast_precision_loss, reason = "a few thousand fit")]
fn a_second(begin: Instant) -> f64 {
    EVENTS as f64 / begin.elapsed().as_secs_f64()
}

/// The rows of the journal goal.
pub fn measure() -> anyhow::Result<Vec<Row>> {
    runtime()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let store = Store::open(folder.path(), Arc::new(SystemClock)).await?;
        let journal = Journal::new(store.clone());
        let mut floor_db = Floor::open(folder.path()).await?;
        let (mut floor, mut alone) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            floor.push(floor_db.round().await?);
            alone.push(published(&journal).await?);
        }
        let subscribers = Subscribers::start(&journal).await?;
        let (mut floor_beside, mut delivered) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            floor_beside.push(floor_db.round().await?);
            delivered.push(subscribers.round(&journal).await?);
        }
        subscribers.end()?;
        store.close().await;
        let (commit_share, share) = (ratio(&alone, &floor), ratio(&delivered, &floor_beside));
        Ok(vec![
            Row {
                what: "durable events committed a second, 256 publishers, 200 B".into(),
                ours: format!("{:.1} k/s", median(&mut alone) / 1e3),
                yardstick: format!(
                    "SQLite group commit by sqlx, 256 rows {:.1} k/s",
                    median(&mut floor) / 1e3
                ),
                ratio: Some(commit_share),
                goal: "–",
                reached: None,
            },
            Row {
                what: "durable events a second, journaled, delivered to and acknowledged by 16 subscribers"
                    .into(),
                ours: format!(
                    "{:.1} k/s, {:.2} M deliveries/s",
                    median(&mut delivered) / 1e3,
                    median(&mut delivered) * f64::from(SUBSCRIBERS) / 1e6
                ),
                yardstick: format!(
                    "SQLite group commit by sqlx, 256 rows {:.1} k/s",
                    median(&mut floor_beside) / 1e3
                ),
                ratio: Some(share),
                goal: "≥ 0.5×",
                reached: Some(share >= 0.5),
            },
        ])
    })
}

fn event(n: usize) -> NewEvent {
    NewEvent {
        kind: "bench.tick".to_owned(),
        class: EventClass::Durable,
        publisher: "bench".to_owned(),
        data: json!({ "n": n, "payload": "00".repeat(85) }),
    }
}

/// Publishes all events and waits until they are durable; events a second.
async fn published(journal: &Journal) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let publishing: Vec<_> = (0..GROUP)
        .map(|publisher| {
            let journal = journal.clone();
            tokio::spawn(async move {
                for n in 0..EVENTS / GROUP {
                    journal.publish(vec![event(publisher + n * GROUP)]).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for one in publishing {
        one.await??;
    }
    Ok(a_second(begin))
}

/// The yardstick: one connection, one prepared INSERT, a COMMIT for each group.
struct Floor(SqliteConnection);

impl Floor {
    async fn open(folder: &Path) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(folder.join("floor.sqlite"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let table = "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, \
                     publisher TEXT NOT NULL, time TEXT NOT NULL, data TEXT NOT NULL, \
                     upto INTEGER NOT NULL) STRICT";
        sqlx::raw_sql(table).execute(&mut connection).await?;
        Ok(Self(connection))
    }

    /// Rows a second.
    async fn round(&mut self) -> anyhow::Result<f64> {
        let begin = Instant::now();
        for group in 0..EVENTS / GROUP {
            sqlx::raw_sql("BEGIN IMMEDIATE")
                .execute(&mut self.0)
                .await?;
            for n in 0..GROUP {
                let event = event(n + group * GROUP);
                let insert = "INSERT INTO events (kind, publisher, time, data, upto) \
                              VALUES ($1, $2, $3, $4, $5)";
                sqlx::query(insert)
                    .bind(event.kind)
                    .bind(event.publisher)
                    .bind("2026-11-22T19:00:00.000Z")
                    .bind(event.data.to_string())
                    .bind(i64::try_from(n)?)
                    .execute(&mut self.0)
                    .await?;
            }
            sqlx::raw_sql("COMMIT").execute(&mut self.0).await?;
        }
        Ok(a_second(begin))
    }
}

/// Hands acknowledgements to a delivery, as the host's sessions do, and tells how far they are.
struct Acks {
    delivery: mpsc::Sender<u64>,
    reached: watch::Sender<u64>,
}

impl Handler for Acks {
    fn request(&self, _: &Connection, _: Incoming) -> Reply {
        Reply::refuse(ErrorReply::unsupported("nothing"))
    }

    fn notice(&self, _: &Connection, notice: Notice) {
        if let Notice::Ack(seq) = notice {
            // A later one says the same and more.
            let _ = self.delivery.try_send(seq);
            self.reached.send_replace(seq);
        }
    }
}

/// Subscriber processes, each with a delivery of the journal's.
struct Subscribers {
    children: Vec<Child>,
    reached: Vec<watch::Receiver<u64>>,
    cancel: CancellationToken,
}

impl Subscribers {
    async fn start(journal: &Journal) -> anyhow::Result<Self> {
        let mut all = Self {
            children: Vec::new(),
            reached: Vec::new(),
            cancel: CancellationToken::new(),
        };
        for n in 0..SUBSCRIBERS {
            let (socket, child) = start_child("acknowledger")?;
            let stream = Stream::from_fd(OwnedFd::from(socket))?;
            let (delivery, acks) = mpsc::channel(1 << 16);
            let (reached, receiver) = watch::channel(0);
            let handler = Arc::new(Acks { delivery, reached });
            let connection = Connection::start(stream, Limits::default(), handler);
            connection.ping().await?;
            let (journal, cancel) = (journal.clone(), all.cancel.clone());
            let name = format!("subscriber-{n}").parse()?;
            let request = SubscribeRequest {
                types: vec!["bench.*".to_owned()],
                after: None,
            };
            tokio::spawn(async move {
                journal
                    .deliver(&name, connection, request, acks, cancel)
                    .await;
            });
            all.children.push(child);
            all.reached.push(receiver);
        }
        Ok(all)
    }

    /// Publishes all events and waits until everybody acknowledged the last one.
    async fn round(&self, journal: &Journal) -> anyhow::Result<f64> {
        let begin = Instant::now();
        published(journal).await?;
        let last = journal.last_seq();
        for reached in &self.reached {
            reached.clone().wait_for(|seq| *seq >= last).await?;
        }
        Ok(a_second(begin))
    }

    fn end(self) -> anyhow::Result<()> {
        self.cancel.cancel();
        drop(self.reached);
        for mut child in self.children {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

/// Takes events as a module does, and acknowledges the last one of each batch that came.
pub fn acknowledger() -> anyhow::Result<()> {
    let mut stream = stdin_socket()?;
    let mut buffer = bytes::BytesMut::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let mut last = None;
        while let Some(frame) = Frame::read_from(&mut buffer, 1 << 20, 8 << 20)? {
            match frame.kind {
                Kind::Event => last = Some(frame.id),
                Kind::Ping => {
                    let pong = Frame::new(Kind::Pong, 0, frame.id, bytes::Bytes::new());
                    stream.write_all(&pong.to_bytes())?;
                }
                _ => {}
            }
        }
        if let Some(seq) = last {
            stream.write_all(&Frame::new(Kind::Ack, 0, seq, bytes::Bytes::new()).to_bytes())?;
        }
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        buffer.extend_from_slice(&chunk[..count]);
    }
}
