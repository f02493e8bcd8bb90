//! Server-sent events: a bounded number of streams, each tied to the node's shutdown.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::error::{ApiError, ApiResult, Code};

/// How often a silent stream shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a client shall wait before it connects again.
const RETRY: Duration = Duration::from_secs(1);

/// The open streams.
#[derive(Debug)]
pub struct Streams {
    permits: Arc<Semaphore>,
    limit: usize,
    soft: CancellationToken,
}

impl Streams {
    /// At most `limit` streams, which end when `soft` is cancelled.
    pub fn new(limit: usize, soft: CancellationToken) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(limit)),
            limit,
            soft,
        }
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.limit - self.permits.available_permits()
    }

    /// Answers with a stream.
    ///
    /// # Errors
    /// `too_many_streams`, or `shutting_down`.
    pub fn answer(
        &self,
        events: impl Stream<Item = Event> + Send + 'static,
    ) -> ApiResult<Response> {
        if self.soft.is_cancelled() {
            return Err(
                ApiError::new(Code::ShuttingDown, "the node is shutting down").retry_after_ms(5000),
            );
        }
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| {
            ApiError::new(
                Code::TooManyStreams,
                format!(
                    "{} event streams are open already; close one, or ask again later",
                    self.limit
                ),
            )
            .retry_after_ms(5000)
        })?;
        let first =
            futures_util::stream::once(async { Event::default().retry(RETRY).comment("open") });
        let events = first
            .chain(events)
            .map(move |event| {
                // The place is taken until the stream is dropped.
                let _ = &permit;
                Ok::<_, Infallible>(event)
            })
            .take_until(self.soft.clone().cancelled_owned());
        let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("alive");
        let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(response)
    }
}
