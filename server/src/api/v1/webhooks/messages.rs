//! `/webhooks/messages`: what is sent to endpoints, and what became of it.

use axum::Json as AxumJson;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::outgoing_view::{MessageView, RedeliverRequest};
use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Json, Path, Query};
use crate::api::page::{PageQuery, PageView};
use crate::api::state::Api;
use crate::model::{Id, MessageState, Scope, UtcTime, WebhookMessage};
use crate::store::MessageFilter;
use crate::store::commands::Redelivered;
use crate::webhooks::redacted;

/// Which messages.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MessageQuery {
    /// Only to this endpoint.
    pub endpoint: Option<String>,
    /// Only in this state.
    pub state: Option<MessageState>,
    /// Only queued at this moment or later.
    pub since: Option<UtcTime>,
    /// Only queued before this moment.
    pub until: Option<UtcTime>,
    /// At most so many items, 1 to 1000; 100 where it is missing.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    pub cursor: Option<String>,
}

/// Lists messages to endpoints, newest first.
///
/// Messages that are over are kept as long as events.
#[utoipa::path(
    get, path = "/webhooks/messages", tag = "webhooks",
    params(MessageQuery),
    responses((status = 200, description = "The messages.", body = PageView<WebhookMessage>)),
    extensions(("x-scope" = json!("webhooks:read")))
)]
pub async fn list_webhook_messages(
    caller: Caller,
    Query(query): Query<MessageQuery>,
    State(api): State<Api>,
) -> ApiResult<AxumJson<PageView<WebhookMessage>>> {
    caller.require(Scope::WebhooksRead)?;
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    }
    .request()?;
    let filter = MessageFilter {
        endpoint: query.endpoint,
        state: query.state,
        since: query.since,
        until: query.until,
    };
    let messages = api.store.webhook_messages(&page, &filter).await?;
    Ok(AxumJson(messages.into()))
}

/// Shows a message with every attempt and its body.
///
/// Values below keys that tell of secrets are covered.
#[utoipa::path(
    get, path = "/webhooks/messages/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The message's id, without `msg_`.")),
    responses((status = 200, description = "The message.", body = MessageView)),
    extensions(
        ("x-scope" = json!("webhooks:read")),
        ("x-problems" = json!(["webhook_message_not_found"]))
    )
)]
pub async fn get_webhook_message(
    caller: Caller,
    Path(id): Path<Id>,
    State(api): State<Api>,
) -> ApiResult<AxumJson<MessageView>> {
    caller.require(Scope::WebhooksRead)?;
    Ok(AxumJson(message(&api, id).await?))
}

/// Sends a message again.
///
/// At once, under the same `webhook-id`, and by a new schedule.
#[utoipa::path(
    post, path = "/webhooks/messages/{id}/redeliver", tag = "webhooks",
    params(("id" = String, Path, description = "The message's id, without `msg_`.")),
    responses((status = 200, description = "It is sent again.", body = WebhookMessage)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["webhook_endpoint_disabled", "webhook_message_not_found"]))
    )
)]
pub async fn redeliver_webhook_message(
    caller: Caller,
    Path(id): Path<Id>,
    State(api): State<Api>,
) -> ApiResult<AxumJson<WebhookMessage>> {
    caller.require(Scope::WebhooksControl)?;
    let actor = caller.actor();
    let done = api.control.redeliver_webhook_message(id, &actor).await;
    let refused = |error| ApiError::from(error).or_not_found(Code::WebhookMessageNotFound);
    Ok(AxumJson(done.map_err(refused)?))
}

/// Sends messages of an endpoint again that are over, oldest first.
///
/// At most 1,000 at a time; `more` says whether others fit. Go on with `since`.
#[utoipa::path(
    post, path = "/webhooks/endpoints/{name}/redeliver", tag = "webhooks",
    params(("name" = String, Path, description = "The endpoint's name.")),
    request_body = RedeliverRequest,
    responses((status = 200, description = "How many are sent again.", body = Redelivered)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!([
            "invalid_request", "webhook_endpoint_disabled", "webhook_endpoint_not_found"
        ]))
    )
)]
pub async fn redeliver_webhook_messages(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
    Json(request): Json<RedeliverRequest>,
) -> ApiResult<AxumJson<Redelivered>> {
    caller.require(Scope::WebhooksControl)?;
    let filter = MessageFilter {
        endpoint: None,
        state: request.state,
        since: request.since,
        until: request.until,
    };
    let actor = caller.actor();
    let done = api
        .control
        .redeliver_webhook_messages(&name, filter, &actor);
    let refused = |error| ApiError::from(error).or_not_found(Code::WebhookEndpointNotFound);
    Ok(AxumJson(done.await.map_err(refused)?))
}

/// A message with every attempt and its body.
///
/// # Errors
/// `webhook_message_not_found`.
pub async fn message(api: &Api, id: Id) -> ApiResult<MessageView> {
    let missing = || {
        ApiError::new(
            Code::WebhookMessageNotFound,
            format!("there is no webhook message `{id}`"),
        )
    };
    let message = api.store.webhook_message(id).await?.ok_or_else(missing)?;
    let body = api.store.webhook_message_body(id).await?;
    Ok(MessageView {
        attempts: api.store.webhook_message_attempts(id).await?,
        body: redacted(body.ok_or_else(missing)?.as_bytes()),
        message,
    })
}
