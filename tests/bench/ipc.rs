//! Round trips and throughput of the module channel, over a bare blocking socketpair.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use bllvm_ipc::method::{ChainBlock, StorageGet};
use bllvm_ipc::types::{BlockByHash, BlockHash, Hex, StorageKey, StorageValue};
use bllvm_ipc::{Connection, ErrorReply, Handler, Incoming, Limits, Method, Raw, Reply, Stream};

use crate::parts::{runtime, start_child, stdin_socket};
use crate::stats::{Row, median, ratio};

const ROUNDS: usize = 7;
const CALLS: usize = 4000;
const CROWD_CALLS: usize = 100_000;
const BLOCKS: usize = 200;
const WINDOW: usize = 64;
const REQUEST: usize = 64;

/// The three rows of the IPC goals.
pub fn measure() -> anyhow::Result<Vec<Row>> {
    let runtime = runtime()?;
    let (mut raw, mut raw_child) = start_child("echo-raw")?;
    let (ours, mut ipc_child) = start_child("echo-ipc")?;
    let connection = runtime.block_on(async {
        let stream = Stream::from_fd(OwnedFd::from(ours))?;
        anyhow::Ok(Connection::start(
            stream,
            Limits::default(),
            Arc::new(Nothing),
        ))
    })?;
    let (mut small, mut small_floor) = (Vec::new(), Vec::new());
    let (mut bulk, mut bulk_floor) = (Vec::new(), Vec::new());
    let mut crowd = Vec::new();
    for _ in 0..ROUNDS {
        small_floor.push(raw_p50(&mut raw, 1024, CALLS)?);
        // As in host and module, the caller is a task of the runtime.
        small.push(runtime.block_on(runtime.spawn(ipc_p50(connection.clone(), CALLS)))??);
        bulk_floor.push(raw_p50(&mut raw, 1 << 20, BLOCKS)?);
        bulk.push(runtime.block_on(runtime.spawn(block_p50(connection.clone(), BLOCKS)))??);
        crowd.push(runtime.block_on(crowded(&connection))?);
    }
    drop(raw);
    connection.close(&bllvm_ipc::handshake::Goodbye::new("shutdown", "measured"));
    raw_child.wait()?;
    ipc_child.wait()?;
    let (small_ratio, bulk_ratio) = (ratio(&small, &small_floor), ratio(&bulk, &bulk_floor));
    let calls = median(&mut crowd);
    Ok(vec![
        Row {
            what: "IPC round trip, 1 KiB, p50".into(),
            ours: format!("{:.1} µs", median(&mut small)),
            yardstick: format!("raw blocking socketpair {:.1} µs", median(&mut small_floor)),
            ratio: Some(small_ratio),
            goal: "≤ 3.5×",
            reached: Some(small_ratio <= 3.5),
        },
        Row {
            what: "IPC calls a second, 64 B, 64 in flight".into(),
            ours: format!("{:.0} k/s", calls / 1000.0),
            yardstick: "–".into(),
            ratio: None,
            goal: "≥ 300 k/s",
            reached: Some(calls >= 300_000.0),
        },
        Row {
            what: "IPC 1 MiB block, p50".into(),
            ours: format!("{:.0} µs", median(&mut bulk)),
            yardstick: format!("raw blocking socketpair {:.0} µs", median(&mut bulk_floor)),
            ratio: Some(bulk_ratio),
            goal: "≤ 2×",
            reached: Some(bulk_ratio <= 2.0),
        },
    ])
}

struct Nothing;

impl Handler for Nothing {
    fn request(&self, _: &Connection, _: Incoming) -> Reply {
        Reply::refuse(ErrorReply::unsupported("nothing"))
    }
}

fn raw_p50(stream: &mut UnixStream, answer: usize, calls: usize) -> anyhow::Result<f64> {
    let mut request = vec![1; REQUEST];
    request[..4].copy_from_slice(&u32::try_from(answer)?.to_be_bytes());
    let mut buffer = vec![0; answer];
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        stream.write_all(&request)?;
        stream.read_exact(&mut buffer)?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&mut times))
}

async fn ipc_p50(connection: Connection, calls: usize) -> anyhow::Result<f64> {
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        connection.call::<StorageGet>(&key(1024)).await?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&mut times))
}

async fn block_p50(connection: Connection, calls: usize) -> anyhow::Result<f64> {
    let wanted = BlockByHash {
        hash: BlockHash([7; 32]),
    };
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        connection.call::<ChainBlock>(&wanted).await?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&mut times))
}

async fn crowded(connection: &Connection) -> anyhow::Result<f64> {
    let start = Instant::now();
    let callers: Vec<_> = (0..WINDOW)
        .map(|_| {
            let connection = connection.clone();
            tokio::spawn(async move {
                for _ in 0..CROWD_CALLS / WINDOW {
                    connection.call::<StorageGet>(&key(64)).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    #[expect(clippy::cast_precision_loss, reason = "a hundred thousand fits")]
    let calls = (CROWD_CALLS / WINDOW * WINDOW) as f64;
    Ok(calls / start.elapsed().as_secs_f64())
}

/// A request that asks for a value of `answer` bytes.
fn key(answer: u32) -> StorageKey {
    let mut key = answer.to_be_bytes().to_vec();
    key.resize(REQUEST - 20, 1);
    StorageKey { key: Hex(key) }
}

/// The floor: answers each request with as many bytes as its first four say.
pub fn echo_raw() -> anyhow::Result<()> {
    let mut stream = stdin_socket()?;
    let mut request = [0; REQUEST];
    let answer = vec![2; 1 << 20];
    while stream.read_exact(&mut request).is_ok() {
        let size = u32::from_be_bytes([request[0], request[1], request[2], request[3]]);
        stream.write_all(&answer[..size as usize])?;
    }
    Ok(())
}

/// The module's side of the real channel.
pub fn echo_ipc() -> anyhow::Result<()> {
    struct Echo(bytes::Bytes);

    impl Handler for Echo {
        fn request(&self, _: &Connection, request: Incoming) -> Reply {
            match request.method {
                StorageGet::ID => {
                    Reply::now::<StorageGet>(request.decode::<StorageGet>().map(|wanted| {
                        let size = wanted
                            .key
                            .0
                            .first_chunk()
                            .map_or(0, |size| u32::from_be_bytes(*size));
                        StorageValue {
                            value: Some(Hex(vec![2; size as usize])),
                        }
                    }))
                }
                ChainBlock::ID => Reply::now::<ChainBlock>(Ok(Raw(self.0.clone()))),
                _ => Reply::refuse(ErrorReply::unsupported("nothing")),
            }
        }
    }

    let runtime = runtime()?;
    runtime.block_on(async {
        let stream = Stream::from_fd(OwnedFd::from(stdin_socket()?))?;
        let echo = Arc::new(Echo(vec![2; 1 << 20].into()));
        Connection::start(stream, Limits::default(), echo)
            .closed()
            .await;
        Ok(())
    })
}
