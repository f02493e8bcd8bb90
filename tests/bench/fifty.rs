//! A host with fifty modules: how fast it tells of them, what it takes while they are idle, how soon it
//! ends with a hundred streams open.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bllvm_tests::sse::Stream;
use bllvm_tests::{Fixture, TestServer};
use reqwest::Method;
use serde_json::json;

use crate::http::{self, rate};
use crate::parts::{runtime, start_child, stdin_socket};
use crate::stats::{Row, largest, median, ratio};

const MODULES: usize = 50;
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(3);
const STREAMS: usize = 100;
const ENDS: usize = 5;
const LIST: &str = "/api/v1/modules";

async fn host() -> TestServer {
    let server = TestServer::start().await;
    for n in 1..=MODULES {
        server.run(&Fixture::new(format!("well-{n}"))).await;
    }
    server
}

/// A token as a program has it, with these scopes.
pub async fn token(server: &TestServer, scopes: &[&str]) -> anyhow::Result<String> {
    let body = json!({ "name": "bench", "scopes": scopes });
    let made = server.rest.post("/api/v1/tokens", &body).await.done();
    let token = made["token"].as_str().context("a token")?;
    Ok(token.to_owned())
}

/// The row of the list goal.
pub fn list() -> anyhow::Result<Vec<Row>> {
    runtime()?.block_on(async {
        let server = host().await;
        let token = token(&server, &["modules:read"]).await?;
        let ask = http::get(LIST, Some(&token));
        let address = http::address(&server.rest);
        let body = http::Client::connect(address)
            .await?
            .ask(&ask)
            .await?
            .to_vec();
        let (bare, bare_address) = BareAxum::start(&body)?;
        let bare_ask = http::get(LIST, None);
        let (mut ours, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            floor.push(rate(&bare_address, &bare_ask, CONNECTIONS, ROUND).await?);
            ours.push(rate(address, &ask, CONNECTIONS, ROUND).await?);
        }
        bare.end()?;
        let share = ratio(&ours, &floor);
        Ok(vec![Row {
            what: format!(
                "list of 50 modules ({} KiB), requests a second, 8 connections, token and audit on",
                body.len() >> 10
            ),
            ours: format!("{:.0}/s", median(&mut ours)),
            yardstick: format!("bare axum, same bytes, no auth {:.0}/s", median(&mut floor)),
            ratio: Some(share),
            goal: "≥ 0.6×",
            reached: Some(share >= 0.6),
        }])
    })
}

/// A process that serves bytes at every address, without asking who wants them.
pub struct BareAxum {
    socket: UnixStream,
    child: std::process::Child,
}

impl BareAxum {
    /// Starts it; the address is where it answers.
    pub fn start(body: &[u8]) -> anyhow::Result<(Self, String)> {
        let (mut socket, child) = start_child("bare-axum")?;
        socket.write_all(&u32::try_from(body.len())?.to_be_bytes())?;
        socket.write_all(body)?;
        let mut port = [0; 2];
        socket.read_exact(&mut port)?;
        let address = format!("127.0.0.1:{}", u16::from_be_bytes(port));
        Ok((Self { socket, child }, address))
    }

    /// Ends it.
    pub fn end(mut self) -> anyhow::Result<()> {
        drop(self.socket);
        self.child.wait()?;
        Ok(())
    }
}

/// The child of [`BareAxum`].
pub fn bare_axum() -> anyhow::Result<()> {
    use axum::http::header::CONTENT_TYPE;
    let mut socket = stdin_socket()?;
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut body)?;
    let body = bytes::Bytes::from(body);
    tokio::runtime::Runtime::new()?.block_on(async move {
        let answer = async move || ([(CONTENT_TYPE, "application/json")], body);
        let router = axum::Router::new()
            .route(LIST, axum::routing::get(answer.clone()))
            .route("/", axum::routing::post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        socket.write_all(&listener.local_addr()?.port().to_be_bytes())?;
        let end = tokio::task::spawn_blocking(move || socket.read(&mut [0]));
        tokio::select! {
            served = axum::serve(listener, router) => served?,
            _ = end => {}
        }
        Ok(())
    })
}

/// The row of the memory goal.
pub fn memory() -> anyhow::Result<Vec<Row>> {
    runtime()?.block_on(async {
        let empty = TestServer::start().await;
        let server = host().await;
        // Long enough for every sampler and sweep to have come round.
        tokio::time::sleep(Duration::from_secs(45)).await;
        let (idle, idle_anonymous) = resident(server.pid())?;
        let (nothing, _) = resident(empty.pid())?;
        // Then as it is after everybody has asked a lot.
        let token = token(&server, &["modules:read"]).await?;
        let ask = http::get(LIST, Some(&token));
        rate(http::address(&server.rest), &ask, CONNECTIONS, ROUND).await?;
        let (busy, _) = resident(server.pid())?;
        Ok(vec![Row {
            what: "resident memory of the host, 50 modules idle, no base node".into(),
            ours: format!(
                "{idle:.1} MB ({idle_anonymous:.1} of it its own; {busy:.1} MB after load)"
            ),
            yardstick: format!("the same without modules {nothing:.1} MB"),
            ratio: Some(idle / nothing),
            goal: "≤ 25 MB",
            reached: Some(idle <= 25.0),
        }])
    })
}

/// Resident memory of a process, and the part that is backed by no file, in megabytes.
fn resident(pid: u32) -> anyhow::Result<(f64, f64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let megabytes = |key: &str| -> anyhow::Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kib: f64 = kib.context("a size in kB")?.parse()?;
        Ok(kib * 1024.0 / 1e6)
    };
    Ok((megabytes("VmRSS:")?, megabytes("RssAnon:")?))
}

/// The row of the shutdown goal.
pub fn shutdown() -> anyhow::Result<Vec<Row>> {
    runtime()?.block_on(async {
        let mut server = host().await;
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..ENDS {
            without.push(end(&mut server, 0).await?);
            with.push(end(&mut server, STREAMS).await?);
        }
        let slowest = largest(&with);
        Ok(vec![Row {
            what: "SIGTERM → exit, 100 SSE clients, 50 modules idle".into(),
            ours: format!("{:.2} s, slowest {slowest:.2} s", median(&mut with)),
            yardstick: format!("without clients {:.2} s", median(&mut without)),
            ratio: Some(ratio(&with, &without)),
            goal: "≤ 2 s",
            reached: Some(slowest <= 2.0),
        }])
    })
}

/// Seconds from SIGTERM to the exit with so many streams open. The server is started again.
async fn end(server: &mut TestServer, streams: usize) -> anyhow::Result<f64> {
    let mut open = Vec::new();
    for _ in 0..streams {
        let path = "/api/v1/events/stream?after=0";
        let response = server.rest.request(Method::GET, path).send().await?;
        let mut stream = Stream::new(response.error_for_status()?);
        stream.next().await.context("a stream's first event")?;
        open.push(stream);
    }
    let begin = Instant::now();
    let status = server.stop().await;
    let took = begin.elapsed().as_secs_f64();
    anyhow::ensure!(status.success(), "{status}");
    drop(open);
    server.start_again().await;
    for n in 1..=MODULES {
        server
            .in_state(&format!("fixture-well-{n}"), "running")
            .await;
    }
    Ok(took)
}
