//! The HTTP server: one task a connection, a deadline for headers, and a shutdown in two steps.
//!
//! The soft token stops accepting and lets every connection finish what it answers; the hard token
//! closes what is still open.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// The time for a request's head.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// The largest head.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// The most header lines of a request.
const MAX_HEADERS: usize = 64;
/// How long, and for how many bytes, a caller that was answered early may go on sending.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 64 << 20;
/// Connections at the same time; more wait in the listen backlog.
const MAX_CONNECTIONS: usize = 1024;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A process on this machine, by the unix socket.
    Unix {
        /// Its user.
        uid: u32,
    },
}

impl Peer {
    /// The address that failed logins are counted under.
    pub fn ip(self) -> IpAddr {
        match self {
            Self::Tcp(address) => address.ip(),
            Self::Unix { .. } => IpAddr::from([127, 0, 0, 1]),
        }
    }
}

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A unix socket.
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// Serves until `soft` is cancelled and every connection has ended, or `hard` is cancelled.
pub async fn serve(
    listener: impl Into<Listener>,
    router: Router,
    soft: CancellationToken,
    hard: CancellationToken,
) {
    let listener = listener.into();
    let connections = TaskTracker::new();
    let permits = Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
    loop {
        let permit = tokio::select! {
            () = soft.cancelled() => break,
            permit = permits.clone().acquire_owned() => permit,
        };
        // The semaphore is never closed.
        let Ok(permit) = permit else { break };
        let (router, soft, hard) = (router.clone(), soft.clone(), hard.clone());
        tokio::select! {
            () = soft.cancelled() => break,
            accepted = accept(&listener) => match accepted {
                Ok((Socket::Tcp(stream), peer)) => {
                    connections.spawn(async move {
                        connection(stream, peer, router, soft, hard).await;
                        drop(permit);
                    });
                }
                Ok((Socket::Unix(stream), peer)) => {
                    connections.spawn(async move {
                        connection(stream, peer, router, soft, hard).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    // Out of descriptors, or a caller that left at once: neither ends the server.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

enum Socket {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

async fn accept(listener: &Listener) -> io::Result<(Socket, Peer)> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Socket::Tcp(stream), Peer::Tcp(address)))
        }
        Listener::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            let uid = stream.peer_cred()?.uid();
            Ok((Socket::Unix(stream), Peer::Unix { uid }))
        }
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: Peer,
    router: Router,
    soft: CancellationToken,
    hard: CancellationToken,
) {
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        Box::pin(answer(router.clone(), request))
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut asked = false;
    loop {
        tokio::select! {
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended badly");
                }
                break;
            }
            () = soft.cancelled(), if !asked => {
                asked = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            () = hard.cancelled() => return,
        }
    }
    let stream = connection.into_parts().io.into_inner();
    tokio::select! {
        () = leave(stream) => {}
        () = soft.cancelled() => {}
    }
}

/// Answers, and says so where the connection ends with it: what follows an unread body is no
/// request, and a caller that was not told would send its next one into the closing line.
async fn answer(router: Router, request: Request<Incoming>) -> Result<Response, Infallible> {
    let read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
    let request = request.map(|body| {
        let read = read.clone();
        Body::new(Watched { body, read })
    });
    let mut response = router.oneshot(request).await?;
    if !read.load(Ordering::Relaxed) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    Ok(response)
}

/// A body that tells when it was read to its end.
struct Watched {
    body: Incoming,
    read: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let frame = std::task::ready!(Pin::new(&mut this.body).poll_frame(context));
        if frame.is_none() || this.body.is_end_stream() {
            this.read.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Says that nothing more comes, and reads what the caller still sends. Closed at once, a socket
/// with unread bytes resets the connection, and a refusal of a large body could get lost with it.
async fn leave(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut rest = stream.take(LINGER_BYTES);
    let mut nowhere = tokio::io::sink();
    // Whether it came to its end, the caller has gone, or the time is over.
    let _ = tokio::time::timeout(LINGER, tokio::io::copy(&mut rest, &mut nowhere)).await;
}
