//! `Idempotency-Key`: whoever repeats a POST with the same key gets the first answer again.
//!
//! Answers are kept for 24 hours with a fingerprint of the request. The same key with another
//! request is refused; while the first one runs, so is a second.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::auth::Caller;
use super::edge::MAX_BODY_BYTES;
use super::error::{ApiError, ApiResult, Code};
use super::state::Api;
use crate::model::Once;
use crate::store::commands::Remember;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Longest key.
const MAX_KEY: usize = 128;
/// Answers that hold a secret are not kept, nor digests of requests that do.
const NOT_KEPT: [&str; 4] = [
    "/api/v1/backups",
    "/api/v1/tokens",
    "/api/v1/login-codes",
    "/api/v1/webhooks/sources",
];
/// Headers that belong to an answer.
const KEPT_HEADERS: [HeaderName; 3] = [CONTENT_TYPE, LOCATION, ETAG];

/// Keys whose first request is not answered yet.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<Mutex<HashSet<String>>>);

struct Place(InFlight, String);

impl InFlight {
    fn take(&self, key: &str) -> Option<Place> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.to_owned())
            .then(|| Place(self.clone(), key.to_owned()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.1);
    }
}

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    headers: Vec<(String, String)>,
    body: String,
}

/// The layer.
pub async fn idempotency(State(api): State<Api>, request: Request, next: Next) -> Response {
    let key = request.headers().get(&IDEMPOTENCY_KEY).cloned();
    match key {
        Some(key) if request.method() == Method::POST && !holds_a_secret(request.uri().path()) => {
            once(&api, key, request, next)
                .await
                .unwrap_or_else(ApiError::into_response)
        }
        _ => next.run(request).await,
    }
}

/// Whether a request to an address, or its answer, may hold a secret.
fn holds_a_secret(path: &str) -> bool {
    let rotation = path.starts_with("/api/v1/webhooks/sources/") && path.ends_with("/rotate");
    rotation || NOT_KEPT.contains(&path)
}

async fn once(api: &Api, key: HeaderValue, request: Request, next: Next) -> ApiResult<Response> {
    let key = key
        .to_str()
        .ok()
        .filter(|key| !key.is_empty() && key.len() <= MAX_KEY)
        .ok_or_else(|| {
            ApiError::new(
                Code::InvalidParameter,
                format!("`Idempotency-Key` takes 1 to {MAX_KEY} plain characters"),
            )
        })?;
    let caller = request
        .extensions()
        .get::<Caller>()
        .map(|caller| caller.actor().id);
    let key = format!("{} {key}", caller.unwrap_or_default());
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| {
        ApiError::new(
            Code::PayloadTooLarge,
            format!("the body is larger than {} KiB", MAX_BODY_BYTES / 1024),
        )
    })?;
    let target = parts
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    let fingerprint = fingerprint(&parts.headers, target, &body);

    let _place = api.inner().in_flight.take(&key).ok_or_else(|| {
        ApiError::new(
            Code::IdempotencyInFlight,
            "the first request with this `Idempotency-Key` is not answered yet; ask again shortly",
        )
        .retry_after_ms(1000)
    })?;
    if let Some(known) = api.store.remembered(&key).await? {
        if known.fingerprint != fingerprint {
            return Err(ApiError::new(
                Code::IdempotencyMismatch,
                "this `Idempotency-Key` was used for another request; make a new key",
            ));
        }
        let answer = known.answer.ok_or_else(|| {
            ApiError::new(
                Code::IdempotencyAnswerLost,
                "the first request with this `Idempotency-Key` was carried out, and the node ended before it answered: look at what there is now (`GET /api/v1/operations`, `GET /api/v1/audit`), and use a new key for anything more",
            )
        })?;
        return replay(answer.status, &answer.body);
    }
    if let Some(caller) = parts.extensions.remove::<Caller>() {
        let once = Once {
            key: key.clone(),
            fingerprint: fingerprint.clone(),
        };
        parts.extensions.insert(caller.once(once));
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    // A refusal that accepted nothing left no trace: the same key may be tried again.
    if !response.status().is_success() {
        return Ok(response);
    }
    keep(api, key, fingerprint, response).await
}

async fn keep(
    api: &Api,
    key: String,
    fingerprint: String,
    response: Response,
) -> ApiResult<Response> {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX)
        .await
        .map_err(ApiError::internal)?;
    let kept = Kept {
        headers: KEPT_HEADERS
            .iter()
            .filter_map(|name| {
                let value = parts.headers.get(name)?.to_str().ok()?;
                Some((name.to_string(), value.to_owned()))
            })
            .collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let remember = Remember {
        key,
        fingerprint,
        status: parts.status.as_u16(),
        body: serde_json::to_vec(&kept).map_err(ApiError::internal)?,
    };
    if let Err(error) = api.store.commit(remember).await {
        // The change is made; only a repetition would not be recognised.
        tracing::warn!(%error, "an answer could not be kept for its Idempotency-Key");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replay(status: u16, kept: &[u8]) -> ApiResult<Response> {
    let kept: Kept = serde_json::from_slice(kept).map_err(ApiError::internal)?;
    let status = StatusCode::from_u16(status).map_err(ApiError::internal)?;
    let mut response = (status, kept.body).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    for (name, value) in kept.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// What makes two requests the same.
fn fingerprint(headers: &HeaderMap, target: &str, body: &Bytes) -> String {
    let kind = headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    let mut hash = Sha256::new();
    for part in [target.as_bytes(), kind, body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
