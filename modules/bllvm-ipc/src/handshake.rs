//! Hello and welcome: who speaks which protocol, under a deadline and a small size limit.
//!
//! The module speaks first. The host answers with a welcome, or with a goodbye that says what to
//! do. The protocol's version is negotiated apart from the module's own version.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::codec::{Wire, encode};
use crate::frame::{Frame, HEADER_BYTES, Kind, PREFIX_BYTES};
use crate::types::Sample;
use crate::{Limits, PROTOCOL_VERSIONS, Stream, WireError};

/// The module's first frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Oldest protocol version that the module speaks.
    pub protocol_min: u16,
    /// Newest protocol version that the module speaks.
    pub protocol_max: u16,
    /// The module's name, compared with the one that was started.
    pub name: String,
    /// The module's own version.
    pub version: String,
    /// What it was built with, for diagnosis.
    #[serde(default)]
    pub sdk: String,
    /// Optional abilities; unknown ones are ignored.
    #[serde(default)]
    pub features: Vec<String>,
}

impl Hello {
    /// A hello for all protocol versions of this build.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            protocol_min: *PROTOCOL_VERSIONS.start(),
            protocol_max: *PROTOCOL_VERSIONS.end(),
            name: name.into(),
            version: version.into(),
            sdk: String::new(),
            features: Vec::new(),
        }
    }
}

/// The host's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version that both speak from now on.
    pub protocol: u16,
    /// The host's version.
    pub host: String,
    /// The instance's id, new at every start.
    pub instance: String,
    /// The granted capabilities.
    pub grants: Vec<String>,
    /// How often the host pings, in milliseconds.
    pub heartbeat_ms: u64,
}

/// The last frame of a side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goodbye {
    /// A stable word: `protocol`, `identity`, `malformed`, `shutdown`, `replaced`, `fault`.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
}

impl Goodbye {
    /// A goodbye with a code and a sentence.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Goodbye {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl Sample for Hello {
    fn sample() -> Self {
        Self {
            sdk: "bllvm-sdk 0.1.0".into(),
            ..Self::new("block-clock", "0.1.0")
        }
    }
}

impl Sample for Welcome {
    fn sample() -> Self {
        Self {
            protocol: 1,
            host: "0.1.0".into(),
            instance: "01J0000000000000000000000".into(),
            grants: vec!["chain.read".into()],
            heartbeat_ms: 2000,
        }
    }
}

impl Sample for Goodbye {
    fn sample() -> Self {
        Self::new(
            "protocol",
            "this host speaks protocol 1, the module 2 to 3; update the host",
        )
    }
}

/// Picks the newest version that both sides speak.
///
/// # Errors
/// A goodbye that says which side to update.
pub fn negotiate(hello: &Hello) -> Result<u16, Goodbye> {
    let (min, max) = (*PROTOCOL_VERSIONS.start(), *PROTOCOL_VERSIONS.end());
    let newest = max.min(hello.protocol_max);
    if newest >= min.max(hello.protocol_min) && hello.protocol_min <= hello.protocol_max {
        return Ok(newest);
    }
    let remedy = if hello.protocol_min > max {
        "update bllvm-node"
    } else {
        "update the module"
    };
    Err(Goodbye::new(
        "protocol",
        format!(
            "the host speaks protocol {min} to {max}, the module {} to {}: {remedy}",
            hello.protocol_min, hello.protocol_max
        ),
    ))
}

/// The host's side: reads the hello, lets `decide` answer it, and sends the answer.
///
/// # Errors
/// Anything but a hello in time; [`WireError::Refused`] with the goodbye that was sent.
pub async fn accept(
    stream: &Stream,
    limits: &Limits,
    decide: impl FnOnce(&Hello) -> Result<Welcome, Goodbye> + Send,
) -> Result<(Hello, Welcome), WireError> {
    let read = async {
        let hello: Hello = expect(&read_frame(stream, limits).await?, Kind::Hello, "a hello")?;
        match decide(&hello) {
            Ok(welcome) => {
                write_frame(stream, Kind::Welcome, &welcome).await?;
                Ok((hello, welcome))
            }
            Err(goodbye) => {
                write_frame(stream, Kind::Goodbye, &goodbye).await?;
                Err(WireError::Refused(goodbye))
            }
        }
    };
    let outcome = within(limits.hello_deadline, read).await;
    if let Err(error) = &outcome
        && !matches!(
            error,
            WireError::Refused(_) | WireError::Io(_) | WireError::Truncated
        )
    {
        let goodbye = Goodbye::new("malformed", error.to_string());
        let sent = write_frame(stream, Kind::Goodbye, &goodbye);
        // The connection ends either way; a peer that reads is told why.
        let _ = tokio::time::timeout(Duration::from_millis(50), sent).await;
    }
    outcome
}

/// The module's side: sends the hello and waits for the answer.
///
/// # Errors
/// [`WireError::Refused`] with the host's words, or a fault of the stream.
pub async fn greet(stream: &Stream, limits: &Limits, hello: &Hello) -> Result<Welcome, WireError> {
    let exchange = async {
        write_frame(stream, Kind::Hello, hello).await?;
        let frame = read_frame(stream, limits).await?;
        if frame.kind == Kind::Goodbye {
            return Err(WireError::Refused(expect(
                &frame,
                Kind::Goodbye,
                "a welcome",
            )?));
        }
        expect(&frame, Kind::Welcome, "a welcome")
    };
    within(limits.hello_deadline, exchange).await
}

async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, WireError>>,
) -> Result<T, WireError> {
    let late = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
    tokio::time::timeout(deadline, work)
        .await
        .unwrap_or(Err(WireError::HelloDeadline(late)))
}

fn expect<T: Wire>(frame: &Frame, kind: Kind, expected: &'static str) -> Result<T, WireError> {
    if frame.kind != kind {
        return Err(WireError::Unexpected {
            found: frame.kind,
            expected,
        });
    }
    T::from_body(&frame.body).map_err(|reason| WireError::Body { kind, reason })
}

async fn read_frame(stream: &Stream, limits: &Limits) -> Result<Frame, WireError> {
    let mut buffer = BytesMut::with_capacity(PREFIX_BYTES + HEADER_BYTES);
    read_exactly(stream, &mut buffer, PREFIX_BYTES + HEADER_BYTES).await?;
    let length = u32::from_be_bytes([buffer[0], buffer[1], buffer[2], buffer[3]]);
    if (length as usize) < HEADER_BYTES || length > limits.hello_bytes {
        return Err(WireError::Length {
            found: length,
            limit: limits.hello_bytes,
        });
    }
    read_exactly(stream, &mut buffer, PREFIX_BYTES + length as usize).await?;
    Frame::read_from(&mut buffer, limits.hello_bytes, limits.hello_bytes)?
        .ok_or(WireError::Truncated)
}

/// Reads not one byte more than the frame has: what follows belongs to the connection.
async fn read_exactly(
    stream: &Stream,
    buffer: &mut BytesMut,
    want: usize,
) -> Result<(), WireError> {
    use tokio::io::AsyncReadExt;
    let mut reader = ReadHalf(stream);
    while buffer.len() < want {
        let missing = want - buffer.len();
        let mut part = (&mut reader).take(missing as u64);
        if part.read_buf(buffer).await? == 0 {
            return Err(WireError::Truncated);
        }
    }
    Ok(())
}

async fn write_frame<T: Serialize>(stream: &Stream, kind: Kind, body: &T) -> Result<(), WireError> {
    let body = encode(body).map_err(|reason| WireError::Body { kind, reason })?;
    let mut bytes: Bytes = Frame::new(kind, 0, 0, body).to_bytes();
    while !bytes.is_empty() {
        stream.tokio().writable().await?;
        match stream.tokio().try_write(&bytes) {
            Ok(written) => drop(bytes.split_to(written)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

struct ReadHalf<'a>(&'a Stream);

impl tokio::io::AsyncRead for ReadHalf<'_> {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        loop {
            match self.0.tokio().try_read_buf(buffer) {
                Ok(_) => return std::task::Poll::Ready(Ok(())),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    std::task::ready!(self.0.tokio().poll_read_ready(context))?;
                }
                Err(error) => return std::task::Poll::Ready(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(min: u16, max: u16) -> Hello {
        Hello {
            protocol_min: min,
            protocol_max: max,
            ..Hello::new("a", "1.0.0")
        }
    }

    #[test]
    fn the_newest_common_version_is_chosen_and_a_refusal_names_the_side_to_update() {
        assert_eq!(negotiate(&hello(1, 9)), Ok(1));
        assert!(
            negotiate(&hello(2, 9))
                .unwrap_err()
                .message
                .contains("update bllvm-node")
        );
        assert!(
            negotiate(&hello(0, 0))
                .unwrap_err()
                .message
                .contains("update the module")
        );
        assert!(negotiate(&hello(1, 0)).is_err());
    }

    #[tokio::test]
    async fn both_sides_agree_and_later_bytes_stay_in_the_stream() {
        let (host, fd) = Stream::pair().unwrap();
        let module = Stream::from_fd(fd).unwrap();
        let limits = Limits::default();
        let asked = Hello::sample();
        let (accepted, welcomed) = tokio::join!(
            accept(&host, &limits, |_| Ok(Welcome::sample())),
            greet(&module, &limits, &asked),
        );
        assert_eq!(accepted.unwrap().0, asked);
        assert_eq!(welcomed.unwrap(), Welcome::sample());
    }

    #[tokio::test]
    async fn a_silent_peer_is_cut_at_the_deadline() {
        let (host, _fd) = Stream::pair().unwrap();
        let limits = Limits {
            hello_deadline: Duration::from_millis(20),
            ..Limits::default()
        };
        let outcome = accept(&host, &limits, |_| Ok(Welcome::sample())).await;
        assert!(matches!(outcome, Err(WireError::HelloDeadline(20))));
    }

    #[tokio::test]
    async fn a_refused_module_learns_why() {
        let (host, fd) = Stream::pair().unwrap();
        let module = Stream::from_fd(fd).unwrap();
        let limits = Limits::default();
        let hello = Hello::sample();
        let (_, refused) = tokio::join!(
            accept(&host, &limits, |_| Err(Goodbye::new("identity", "not you"))),
            greet(&module, &limits, &hello),
        );
        assert!(matches!(refused, Err(WireError::Refused(goodbye)) if goodbye.code == "identity"));
    }
}
