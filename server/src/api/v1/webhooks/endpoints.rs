//! `/webhooks/endpoints`: who is told.

use std::time::Duration;

use axum::Json as AxumJson;
use axum::extract::State;
use axum::http::StatusCode;

use super::outgoing_view::{
    EnableRequest, KeyRotation, NewEndpointBody, NewEndpointView, TestView,
};
use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Created, Json, Path};
use crate::api::page::PageView;
use crate::api::state::Api;
use crate::model::{EndpointSettings, Scope, SigningScheme, WebhookEndpoint};

/// How long a replaced key signs beside the new one.
const OVERLAP: Duration = Duration::from_hours(24);

fn refused(error: crate::control::ControlError) -> ApiError {
    ApiError::from(error).or_not_found(Code::WebhookEndpointNotFound)
}

/// Lists the endpoints that webhooks are sent to, by name.
///
/// With the state of their lanes; secrets are never shown again.
#[utoipa::path(
    get, path = "/webhooks/endpoints", tag = "webhooks",
    responses((status = 200, description = "The endpoints.", body = PageView<WebhookEndpoint>)),
    extensions(("x-scope" = json!("webhooks:read")))
)]
pub async fn list_webhook_endpoints(
    caller: Caller,
    State(api): State<Api>,
) -> ApiResult<AxumJson<PageView<WebhookEndpoint>>> {
    caller.require(Scope::WebhooksRead)?;
    Ok(AxumJson(PageView::whole(
        api.store.webhook_endpoints().await?,
    )))
}

/// Tells somebody of events from now on.
///
/// Messages are signed by Standard Webhooks and tried ten times over three days. It needs
/// `events:read`, too, because events leave the node by it. A secret that is made here is in the
/// answer and nowhere else, so `Idempotency-Key` is not honoured.
#[utoipa::path(
    post, path = "/webhooks/endpoints", tag = "webhooks",
    request_body = NewEndpointBody,
    responses((status = 201, description = "The endpoint.", body = NewEndpointView)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["invalid_request", "webhook_endpoint_exists"]))
    )
)]
pub async fn create_webhook_endpoint(
    caller: Caller,
    State(api): State<Api>,
    Json(new): Json<NewEndpointBody>,
) -> ApiResult<Created<NewEndpointView>> {
    caller.require(Scope::WebhooksControl)?;
    caller.require(Scope::EventsRead)?;
    let made = api
        .control
        .create_webhook_endpoint(
            &new.name,
            new.settings(),
            new.signing.unwrap_or(SigningScheme::V1),
            new.key.as_deref(),
            &caller.actor(),
        )
        .await?;
    let location = format!("/api/v1/webhooks/endpoints/{}", made.endpoint.name);
    Ok(Created(location, made.into()))
}

/// Shows an endpoint.
///
/// With its keys' ages and public halves, and how its lane is.
#[utoipa::path(
    get, path = "/webhooks/endpoints/{name}", tag = "webhooks",
    params(("name" = String, Path, description = "The endpoint's name.")),
    responses((status = 200, description = "The endpoint.", body = WebhookEndpoint)),
    extensions(
        ("x-scope" = json!("webhooks:read")),
        ("x-problems" = json!(["webhook_endpoint_not_found"]))
    )
)]
pub async fn get_webhook_endpoint(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
) -> ApiResult<AxumJson<WebhookEndpoint>> {
    caller.require(Scope::WebhooksRead)?;
    let found = api.control.webhook_endpoint(&name).await.map_err(refused)?;
    Ok(AxumJson(found))
}

/// Changes what is sent where.
///
/// Messages that wait go to the new address. It needs `events:read`, too.
#[utoipa::path(
    put, path = "/webhooks/endpoints/{name}", tag = "webhooks",
    params(("name" = String, Path, description = "The endpoint's name.")),
    request_body = EndpointSettings,
    responses((status = 200, description = "The endpoint.", body = WebhookEndpoint)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["invalid_request", "webhook_endpoint_not_found"]))
    )
)]
pub async fn set_webhook_endpoint(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
    Json(settings): Json<EndpointSettings>,
) -> ApiResult<AxumJson<WebhookEndpoint>> {
    caller.require(Scope::WebhooksControl)?;
    caller.require(Scope::EventsRead)?;
    let actor = caller.actor();
    let set = api.control.set_webhook_endpoint(&name, settings, &actor);
    Ok(AxumJson(set.await.map_err(refused)?))
}

/// Removes an endpoint with its messages.
///
/// Those that wait are not sent.
#[utoipa::path(
    delete, path = "/webhooks/endpoints/{name}", tag = "webhooks",
    params(("name" = String, Path, description = "The endpoint's name.")),
    responses((status = 204, description = "It is gone.")),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["webhook_endpoint_not_found"]))
    )
)]
pub async fn delete_webhook_endpoint(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
) -> ApiResult<StatusCode> {
    caller.require(Scope::WebhooksControl)?;
    let actor = caller.actor();
    let removed = api.control.delete_webhook_endpoint(&name, &actor);
    removed.await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends to an endpoint again.
///
/// What waits, and the events since it was disabled, as far as the journal has them; `from_now`
/// leaves those out. A lane that is held is open again.
#[utoipa::path(
    post, path = "/webhooks/endpoints/{name}/enable", tag = "webhooks",
    params(("name" = String, Path, description = "The endpoint's name.")),
    request_body = Option<EnableRequest>,
    responses((status = 200, description = "The endpoint.", body = WebhookEndpoint)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["webhook_endpoint_not_found"]))
    )
)]
pub async fn enable_webhook_endpoint(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
    request: Option<Json<EnableRequest>>,
) -> ApiResult<AxumJson<WebhookEndpoint>> {
    caller.require(Scope::WebhooksControl)?;
    let EnableRequest { from_now } = request.map(|Json(body)| body).unwrap_or_default();
    let actor = caller.actor();
    let enabled = api.control.enable_webhook_endpoint(&name, from_now, &actor);
    Ok(AxumJson(enabled.await.map_err(refused)?))
}

/// Sends to an endpoint no more.
///
/// What waits goes on waiting, and its place in the journal is kept.
#[utoipa::path(
    post, path = "/webhooks/endpoints/{name}/disable", tag = "webhooks",
    params(("name" = String, Path, description = "The endpoint's name.")),
    responses((status = 200, description = "The endpoint.", body = WebhookEndpoint)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["webhook_endpoint_not_found"]))
    )
)]
pub async fn disable_webhook_endpoint(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
) -> ApiResult<AxumJson<WebhookEndpoint>> {
    caller.require(Scope::WebhooksControl)?;
    let actor = caller.actor();
    let disabled = api.control.disable_webhook_endpoint(&name, &actor);
    Ok(AxumJson(disabled.await.map_err(refused)?))
}

/// Gives an endpoint a new key.
///
/// For a while the one before signs beside it, so that the receiver can change over; older ones end
/// at once. A secret that is made here is in the answer and nowhere else, so `Idempotency-Key` is
/// not honoured.
#[utoipa::path(
    post, path = "/webhooks/endpoints/{name}/rotate", tag = "webhooks",
    params(("name" = String, Path, description = "The endpoint's name.")),
    request_body = Option<KeyRotation>,
    responses((status = 200, description = "The endpoint.", body = NewEndpointView)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["invalid_request", "webhook_endpoint_not_found"]))
    )
)]
pub async fn rotate_webhook_key(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
    rotation: Option<Json<KeyRotation>>,
) -> ApiResult<AxumJson<NewEndpointView>> {
    caller.require(Scope::WebhooksControl)?;
    let KeyRotation {
        signing,
        key,
        overlap_s,
    } = rotation.map(|Json(body)| body).unwrap_or_default();
    let overlap = overlap_s.map_or(OVERLAP, Duration::from_secs);
    let actor = caller.actor();
    let rotated = api
        .control
        .rotate_webhook_key(&name, signing, key.as_deref(), overlap, &actor);
    Ok(AxumJson(rotated.await.map_err(refused)?.into()))
}

/// Sends a message of our own making, and waits for what comes of it.
///
/// It is signed as all are, tried once, and has the type `webhook.test`. An endpoint that is
/// disabled is tried, too.
#[utoipa::path(
    post, path = "/webhooks/endpoints/{name}/test", tag = "webhooks",
    params(("name" = String, Path, description = "The endpoint's name.")),
    responses((status = 200, description = "What came of it.", body = TestView)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["webhook_endpoint_not_found"]))
    )
)]
pub async fn test_webhook_endpoint(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
) -> ApiResult<AxumJson<TestView>> {
    caller.require(Scope::WebhooksControl)?;
    let actor = caller.actor();
    let tested = api.control.test_webhook_endpoint(&name, &actor);
    Ok(AxumJson(tested.await.map_err(refused)?.into()))
}
