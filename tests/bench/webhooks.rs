//! Durable webhook deliveries of 8 kB over 64 connections, beside group commit by sqlx of the same
//! rows without HTTP, signature and event; and beside Debian's `webhook`, where it is installed, which
//! checks the same signature, runs `/bin/true` and keeps nothing. It answers when that has ended:
//! otherwise it would answer for work that is still to be done, and do it in our next round.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
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

/// The rows of the webhook goal.
pub fn measure() -> anyhow::Result<Vec<Row>> {
    let (mut ours, mut theirs, mut peers) = (Vec::new(), Vec::new(), Vec::new());
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
        let peer = Peer::start(server.folder()).await?;
        let us = Receiver {
            address,
            path: "/webhooks/gh",
            status: "202",
        };
        for round in 0..ROUNDS {
            ours.push(deliver(&us, round).await?);
            if let Some(peer) = &peer {
                peers.push(deliver(&peer.receiver, round).await?);
            }
            // On the same disk, in a file of its own.
            theirs.push(group_commit(&server.folder().join(format!("{round}.sqlite"))).await?);
        }
        anyhow::Ok(())
    })?;
    let share = ratio(&ours, &theirs);
    let rate = median(&mut ours);
    let mut rows = vec![Row {
        what: "durable webhook deliveries a second, 8 kB, 64 connections".into(),
        ours: format!("{rate:.0}/s"),
        yardstick: format!(
            "group commit by sqlx, same rows, {:.0}/s",
            median(&mut theirs)
        ),
        ratio: Some(share),
        goal: "≥ 2000/s and ≥ 0.5×",
        reached: Some(rate >= 2000.0 && share >= 0.5),
    }];
    if peers.is_empty() {
        eprintln!(
            "SKIPPED: Debian's `webhook` as a yardstick; it is not installed (apt-get install webhook)"
        );
    } else {
        let times = ratio(&ours, &peers);
        rows.push(Row {
            what: "the same, beside a receiver that keeps nothing".into(),
            ours: format!("{rate:.0}/s"),
            yardstick: format!(
                "Debian's `webhook` with /bin/true {:.0}/s",
                median(&mut peers)
            ),
            ratio: Some(times),
            goal: "≥ 1.3×",
            reached: Some(times >= 1.3),
        });
    }
    Ok(rows)
}

/// Where deliveries go, and what an accepted one is answered.
struct Receiver {
    address: String,
    path: &'static str,
    status: &'static str,
}

/// Debian's `webhook` under the same rule.
struct Peer {
    child: Child,
    receiver: Receiver,
}

impl Peer {
    /// None where it is not installed.
    async fn start(folder: &Path) -> anyhow::Result<Option<Self>> {
        let hooks = folder.join("hooks.json");
        let rule = json!({ "match": {
            "type": "payload-hmac-sha256",
            "secret": SECRET,
            "parameter": { "source": "header", "name": "X-Hub-Signature-256" },
        } });
        let hook = json!([{
            "id": "gh", "execute-command": "/bin/true", "trigger-rule": rule,
            "include-command-output-in-response": true,
            "trigger-rule-mismatch-http-response-code": 403,
        }]);
        std::fs::write(&hooks, hook.to_string())?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("webhook")
            .args(["-ip", "127.0.0.1", "-port", &port.to_string(), "-hooks"])
            .arg(&hooks)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let peer = Self {
            child,
            receiver: Receiver {
                address: format!("127.0.0.1:{port}"),
                path: "/hooks/gh",
                status: "200",
            },
        };
        let patience = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(&peer.receiver.address).await.is_err() {
            anyhow::ensure!(Instant::now() < patience, "`webhook` does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Some(peer))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn body(round: usize, connection: usize, number: u64) -> Vec<u8> {
    let mut body =
        format!("{{\"number\":\"{round}-{connection}-{number}\",\"filler\":\"").into_bytes();
    body.resize(BODY - 2, b'x');
    body.extend(b"\"}");
    body
}

/// Each connection sends one delivery after the other, each with a signature of its own.
async fn deliver(to: &Receiver, round: usize) -> anyhow::Result<f64> {
    let began = Instant::now();
    let senders: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let (address, path, status) = (to.address.clone(), to.path, to.status);
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
                        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\
                         x-hub-signature-256: {}\r\nx-github-delivery: {round}-{connection}-{number}\r\n\
                         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
                        signature(SECRET, &body),
                        body.len()
                    )
                    .into_bytes();
                    request.extend(body);
                    stream.write_all(&request).await?;
                    accepted(&mut stream, &mut answer, status).await?;
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

/// Reads one answer, which must have this status.
async fn accepted(
    stream: &mut TcpStream,
    answer: &mut Vec<u8>,
    status: &str,
) -> anyhow::Result<()> {
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
        let code = head.split(' ').nth(1);
        anyhow::ensure!(code == Some(status), "{text}");
        let length: usize = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(name, value)| name.eq_ignore_ascii_case("content-length").then_some(value))
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
async fn group_commit(file: &Path) -> anyhow::Result<f64> {
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
