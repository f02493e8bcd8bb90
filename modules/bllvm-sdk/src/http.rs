//! HTTP on a listener of the host's, drained without losing a request (feature `http`).
//!
//! A server that is told to stop closes connections on which it has read nothing yet, although
//! their callers may have sent their request already. Here a connection that was accepted is
//! always served: it is handed to the server only once its first bytes are there.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Context, Result};

/// How long a caller may take to send a request's head.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// How long a caller that has sent nothing is waited for once the drain has begun.
const SILENT_CALLER: Duration = Duration::from_secs(1);
/// The pause after the system refused an accept, for want of descriptors for instance.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves a router on a listener until the drain, which waits for open requests. Callers that
/// come meanwhile wait in the backlog of the listener, for whoever serves next.
///
/// Call it in [`crate::Module::activate`]. Answers where it serves.
///
/// # Errors
/// A listener that was not handed over.
pub fn serve(context: &Context, listener: &str, router: Router) -> Result<SocketAddr> {
    let listener = context.listener(listener)?;
    let address = listener.local_addr()?;
    let draining = context.draining();
    context.spawn(accept(listener, router, draining));
    Ok(address)
}

async fn accept(listener: TcpListener, router: Router, draining: CancellationToken) {
    let open = TaskTracker::new();
    while let Some(accepted) = draining.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                open.spawn(serve_connection(stream, router.clone(), draining.clone()));
            }
            Err(error) => {
                tracing::warn!("no caller could be accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Whoever comes from now on is not ours.
    drop(listener);
    open.close();
    open.wait().await;
}

async fn serve_connection(stream: TcpStream, router: Router, draining: CancellationToken) {
    if first_bytes(&stream, &draining).await.is_err() {
        return;
    }
    // Small answers go out at once; a socket without the option works as well.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    // The connection comes first, so that it has read before it hears of the drain.
    let outcome = tokio::select! {
        biased;
        outcome = connection.as_mut() => outcome,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!("a connection ended early: {error}");
    }
}

/// Waits until the caller has sent something. Peeked at, since readiness alone may be spurious: a
/// fresh socket can inherit the event of a closed one, and would then be taken for served.
async fn first_bytes(stream: &TcpStream, draining: &CancellationToken) -> io::Result<()> {
    let mut first = [0];
    let mut sent = pin!(stream.peek(&mut first));
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let patient = tokio::time::timeout(HEAD_DEADLINE, sent.as_mut());
    let bytes = match draining.run_until_cancelled(patient).await {
        Some(outcome) => outcome.map_err(late)??,
        None => tokio::time::timeout(SILENT_CALLER, sent)
            .await
            .map_err(late)??,
    };
    match bytes {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
