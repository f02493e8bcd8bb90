//! `/webhooks/sources`.

use std::time::Duration;

use axum::Json as AxumJson;
use axum::extract::State;
use axum::http::StatusCode;

use super::view::{NewSecretView, NewSource, ReceiptView, Rotation};
use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Created, Json, Path};
use crate::api::page::PageView;
use crate::api::state::Api;
use crate::model::{Scope, SourceSettings, WebhookSource};

/// How long a replaced secret goes on working.
const OVERLAP: Duration = Duration::from_hours(24);

fn refused(error: crate::control::ControlError) -> ApiError {
    ApiError::from(error).or_not_found(Code::WebhookSourceNotFound)
}

/// Lists the sources that may send webhooks, by name.
///
/// Secrets are shown by when they were set and last used; their texts never.
#[utoipa::path(
    get, path = "/webhooks/sources", tag = "webhooks",
    responses((status = 200, description = "The sources.", body = PageView<WebhookSource>)),
    extensions(("x-scope" = json!("webhooks:read")))
)]
pub async fn list_webhook_sources(
    caller: Caller,
    State(api): State<Api>,
) -> ApiResult<AxumJson<PageView<WebhookSource>>> {
    caller.require(Scope::WebhooksRead)?;
    Ok(AxumJson(PageView::whole(
        api.store.webhook_sources().await?,
    )))
}

/// Lets a source send webhooks.
///
/// A secret that is made here is in the answer and nowhere else, so `Idempotency-Key` is not
/// honoured.
#[utoipa::path(
    post, path = "/webhooks/sources", tag = "webhooks",
    request_body = NewSource,
    responses((status = 201, description = "The source.", body = NewSecretView)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["invalid_request", "webhook_source_exists"]))
    )
)]
pub async fn create_webhook_source(
    caller: Caller,
    State(api): State<Api>,
    Json(new): Json<NewSource>,
) -> ApiResult<Created<NewSecretView>> {
    caller.require(Scope::WebhooksControl)?;
    let made = api
        .control
        .create_webhook_source(
            &new.name,
            new.settings(),
            new.secret.as_deref(),
            &caller.actor(),
        )
        .await?;
    let location = format!("/api/v1/webhooks/sources/{}", made.source.name);
    Ok(Created(location, made.into()))
}

/// Shows a source.
///
/// Its secrets are shown by when they were set and last used.
#[utoipa::path(
    get, path = "/webhooks/sources/{name}", tag = "webhooks",
    params(("name" = String, Path, description = "The source's name.")),
    responses((status = 200, description = "The source.", body = WebhookSource)),
    extensions(
        ("x-scope" = json!("webhooks:read")),
        ("x-problems" = json!(["webhook_source_not_found"]))
    )
)]
pub async fn get_webhook_source(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
) -> ApiResult<AxumJson<WebhookSource>> {
    caller.require(Scope::WebhooksRead)?;
    let source = api.control.webhook_source(&name).await.map_err(refused)?;
    Ok(AxumJson(source))
}

/// Changes how a source's deliveries are checked.
///
/// The scheme stays, because the secrets are of it.
#[utoipa::path(
    put, path = "/webhooks/sources/{name}", tag = "webhooks",
    params(("name" = String, Path, description = "The source's name.")),
    request_body = SourceSettings,
    responses((status = 200, description = "The source.", body = WebhookSource)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["invalid_request", "webhook_source_not_found"]))
    )
)]
pub async fn set_webhook_source(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
    Json(settings): Json<SourceSettings>,
) -> ApiResult<AxumJson<WebhookSource>> {
    caller.require(Scope::WebhooksControl)?;
    let actor = caller.actor();
    let set = api.control.set_webhook_source(&name, settings, &actor);
    Ok(AxumJson(set.await.map_err(refused)?))
}

/// Removes a source.
///
/// Its deliveries stay. What is sent to its address is answered as if it had never been there.
#[utoipa::path(
    delete, path = "/webhooks/sources/{name}", tag = "webhooks",
    params(("name" = String, Path, description = "The source's name.")),
    responses((status = 204, description = "It may send no more.")),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["webhook_source_not_found"]))
    )
)]
pub async fn delete_webhook_source(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
) -> ApiResult<StatusCode> {
    caller.require(Scope::WebhooksControl)?;
    let actor = caller.actor();
    let removed = api.control.delete_webhook_source(&name, &actor);
    removed.await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a source a new secret.
///
/// The one before goes on working for a while, so that the sender can change over; older ones end
/// at once. A secret that is made here is in the answer and nowhere else, so `Idempotency-Key` is
/// not honoured.
#[utoipa::path(
    post, path = "/webhooks/sources/{name}/rotate", tag = "webhooks",
    params(("name" = String, Path, description = "The source's name.")),
    request_body = Option<Rotation>,
    responses((status = 200, description = "The source.", body = NewSecretView)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["invalid_request", "webhook_source_not_found"]))
    )
)]
pub async fn rotate_webhook_secret(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
    rotation: Option<Json<Rotation>>,
) -> ApiResult<AxumJson<NewSecretView>> {
    caller.require(Scope::WebhooksControl)?;
    let Rotation { secret, overlap_s } = rotation.map(|Json(body)| body).unwrap_or_default();
    let overlap = overlap_s.map_or(OVERLAP, Duration::from_secs);
    let actor = caller.actor();
    let rotated = api
        .control
        .rotate_webhook_secret(&name, secret.as_deref(), overlap, &actor);
    Ok(AxumJson(rotated.await.map_err(refused)?.into()))
}

/// Sends a delivery of our own making through a source.
///
/// It is signed as the sender would, checked, stored and announced, with `"type": "test"` in its
/// body.
#[utoipa::path(
    post, path = "/webhooks/sources/{name}/test", tag = "webhooks",
    params(("name" = String, Path, description = "The source's name.")),
    responses((status = 200, description = "It is in the inbox.", body = ReceiptView)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["conflict", "invalid_request", "webhook_source_not_found"]))
    )
)]
pub async fn test_webhook_source(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
) -> ApiResult<AxumJson<ReceiptView>> {
    caller.require(Scope::WebhooksControl)?;
    let actor = caller.actor();
    let sent = api.control.test_webhook_source(&name, &actor);
    Ok(AxumJson(sent.await.map_err(refused)?.into()))
}
