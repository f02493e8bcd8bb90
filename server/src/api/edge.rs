//! What every request goes through, outermost first: an id, the host and origin rules, a deadline,
//! a net for panics, the problem document, one log line, one measurement.
//!
//! One function instead of a pile of layers, so that their order can be read.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::auth::origin::{self, Hosts};
use super::error::{self, ApiError, Code, Problem};
use super::metrics::HttpMetrics;
use super::state::Api;
use crate::clock::{SharedClock, new_id};

/// The largest JSON body.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// The largest form: the largest configuration, written as a form field.
pub const MAX_FORM_BYTES: usize = 2 * 1024 * 1024;
/// The longest that any answer may take to begin: longer than the longest `?wait=` and module call.
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(75);

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of one request: in the log, in `X-Request-Id`, in problems and in the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

/// What the layer needs.
#[derive(Clone)]
pub struct Edge {
    clock: SharedClock,
    hosts: Arc<Hosts>,
    metrics: HttpMetrics,
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge")
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

impl Edge {
    /// The layer's part of the API's state.
    pub fn new(api: &Api) -> Self {
        Self {
            clock: api.clock.clone(),
            hosts: api.hosts.clone(),
            metrics: api.inner().metrics.clone(),
        }
    }
}

/// The layer.
pub async fn edge(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = RequestId(new_id(&*edge.clock).to_string().into());
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = tracing::info_span!("request", request.id = %id.0, http.method = %method, http.route = route);

    let answer = async {
        if let Err(refused) = origin::check(&edge.hosts, &request) {
            return refused.into_response();
        }
        let handled = AssertUnwindSafe(tokio::time::timeout(ANSWER_DEADLINE, next.run(request)));
        match handled.catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => ApiError::new(
                Code::DeadlineExceeded,
                "no answer came about in 75 s; ask for less at once",
            )
            .into_response(),
            Err(panic) => ApiError::internal(panic_text(&*panic)).into_response(),
        }
    };
    let response = answer.instrument(span.clone()).await;
    let response = finish(response, &id);
    edge.metrics
        .record(&method, route, response.status(), began.elapsed());
    span.in_scope(|| log(&method, route, response.status(), began.elapsed()));
    response
}

/// Writes the problem, where the answer is one, and the headers that every answer has.
fn finish(mut response: Response, id: &RequestId) -> Response {
    let status = response.status();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = error::write(problem, &id.0, response);
    } else if (status.is_client_error() || status.is_server_error()) && !speaks(&response) {
        let problem = error::from_status(status, &response);
        response = error::write(problem, &id.0, response);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(X_REQUEST_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Whether a refusal already has a body of its own: a page, or JSON-RPC.
fn speaks(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes();
        kind.starts_with(b"text/html") || kind.starts_with(b"application/json")
    })
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a handler panicked: {}", text.unwrap_or("without words"))
}

/// One line a request: reads that succeed, and whether the node is ready, for those who look closely;
/// the rest for operators.
fn log(method: &Method, route: &str, status: StatusCode, took: Duration) {
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let status = status.as_u16();
    if route == "/readyz" {
        // That the node is not ready yet is what was asked, every second perhaps.
        tracing::debug!(http.status = status, duration_ms, "request answered");
    } else if status >= 500 {
        tracing::warn!(http.status = status, duration_ms, "request failed");
    } else if status < 400 && (*method == Method::GET || *method == Method::HEAD) {
        tracing::debug!(http.status = status, duration_ms, "request answered");
    } else {
        tracing::info!(http.status = status, duration_ms, "request answered");
    }
}
