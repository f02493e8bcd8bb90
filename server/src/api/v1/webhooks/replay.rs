//! Deliveries announced again.

use axum::Json as AxumJson;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Json, Path};
use crate::api::state::Api;
use crate::model::{DeliveryState, Id, Scope, UtcTime, WebhookDelivery};
use crate::store::DeliveryFilter;
use crate::store::commands::Replayed;

/// Which deliveries to announce again; at least one field.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// Only of this source.
    #[serde(default)]
    pub source: Option<String>,
    /// Only in this state.
    #[serde(default)]
    pub state: Option<DeliveryState>,
    /// Only dead letters: refused or failed.
    #[serde(default)]
    pub dead: bool,
    /// Only accepted at this moment or later.
    #[serde(default)]
    pub since: Option<UtcTime>,
    /// Only accepted before this moment.
    #[serde(default)]
    pub until: Option<UtcTime>,
}

/// Announces a delivery again.
///
/// Modules get its event once more, with the number of the attempt in it.
#[utoipa::path(
    post, path = "/webhooks/deliveries/{id}/replay", tag = "webhooks",
    params(("id" = String, Path, description = "The delivery's id.")),
    responses((status = 200, description = "It is announced again.", body = WebhookDelivery)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["webhook_body_dropped", "webhook_delivery_not_found"]))
    )
)]
pub async fn replay_webhook_delivery(
    caller: Caller,
    Path(id): Path<Id>,
    State(api): State<Api>,
) -> ApiResult<AxumJson<WebhookDelivery>> {
    caller.require(Scope::WebhooksControl)?;
    let actor = caller.actor();
    let replayed = api.control.replay_webhook_delivery(id, &actor);
    let replayed = replayed.await;
    let refused = |error| ApiError::from(error).or_not_found(Code::WebhookDeliveryNotFound);
    Ok(AxumJson(replayed.map_err(refused)?))
}

/// Announces many deliveries again, oldest first.
///
/// At most 1,000 at a time; `more` says whether others fit. Go on with `since`.
#[utoipa::path(
    post, path = "/webhooks/replay", tag = "webhooks",
    request_body = ReplayRequest,
    responses((status = 200, description = "How many are announced again.", body = Replayed)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["invalid_request"]))
    )
)]
pub async fn replay_webhook_deliveries(
    caller: Caller,
    State(api): State<Api>,
    Json(request): Json<ReplayRequest>,
) -> ApiResult<AxumJson<Replayed>> {
    caller.require(Scope::WebhooksControl)?;
    let filter = DeliveryFilter {
        source: request.source,
        state: request.state,
        dead: request.dead,
        since: request.since,
        until: request.until,
    };
    let actor = caller.actor();
    let replayed = api.control.replay_webhook_deliveries(filter, &actor);
    Ok(AxumJson(replayed.await?))
}
