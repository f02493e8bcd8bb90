//! Durable webhook deliveries of 8 kB over 64 connections, beside group commit by sqlx of the same
//! rows without HTTP, signature and event.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use bllvm_tests::TestServer;
use bllvm_tests::webhook::signature;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use crate::parts::runtime;
use crate::stats::{Row, median, ratio};

const CONNECTIONS: usize = 64;
const BODY: usize = 8 << 10;
const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_secs(3);
const SECRET: &str = "a secret between two";

/// The row of the webhook goal.
pub fn measure() -> anyhow::Result<Vec<Row>> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    runtime()?.block_on(async {
        let server = TestServer::start().await;
        let new =
            json!({ "name": "gh", "scheme": "github", "secret": SECRET, "rate_per_minute": 0 });
        server
            .rest
            .post("/api/v1/webhooks/sources", &new)
            .await
            .done();
        let address = server.rest.base.trim_start_matches("http://").to_owned();
        for round in 0..ROUNDS {
            ours.push(deliver(&address, round).await?);
            // On the same disk, in a file of its own.
            theirs.push(group_commit(&server.folder().join(format!("{round}.sqlite"))).await?);
        }
        anyhow::Ok(())
    })?;
    let share = ratio(&ours, &theirs);
    let rate = median(&mut ours);
    Ok(vec![Row {
        what: "durable webhook deliveries a second, 8 kB, 64 connections".into(),
        ours: format!("{rate:.0}/s"),
        yardstick: format!(
            "group commit by sqlx, same rows, {:.0}/s",
            median(&mut theirs)
        ),
        ratio: Some(share),
        goal: "≥ 2000/s and ≥ 0.5×",
        reached: Some(rate >= 2000.0 && share >= 0.5),
    }])
}

fn body(round: usize, connection: usize, number: u64) -> Vec<u8> {
    let mut body =
        format!("{{\"number\":\"{round}-{connection}-{number}\",\"filler\":\"").into_bytes();
    body.resize(BODY - 2, b'x');
    body.extend(b"\"}");
    body
}

/// Each connection sends one delivery after the other, each with a signature of its own.
async fn deliver(address: &str, round: usize) -> anyhow::Result<f64> {
    let began = Instant::now();
    let senders: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let address = address.to_owned();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(&address).await?;
                stream.set_nodelay(true)?;
                let mut answer = Vec::new();
                for number in 0_u64.. {
                    if began.elapsed() >= TIME {
                        return anyhow::Ok(number);
                    }
                    let body = body(round, connection, number);
                    let mut request = format!(
                        "POST /webhooks/gh HTTP/1.1\r\nhost: 127.0.0.1\r\n\
                         x-hub-signature-256: {}\r\nx-github-delivery: {round}-{connection}-{number}\r\n\
                         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
                        signature(SECRET, &body),
                        body.len()
                    )
                    .into_bytes();
                    request.extend(body);
                    stream.write_all(&request).await?;
                    accepted(&mut stream, &mut answer).await?;
                }
                Ok(0)
            })
        })
        .collect();
    let mut sent = 0;
    for sender in senders {
        sent += sender.await??;
    }
    Ok(per_second(sent, began))
}

/// Reads one answer, which must be a 202.
async fn accepted(stream: &mut TcpStream, answer: &mut Vec<u8>) -> anyhow::Result<()> {
    answer.clear();
    loop {
        anyhow::ensure!(
            stream.read_buf(answer).await? > 0,
            "the connection was closed"
        );
        let text = String::from_utf8_lossy(answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        anyhow::ensure!(head.starts_with("HTTP/1.1 202"), "{text}");
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .context("an answer without a length")?
            .parse()?;
        if body.len() >= length {
            return Ok(());
        }
    }
}

type Waiting = (Vec<u8>, oneshot::Sender<()>);

/// The yardstick: as many producers, each waiting for its row to be durable; whatever waits shares
/// a transaction.
async fn group_commit(file: &std::path::Path) -> anyhow::Result<f64> {
    let mut db = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
        .connect()
        .await?;
    sqlx::raw_sql("CREATE TABLE deliveries (id TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT")
        .execute(&mut db)
        .await?;
    let (post, mut posted) = mpsc::channel::<Waiting>(CONNECTIONS);
    let began = Instant::now();
    let producers: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let post = post.clone();
            tokio::spawn(async move {
                for number in 0_u64.. {
                    let (done, durable) = oneshot::channel();
                    let over = began.elapsed() >= TIME;
                    if over
                        || post
                            .send((body(0, connection, number), done))
                            .await
                            .is_err()
                    {
                        return number;
                    }
                    // A writer that failed says so itself.
                    let _ = durable.await;
                }
                0
            })
        })
        .collect();
    drop(post);
    let (mut group, mut row) = (Vec::new(), 0_u64);
    while posted.recv_many(&mut group, 1024).await > 0 {
        let mut transaction = db.begin_with("BEGIN IMMEDIATE").await?;
        for (body, _) in &group {
            row += 1;
            sqlx::query("INSERT INTO deliveries (id, body) VALUES ($1, $2)")
                .bind(format!("{row:026}"))
                .bind(body)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        for (_, done) in group.drain(..) {
            // Whoever left does not wait.
            let _ = done.send(());
        }
    }
    let mut written = 0;
    for producer in producers {
        written += producer.await?;
    }
    db.close().await?;
    Ok(per_second(written, began))
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred thousand fit")]
fn per_second(count: u64, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64()
}
