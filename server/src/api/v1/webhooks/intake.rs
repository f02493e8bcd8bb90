//! `POST /webhooks/{source}`.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::view::ReceiptView;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::Path;
use crate::api::state::Api;
use crate::store::StoreError;
use crate::webhooks::{IntakeError, Unproven};

/// The time for a whole body; GitHub gives up after 10 s.
const BODY_DEADLINE: Duration = Duration::from_secs(20);
/// When to send again what could not be stored.
const RETRY_MS: u64 = 5000;

/// Takes a webhook delivery in.
///
/// The signature over the raw body is the credential: GitHub's `X-Hub-Signature-256`, Standard
/// Webhooks' `webhook-signature` (v1 and v1a), or the header that the source names. The delivery
/// is durable when this answers; one that came before is answered as such. An unknown source and a
/// bad signature get the same answer.
#[utoipa::path(
    post, path = "/webhooks/{source}", tag = "webhooks",
    params(("source" = String, Path, description = "The source's name.")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The raw body, as it was signed."),
    responses(
        (status = 202, description = "It is in the inbox.", body = ReceiptView),
        (status = 200, description = "It was in the inbox before.", body = ReceiptView),
    ),
    extensions(
        ("x-public" = json!(true)),
        ("x-signed" = json!(true)),
        ("x-problems" = json!([
            "disk_full", "internal", "invalid_parameter", "payload_too_large", "request_timeout",
            "too_many_requests", "unavailable", "webhook_conflict", "webhook_stale",
            "webhook_unproven"
        ]))
    )
)]
pub async fn receive_webhook(
    Path(source): Path<String>,
    State(api): State<Api>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<Response> {
    let body = read(&headers, body, api.webhooks.max_body()).await?;
    let receipt = api.webhooks.receive(&source, &headers, body).await?;
    let status = if receipt.duplicate {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok((status, axum::Json(ReceiptView::from(receipt))).into_response())
}

/// The whole body, within the limit: refused by its announced length, or where it passes the limit.
async fn read(headers: &HeaderMap, body: Body, limit: u64) -> ApiResult<Bytes> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let limited = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX));
    match tokio::time::timeout(BODY_DEADLINE, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Ok(Err(error)) => Err(ApiError::new(
            Code::BadRequest,
            format!("the body broke off: {error}"),
        )),
        Err(_) => Err(ApiError::new(
            Code::RequestTimeout,
            "the body did not arrive in 20 s",
        )),
    }
}

fn too_large(limit: u64) -> ApiError {
    ApiError::new(
        Code::PayloadTooLarge,
        format!("the body is larger than {limit} bytes, which is `limits.webhook_body`"),
    )
}

impl From<IntakeError> for ApiError {
    fn from(error: IntakeError) -> Self {
        let detail = error.to_string();
        match error {
            IntakeError::Unproven(Unproven::Signature) => Self::new(Code::WebhookUnproven, detail),
            IntakeError::Unproven(Unproven::Stale { .. }) => Self::new(Code::WebhookStale, detail),
            IntakeError::Unproven(Unproven::Id { .. }) => Self::new(Code::InvalidParameter, detail),
            IntakeError::TooMany { retry } => Self::new(Code::TooManyRequests, detail)
                .retry_after_ms(u64::try_from(retry.as_millis()).unwrap_or(u64::MAX)),
            IntakeError::Conflict(_) => Self::new(Code::WebhookConflict, detail),
            IntakeError::Store(full @ (StoreError::DiskFull | StoreError::DiskLow { .. })) => {
                full.into()
            }
            IntakeError::Store(StoreError::Closed) => StoreError::Closed.into(),
            IntakeError::Store(other) => {
                tracing::error!(error = %other, "a webhook could not be made durable");
                Self::new(
                    Code::Unavailable,
                    "the delivery could not be made durable: send it again",
                )
                .retry_after_ms(RETRY_MS)
            }
        }
    }
}
