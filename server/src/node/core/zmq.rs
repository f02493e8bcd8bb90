//! Bitcoin Core's notices by ZMQ, for one thing only: to look at its tip now, and not with the next
//! poll. Notices are lossy and a line may be silent for hours, so nothing is ever concluded from
//! what they say, or from their absence.
//!
//! Of ZMTP 3.0 (RFC 23) a subscriber needs little: a greeting, one command, one subscription, and
//! the frames that come. The pure Rust client does not subscribe again after a lost connection, and
//! the other one binds a C++ library.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

const TOPIC: &[u8] = b"hashblock";
/// A hash, a topic, a number: whatever is larger was not subscribed.
const MAX_FRAME_BYTES: u64 = 4096;
const GREETING_DEADLINE: Duration = Duration::from_secs(10);
/// The pause before a lost line is taken up again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// Wakes whoever waits for `wake` with every block, until `stop`. `address` is `host:port`.
pub(super) async fn listen(address: String, wake: Arc<Notify>, stop: CancellationToken) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let heard = async {
            let mut line = subscribe(&address).await?;
            tracing::info!(node.zmq = address, "Bitcoin Core tells of new blocks");
            // What was missed before is found at once.
            wake.notify_one();
            pause = SHORTEST_PAUSE;
            notices(&mut line, &wake).await
        };
        let lost: io::Error = tokio::select! {
            Err(lost) = heard => lost,
            () = stop.cancelled() => return,
            else => return,
        };
        tracing::debug!(node.zmq = address, error = %lost, "no notices; the poll goes on");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn subscribe(address: &str) -> io::Result<TcpStream> {
    let greeted = async {
        let mut line = TcpStream::connect(address).await?;
        line.write_all(&greeting()).await?;
        let mut theirs = [0; 64];
        line.read_exact(&mut theirs).await?;
        if theirs[0] != 0xff || theirs[9] != 0x7f || theirs[10] < 3 {
            return Err(odd("it does not speak ZMTP 3"));
        }
        if !theirs[12..32].starts_with(b"NULL\0") {
            return Err(odd("it asks for a password, which Bitcoin Core never does"));
        }
        line.write_all(&ready()).await?;
        let (flags, _) = frame(&mut line).await?;
        if flags & COMMAND == 0 {
            return Err(odd("it does not say that it is ready"));
        }
        line.write_all(&subscription()).await?;
        Ok(line)
    };
    tokio::time::timeout(GREETING_DEADLINE, greeted)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Reads until the line is lost.
async fn notices(line: &mut TcpStream, wake: &Notify) -> io::Result<()> {
    loop {
        let (flags, _) = frame(line).await?;
        if flags & (COMMAND | MORE) == 0 {
            wake.notify_one();
        }
    }
}

async fn frame(line: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let flags = line.read_u8().await?;
    let size = if flags & LONG == 0 {
        u64::from(line.read_u8().await?)
    } else {
        line.read_u64().await?
    };
    if flags > (MORE | LONG | COMMAND) || size > MAX_FRAME_BYTES {
        return Err(odd("a frame is odd or too large"));
    }
    let mut body = vec![0; usize::try_from(size).unwrap_or_default()];
    line.read_exact(&mut body).await?;
    Ok((flags, body))
}

fn odd(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn greeting() -> [u8; 64] {
    let mut bytes = [0; 64];
    (bytes[0], bytes[8], bytes[9], bytes[10]) = (0xff, 1, 0x7f, 3);
    bytes[12..16].copy_from_slice(b"NULL");
    bytes
}

fn ready() -> Vec<u8> {
    let mut body = b"\x05READY\x0bSocket-Type".to_vec();
    body.extend_from_slice(&3_u32.to_be_bytes());
    body.extend_from_slice(b"SUB");
    short(COMMAND, &body)
}

fn subscription() -> Vec<u8> {
    short(0, &[b"\x01", TOPIC].concat())
}

fn short(flags: u8, body: &[u8]) -> Vec<u8> {
    let size = u8::try_from(body.len()).unwrap_or(u8::MAX);
    [&[flags, size], body].concat()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A publisher, as far as a subscriber can tell.
    async fn publisher(listener: &TcpListener) -> TcpStream {
        let (mut line, _) = listener.accept().await.unwrap();
        line.write_all(&greeting()).await.unwrap();
        let mut theirs = [0; 64];
        line.read_exact(&mut theirs).await.unwrap();
        assert_eq!(theirs, greeting());
        let (flags, body) = frame(&mut line).await.unwrap();
        assert_eq!((flags, &body[..6]), (COMMAND, &b"\x05READY"[..]));
        line.write_all(&short(COMMAND, b"\x05READY")).await.unwrap();
        let (flags, body) = frame(&mut line).await.unwrap();
        assert_eq!((flags, &*body), (0, &b"\x01hashblock"[..]));
        line
    }

    async fn publish(line: &mut TcpStream) {
        let parts = [short(MORE, TOPIC), short(MORE, &[7; 32]), short(0, &[0; 4])];
        line.write_all(&parts.concat()).await.unwrap();
    }

    #[tokio::test]
    async fn every_block_wakes_and_a_lost_line_is_taken_up_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (wake, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let task = tokio::spawn(listen(address, wake.clone(), stop.clone()));
        for _ in 0..2 {
            let mut line = publisher(&listener).await;
            // Once for what was missed, once for the block.
            wake.notified().await;
            publish(&mut line).await;
            wake.notified().await;
        }
        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn a_line_that_is_odd_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = tokio::spawn(async move { subscribe(&address).await });
        let (mut line, _) = listener.accept().await.unwrap();
        line.write_all(&[b'H'; 64]).await.unwrap();
        let refused = asked.await.unwrap().unwrap_err();
        assert_eq!(refused.to_string(), "it does not speak ZMTP 3");

        let address = listener.local_addr().unwrap();
        let mut near = TcpStream::connect(address).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let mut huge = vec![LONG];
        huge.extend_from_slice(&u64::MAX.to_be_bytes());
        far.write_all(&huge).await.unwrap();
        let refused = frame(&mut near).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }
}
