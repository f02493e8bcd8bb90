//! Five hundred senders that never finish: the others are served, and the five hundred are let go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bllvm_tests::wait::until;
use bllvm_tests::webhook::signature;
use bllvm_tests::{Rest, TestServer};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

const SECRET: &str = "a secret between two";
const SLOW: usize = 500;
const CLIENTS: u32 = 8;
const HONEST: u32 = 400;
/// What the host may hold while five hundred connections hang.
const MOST_KIB: u64 = 128 * 1024;

/// Honest deliveries from several clients; how long each took, shortest first.
async fn honest(rest: &Rest, name: &str) -> Vec<Duration> {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (rest, name) = (rest.clone(), name.to_owned());
        clients.spawn(async move {
            let mut times = Vec::new();
            for number in (0..HONEST).filter(|number| number % CLIENTS == client) {
                let id = format!("{name}-{number}");
                let body = json!({ "id": id, "filler": "x".repeat(8000) }).to_string();
                let request = rest
                    .anonymous(Method::POST, "/webhooks/gh")
                    .header("x-hub-signature-256", signature(SECRET, body.as_bytes()))
                    .header("x-github-delivery", &id)
                    .body(body);
                let began = Instant::now();
                let answer = rest.send(request).await;
                assert_eq!(answer.status.as_u16(), 202, "{}", answer.text);
                times.push(began.elapsed());
            }
            times
        });
    }
    let mut times = clients.join_all().await.concat();
    times.sort();
    times
}

/// A sender that never gets done, and comes back as long as there is somebody to disturb; what it was
/// told at last.
async fn slow(address: String, number: usize, over: Arc<AtomicBool>) -> String {
    loop {
        let told = until_let_go(&address, number).await;
        if over.load(Ordering::Relaxed) {
            return told;
        }
    }
}

/// Goes on as slowly as it can, until the server lets go.
async fn until_let_go(address: &str, number: usize) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut head = format!("POST /webhooks/gh HTTP/1.1\r\nhost: {address}\r\n");
    if number.is_multiple_of(2) {
        head.push_str("content-length: 8000\r\n\r\n");
    }
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let trickle = async {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        // The answer, if there is one, is still to be read.
        std::future::pending::<()>().await;
    };
    let mut told = Vec::new();
    tokio::select! {
        _ = reader.read_to_end(&mut told) => {}
        () = trickle => {}
    }
    String::from_utf8_lossy(&told).into_owned()
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_slow_senders_keep_nobody_from_being_served() {
    let server = TestServer::start().await;
    let new = json!({ "name": "gh", "scheme": "github", "secret": SECRET, "rate_per_minute": 0 });
    let made = server.rest.post("/api/v1/webhooks/sources", &new).await;
    made.done();
    let p99 = |times: &[Duration]| times[times.len() * 99 / 100];
    let calm = honest(&server.rest, "calm").await;

    let address = server.rest.base.trim_start_matches("http://").to_owned();
    let before = server.descriptors();
    let (mut crowd, over) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
    for number in 0..SLOW {
        crowd.spawn(slow(address.clone(), number, Arc::clone(&over)));
    }
    until("all of them hang on the server", async || {
        (server.descriptors() >= before + SLOW).then_some(())
    })
    .await;
    let crowded = honest(&server.rest, "crowded").await;
    over.store(true, Ordering::Relaxed);
    let resident = resident_kib(server.pid());
    assert!(resident < MOST_KIB, "{resident} KiB");

    let told = crowd.join_all().await;
    assert_eq!(told.len(), SLOW, "the server let all of them go");
    let timed_out = told.iter().filter(|text| text.contains(" 408 ")).count();
    assert!(timed_out >= SLOW / 2, "{timed_out}: {:?}", told.first());
    assert!(told.iter().all(|text| !text.contains(" 202 ")));
    let last = "/api/v1/webhooks/deliveries?limit=1000";
    let page = server.rest.get(last).await.done();
    let rows = page["items"].as_array().unwrap().len();
    assert_eq!(rows, 2 * HONEST as usize, "what never ended left no row");
    println!(
        "p99 of {HONEST} honest deliveries: {:?} alone, {:?} beside {SLOW} slow senders; \
         {resident} KiB resident",
        p99(&calm),
        p99(&crowded)
    );
}
