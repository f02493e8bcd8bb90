//! `/webhooks/deliveries`, read.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::view::DeliveryView;
use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Path, Query};
use crate::api::page::{PageQuery, PageView};
use crate::api::state::Api;
use crate::model::{DeliveryState, Id, Scope, UtcTime, WebhookDelivery};
use crate::store::DeliveryFilter;
use crate::webhooks::{Shown, redacted};

/// Which deliveries.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveryQuery {
    /// Only of this source.
    pub source: Option<String>,
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only dead letters: refused or failed.
    #[serde(default)]
    pub dead: bool,
    /// Only accepted at this moment or later.
    pub since: Option<UtcTime>,
    /// Only accepted before this moment.
    pub until: Option<UtcTime>,
    /// At most so many items, 1 to 1000; 100 where it is missing.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    pub cursor: Option<String>,
}

/// Lists deliveries, newest first.
///
/// Each is there once, however often its sender sent it. Bodies are apart.
#[utoipa::path(
    get, path = "/webhooks/deliveries", tag = "webhooks",
    params(DeliveryQuery),
    responses((status = 200, description = "The deliveries.", body = PageView<WebhookDelivery>)),
    extensions(("x-scope" = json!("webhooks:read")))
)]
pub async fn list_webhook_deliveries(
    caller: Caller,
    Query(query): Query<DeliveryQuery>,
    State(api): State<Api>,
) -> ApiResult<Json<PageView<WebhookDelivery>>> {
    caller.require(Scope::WebhooksRead)?;
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    }
    .request()?;
    let filter = DeliveryFilter {
        source: query.source,
        state: query.state,
        dead: query.dead,
        since: query.since,
        until: query.until,
    };
    let deliveries = api.store.webhook_deliveries(&page, &filter).await?;
    Ok(Json(deliveries.into()))
}

/// Shows a delivery and everything that happened to it.
///
/// Its repetitions, modules' verdicts, replays, and who has acknowledged its event.
#[utoipa::path(
    get, path = "/webhooks/deliveries/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The delivery's id.")),
    responses((status = 200, description = "The delivery.", body = DeliveryView)),
    extensions(
        ("x-scope" = json!("webhooks:read")),
        ("x-problems" = json!(["webhook_delivery_not_found"]))
    )
)]
pub async fn get_webhook_delivery(
    caller: Caller,
    Path(id): Path<Id>,
    State(api): State<Api>,
) -> ApiResult<Json<DeliveryView>> {
    caller.require(Scope::WebhooksRead)?;
    Ok(Json(delivery(&api, id).await?))
}

/// Shows a delivery's body.
///
/// Values below keys that tell of secrets are covered.
#[utoipa::path(
    get, path = "/webhooks/deliveries/{id}/body", tag = "webhooks",
    params(("id" = String, Path, description = "The delivery's id.")),
    responses((status = 200, description = "The body, as far as people are shown it.", body = Shown)),
    extensions(
        ("x-scope" = json!("webhooks:read")),
        ("x-problems" = json!(["webhook_body_dropped", "webhook_delivery_not_found"]))
    )
)]
pub async fn get_webhook_body(
    caller: Caller,
    Path(id): Path<Id>,
    State(api): State<Api>,
) -> ApiResult<Json<Shown>> {
    caller.require(Scope::WebhooksRead)?;
    match api.store.webhook_body(id).await? {
        Some(body) => Ok(Json(redacted(&body))),
        None if api.store.webhook_delivery(id).await?.is_some() => Err(ApiError::new(
            Code::WebhookBodyDropped,
            "the body of this delivery is kept no more",
        )),
        None => Err(not_found(id)),
    }
}

/// A delivery with everything that happened to it.
///
/// # Errors
/// `webhook_delivery_not_found`.
pub async fn delivery(api: &Api, id: Id) -> ApiResult<DeliveryView> {
    let found = api.store.webhook_delivery(id).await?;
    let found = found.ok_or_else(|| not_found(id))?;
    let attempts = api.store.webhook_attempts(id).await?;
    let newest = attempts.iter().filter_map(|attempt| attempt.seq).max();
    let announced = newest.unwrap_or(found.seq);
    let readers = api.store.modules_past(announced).await?;
    Ok(DeliveryView::new(found, attempts, readers))
}

fn not_found(id: Id) -> ApiError {
    ApiError::new(
        Code::WebhookDeliveryNotFound,
        format!("there is no webhook delivery `{id}`"),
    )
}
