//! Webhook deliveries byte by byte: chunked and compressed bodies are what was signed or nothing, and
//! whatever damage does to head, chunks and body, only what was signed gets a row.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bllvm_tests::webhook::signature;
use bllvm_tests::{Dice, TestServer, times};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const SECRET: &str = "a secret of sixteen and more";
const BODY: &[u8] = br#"{"action":"opened","number":7}"#;
/// A pull request of a number of its own: the id that a delivery says is not signed, so that a body is
/// known again under any other.
fn numbered(number: u32) -> Vec<u8> {
    format!(r#"{{"action":"opened","number":{number}}}"#).into_bytes()
}

/// The same as [`BODY`], as `gzip -n` makes it.
const ZIPPED: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xab, 0x56, 0x4a, 0x4c, 0x2e, 0xc9,
    0xcc, 0xcf, 0x53, 0xb2, 0x52, 0xca, 0x2f, 0x48, 0xcd, 0x4b, 0x4d, 0x51, 0xd2, 0x51, 0xca, 0x2b,
    0xcd, 0x4d, 0x4a, 0x2d, 0x52, 0xb2, 0x32, 0xaf, 0x05, 0x00, 0xa0, 0x55, 0xdc, 0x0e, 0x1e, 0x00,
    0x00, 0x00,
];

async fn server() -> (TestServer, String) {
    let server = TestServer::start().await;
    let new = json!({ "name": "gh", "scheme": "github", "secret": SECRET, "rate_per_minute": 0 });
    server
        .rest
        .post("/api/v1/webhooks/sources", &new)
        .await
        .done();
    let address = server.rest.base.trim_start_matches("http://").to_owned();
    (server, address)
}

/// A request's head, with what a test adds, and its body as it goes over the line.
fn request(id: &str, signed: &[u8], more: &str, sent: &[u8]) -> Vec<u8> {
    let signature = signature(SECRET, signed);
    let head = format!(
        "POST /webhooks/gh HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\
         x-github-event: pull_request\r\nx-github-delivery: {id}\r\n\
         x-hub-signature-256: {signature}\r\n{more}\r\n"
    );
    [head.as_bytes(), sent].concat()
}

fn plain(id: &str, signed: &[u8], more: &str, sent: &[u8]) -> Vec<u8> {
    let more = format!("{more}content-length: {}\r\n", sent.len());
    request(id, signed, &more, sent)
}

/// The body in chunks of so many bytes.
fn chunked(id: &str, body: &[u8], size: usize, more: &str, end: &[u8]) -> Vec<u8> {
    let more = format!("{more}transfer-encoding: chunked\r\n");
    let chunk = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    let chunks: Vec<u8> = body.chunks(size).flat_map(chunk).collect();
    request(id, body, &more, &[&chunks, end].concat())
}

/// The status that a request is answered with; none where the line is closed without one, or nothing
/// comes because the request never ended.
async fn answered(address: &str, bytes: &[u8], patience: Duration) -> Option<u16> {
    let mut line = TcpStream::connect(address).await.unwrap();
    // Who is refused early may be cut off.
    let _ = line.write_all(bytes).await;
    let mut status = [0; 12];
    let read = tokio::time::timeout(patience, line.read_exact(&mut status)).await;
    read.ok()?.ok()?;
    std::str::from_utf8(&status[9..]).ok()?.parse().ok()
}

/// The digests of all bodies that have a row.
async fn kept(server: &TestServer) -> BTreeSet<String> {
    let (mut digests, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let path = format!("/api/v1/webhooks/deliveries?limit=1000{cursor}");
        let page = server.rest.get(&path).await.done();
        for row in page["items"].as_array().unwrap() {
            digests.insert(row["digest"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return digests,
        }
    }
}

fn digests<const N: usize>(bodies: [&[u8]; N]) -> BTreeSet<String> {
    bodies.map(|body| hex::encode(Sha256::digest(body))).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn chunked_and_compressed_bodies_are_what_was_signed_or_nothing() {
    let (server, address) = server().await;
    let zipped = "content-encoding: gzip\r\n";
    let length = "content-length: 5\r\n";
    let [trailed, short, lengths] = [1, 2, 3].map(|at| numbered(100 + at));
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("whole", plain("1", BODY, "", BODY), &[202]),
        (
            "again, in chunks of a byte",
            chunked("1", BODY, 1, "", b"0\r\n\r\n"),
            &[200],
        ),
        (
            "in one chunk, with a trailer",
            chunked("2", &trailed, 99, "", b"0\r\nx: y\r\n\r\n"),
            &[202],
        ),
        (
            "compressed, and signed so",
            plain("3", ZIPPED, zipped, ZIPPED),
            &[202],
        ),
        (
            "compressed, in chunks",
            chunked("4", ZIPPED, 7, zipped, b"0\r\n\r\n"),
            &[200],
        ),
        // Nothing is unpacked: what came is what must be signed.
        (
            "compressed after it was signed",
            plain("5", BODY, zipped, ZIPPED),
            &[401],
        ),
        (
            "said to be compressed",
            plain("6", BODY, zipped, BODY),
            &[200],
        ),
        (
            "signed with the chunks' frame",
            request(
                "7",
                b"1e\r\n",
                "transfer-encoding: chunked\r\n",
                b"4\r\n1e\r\n\r\n0\r\n\r\n",
            ),
            &[202],
        ),
        (
            "a chunk too short",
            request(
                "8",
                &short,
                "transfer-encoding: chunked\r\n",
                b"2\r\n{\"\r\n0\r\n\r\n",
            ),
            &[401],
        ),
        // Two lengths are a way to hide a request in another: refused, or the chunks alone count.
        (
            "with two lengths",
            chunked("9", &lengths, 9, length, b"0\r\n\r\n"),
            &[202, 400],
        ),
        (
            "in chunks without numbers",
            request("10", BODY, "transfer-encoding: chunked\r\n", b"zz\r\n"),
            &[400],
        ),
        (
            "in a chunk of 2^64",
            request(
                "11",
                BODY,
                "transfer-encoding: chunked\r\n",
                b"ffffffffffffffffff\r\n",
            ),
            &[400],
        ),
        (
            "in another coding",
            request("12", BODY, "transfer-encoding: gzip\r\n", BODY),
            &[400, 401, 411, 501],
        ),
    ];
    for (what, bytes, expected) in cases {
        let status = answered(&address, &bytes, bllvm_tests::wait::DEADLINE).await;
        let status = status.unwrap_or_else(|| panic!("{what}: no answer"));
        assert!(expected.contains(&status), "{what}: {status}");
    }
    let mut rows = kept(&server).await;
    rows.remove(&hex::encode(Sha256::digest(&lengths)));
    assert_eq!(rows, digests([BODY, &trailed, ZIPPED, b"1e\r\n"]));
    let cut = chunked("13", &numbered(104), 9, "", b"");
    let mut line = TcpStream::connect(&address).await.unwrap();
    line.write_all(&cut).await.unwrap();
    line.shutdown().await.unwrap();
    let mut rest = Vec::new();
    line.read_to_end(&mut rest).await.unwrap();
    assert!(!rest.starts_with(b"HTTP/1.1 2"), "{rest:?}");
    let unended = hex::encode(Sha256::digest(numbered(104)));
    assert!(
        !kept(&server).await.contains(&unended),
        "what never ended has no row"
    );
}

/// Changes, cuts out or doubles some bytes.
fn damage(good: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=dice.below(3) {
        let below = |dice: &mut Dice, end: usize| usize::try_from(dice.below(end as u64)).unwrap();
        let at = below(dice, bytes.len());
        let end = (at + 1 + below(dice, 20)).min(bytes.len());
        match dice.below(3) {
            0 => bytes[at] ^= u8::try_from(1 + dice.below(255)).unwrap(),
            1 => drop(bytes.drain(at..end)),
            _ => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn of_damaged_requests_only_what_was_signed_gets_a_row() {
    let (server, address) = server().await;
    let zipped = "content-encoding: gzip\r\ncontent-type: application/json\r\n";
    let good: Arc<[Vec<u8>]> = Arc::new([
        plain("1", BODY, "", BODY),
        chunked("2", BODY, 7, "", b"0\r\n\r\n"),
        chunked("3", ZIPPED, 11, zipped, b"0\r\nx: y\r\n\r\n"),
    ]);
    let mut senders = JoinSet::new();
    for seed in 0..16 {
        let (address, good) = (address.clone(), Arc::clone(&good));
        senders.spawn(async move {
            let (mut dice, mut told) = (Dice::new(seed + 1), [0_u32; 3]);
            for round in 0..times(1000) {
                let bytes = damage(&good[round as usize % good.len()], &mut dice);
                // Who lost an end would wait for it as long as the server does.
                let status = answered(&address, &bytes, Duration::from_secs(1)).await;
                told[match status {
                    Some(200 | 202) => 0,
                    Some(_) => 1,
                    None => 2,
                }] += 1;
            }
            told
        });
    }
    let told = senders.join_all().await;
    let sum = |at: usize| told.iter().map(|told| told[at]).sum::<u32>();
    println!(
        "{} damaged requests: {} taken, {} refused, {} without an answer",
        sum(0) + sum(1) + sum(2),
        sum(0),
        sum(1),
        sum(2)
    );
    assert!(sum(0) > 0 && sum(1) > 0, "damage of both kinds");
    assert!(kept(&server).await.is_subset(&digests([BODY, ZIPPED])));
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
    let body = numbered(200);
    let last = plain("last", &body, "", &body);
    let after = answered(&address, &last, bllvm_tests::wait::DEADLINE);
    assert_eq!(after.await, Some(202));
}
