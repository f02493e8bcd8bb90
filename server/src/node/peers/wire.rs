//! Messages on a line (version 1 of the transport, in the clear), each with a bound and a deadline.

use std::sync::Arc;
use std::time::Duration;

use bitcoin::consensus::encode::{deserialize, serialize};
use bitcoin::hashes::{Hash as _, sha256d};
use bitcoin::p2p::Magic;
use bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;

use super::traffic::Traffic;

/// Magic, command, length, checksum.
const HEAD: usize = 24;
/// The largest message that Bitcoin Core takes, too.
const MAX_PAYLOAD: u32 = 4_000_000;
/// How long one message may take from its first byte to its last.
const WHOLE: Duration = Duration::from_mins(1);
/// Messages that came and wait to be looked at, and their bytes. What is made of the bytes takes
/// several times as much memory, so that is done when their turn comes.
const UNREAD: usize = 8;
const UNREAD_BYTES: usize = MAX_PAYLOAD as usize + HEAD;

/// Why a peer is left.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The line is gone.
    #[error("the line was lost: {0}")]
    Lost(#[from] std::io::Error),
    /// It does not keep to the protocol or its limits.
    #[error("{0}")]
    Broke(String),
    /// It owes something for too long.
    #[error("{0}")]
    Slow(&'static str),
    /// Our own engine failed.
    #[error("the engine: {0}")]
    Own(#[from] bllvm_kernel_node::EngineError),
    /// We end.
    #[error("the node ends")]
    Stopped,
}

impl Fault {
    pub(super) fn broke<T>(what: impl Into<String>) -> Result<T, Self> {
        Err(Self::Broke(what.into()))
    }
}

/// A whole message as it came, and its place among those that wait.
#[derive(Debug)]
struct Frame {
    bytes: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

/// Messages as they come.
#[derive(Debug)]
pub(super) struct In(mpsc::Receiver<Result<Frame, Fault>>);

impl In {
    /// Reads messages until something is wrong; that comes last.
    pub(super) fn start(
        mut line: impl AsyncRead + Unpin + Send + 'static,
        magic: Magic,
        traffic: Arc<Traffic>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(UNREAD);
        let places = Arc::new(Semaphore::new(UNREAD_BYTES));
        tokio::spawn(async move {
            loop {
                let read = tokio::select! {
                    read = read_frame(&mut line, magic, &traffic, &places) => read,
                    () = sender.closed() => return,
                };
                let over = read.is_err();
                if sender.send(read).await.is_err() || over {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next message; none where there was something wrong already. Giving up loses nothing.
    pub(super) async fn next(&mut self) -> Option<Result<NetworkMessage, Fault>> {
        let frame = self.0.recv().await?;
        Some(frame.and_then(|frame| decode(&frame.bytes)))
    }
}

async fn read_frame(
    line: &mut (impl AsyncRead + Unpin),
    magic: Magic,
    traffic: &Traffic,
    places: &Arc<Semaphore>,
) -> Result<Frame, Fault> {
    let bytes = read(line, magic, traffic).await?;
    let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    // Never closed, and no frame is larger than all places.
    let place = places.clone().acquire_many_owned(size).await;
    let place = place.map_err(std::io::Error::other)?;
    Ok(Frame {
        bytes,
        _place: place,
    })
}

fn decode(frame: &[u8]) -> Result<NetworkMessage, Fault> {
    match deserialize::<RawNetworkMessage>(frame) {
        Ok(message) => Ok(message.into_payload()),
        Err(error) => Fault::broke(format!("a message cannot be read: {error}")),
    }
}

async fn read(
    line: &mut (impl AsyncRead + Unpin),
    magic: Magic,
    traffic: &Traffic,
) -> Result<Vec<u8>, Fault> {
    let mut frame = vec![0; HEAD];
    // Silence is judged elsewhere.
    line.read_exact(&mut frame[..1]).await?;
    let rest = async {
        line.read_exact(&mut frame[1..]).await?;
        if frame[..4] != magic.to_bytes() {
            return Fault::broke("it speaks for another network");
        }
        let size = u32::from_le_bytes([frame[16], frame[17], frame[18], frame[19]]);
        if size > MAX_PAYLOAD {
            return Fault::broke(format!(
                "a message of {size} bytes; {MAX_PAYLOAD} are the most"
            ));
        }
        // Memory grows with what comes, and not with what is announced.
        let got = (&mut *line)
            .take(size.into())
            .read_to_end(&mut frame)
            .await?;
        if got < size as usize {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        traffic.received(frame.len());
        Ok(())
    };
    tokio::time::timeout(WHOLE, rest)
        .await
        .unwrap_or(Err(Fault::Slow("a message took too long")))?;
    Ok(frame)
}

/// A `block` message, of a block as it travels.
pub(super) fn block_frame(magic: Magic, raw: &[u8]) -> Vec<u8> {
    let size = u32::try_from(raw.len()).unwrap_or(u32::MAX);
    let checksum = sha256d::Hash::hash(raw).to_byte_array();
    let mut frame = Vec::with_capacity(HEAD + raw.len());
    frame.extend_from_slice(&magic.to_bytes());
    frame.extend_from_slice(b"block\0\0\0\0\0\0\0");
    frame.extend_from_slice(&size.to_le_bytes());
    frame.extend_from_slice(&checksum[..4]);
    frame.extend_from_slice(raw);
    frame
}

/// A message as it travels.
pub(super) fn frame(magic: Magic, message: NetworkMessage) -> Vec<u8> {
    serialize(&RawNetworkMessage::new(magic, message))
}

/// What goes out: small messages first, then the large ones, of which one waits at the most.
#[derive(Debug)]
pub(super) struct Out {
    small: mpsc::Sender<NetworkMessage>,
    large: mpsc::Sender<Vec<u8>>,
    writer: AbortHandle,
}

impl Drop for Out {
    fn drop(&mut self) {
        // What waits for a peer that does not read would be held long after it was left.
        self.writer.abort();
    }
}

/// Small messages that wait for the line.
const UNSENT: usize = 256;

impl Out {
    pub(super) fn start(
        line: impl AsyncWrite + Unpin + Send + 'static,
        magic: Magic,
        traffic: Arc<Traffic>,
    ) -> Self {
        let (small, smalls) = mpsc::channel(UNSENT);
        let (large, larges) = mpsc::channel(1);
        let writing = tokio::spawn(write_all(line, magic, traffic, smalls, larges));
        Self {
            small,
            large,
            writer: writing.abort_handle(),
        }
    }

    pub(super) fn send(&self, message: NetworkMessage) -> Result<(), Fault> {
        match self.small.try_send(message) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Fault::Slow("it does not read")),
            Err(mpsc::error::TrySendError::Closed(_)) => {
                Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into())
            }
        }
    }

    /// Room for a large message as it travels, when there is.
    pub(super) async fn room(&self) -> Result<mpsc::OwnedPermit<Vec<u8>>, Fault> {
        let room = self.large.clone().reserve_owned().await;
        room.map_err(|_| std::io::Error::from(std::io::ErrorKind::BrokenPipe).into())
    }
}

async fn write_all(
    mut line: impl AsyncWrite + Unpin,
    magic: Magic,
    traffic: Arc<Traffic>,
    mut small: mpsc::Receiver<NetworkMessage>,
    mut large: mpsc::Receiver<Vec<u8>>,
) {
    loop {
        let frame = tokio::select! {
            biased;
            Some(message) = small.recv() => frame(magic, message),
            Some(frame) = large.recv() => frame,
            else => return,
        };
        match tokio::time::timeout(WHOLE, line.write_all(&frame)).await {
            Ok(Ok(())) => traffic.sent(frame.len()),
            // The session notices that nobody takes its messages.
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(bytes: &[u8]) -> Result<NetworkMessage, String> {
        let mut line = bytes;
        read(&mut line, Magic::REGTEST, &Traffic::new(0))
            .await
            .and_then(|frame| decode(&frame))
            .map_err(|fault| fault.to_string())
    }

    #[tokio::test]
    async fn frames_are_checked_before_they_are_kept() {
        let good = serialize(&RawNetworkMessage::new(
            Magic::REGTEST,
            NetworkMessage::Ping(7),
        ));
        assert_eq!(told(&good).await, Ok(NetworkMessage::Ping(7)));
        let elsewhere = serialize(&RawNetworkMessage::new(
            Magic::SIGNET,
            NetworkMessage::Ping(7),
        ));
        assert_eq!(
            told(&elsewhere).await.unwrap_err(),
            "it speaks for another network"
        );
        let mut huge = good.clone();
        huge[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(told(&huge).await.unwrap_err().contains("are the most"));
        let mut torn = good.clone();
        torn[20] ^= 1;
        assert!(told(&torn).await.unwrap_err().contains("cannot be read"));
        assert!(told(&good[..30]).await.unwrap_err().contains("was lost"));
    }

    #[test]
    fn a_block_travels_as_it_is() {
        let genesis = bitcoin::constants::genesis_block(bitcoin::Network::Regtest);
        assert_eq!(
            block_frame(Magic::REGTEST, &serialize(&genesis)),
            frame(Magic::REGTEST, NetworkMessage::Block(genesis))
        );
    }

    #[tokio::test]
    async fn with_the_session_goes_what_waits_for_a_peer_that_does_not_read() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let out = Out::start(ours, Magic::REGTEST, Arc::new(Traffic::new(0)));
        for number in 0..100 {
            out.send(NetworkMessage::Ping(number)).unwrap();
        }
        out.room().await.unwrap().send(vec![7; 1_000_000]);
        let mut first = [0; 4];
        theirs.read_exact(&mut first).await.unwrap();
        assert_eq!(first, Magic::REGTEST.to_bytes());
        drop(out);
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).await.unwrap();
        assert!(rest.len() <= 64, "{} bytes more came", rest.len());
    }
}
