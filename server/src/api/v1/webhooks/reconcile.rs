//! `/webhooks/sources/{name}/reconcile`: what GitHub could not deliver is asked for again.

use axum::Json as AxumJson;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Json, Path};
use crate::api::state::Api;
use crate::control::ControlError;
use crate::model::{ReconcileReport, ReconcileSettings, Scope, WebhookReconcile};

/// How a source is to be reconciled.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReconcileBody {
    /// Where the hook is at GitHub: `repos/<owner>/<name>/hooks/<number>`, or
    /// `orgs/<name>/hooks/<number>`.
    pub hook: String,
    /// The address of GitHub's API; `https://api.github.com` where it is missing.
    #[serde(default)]
    pub api_url: Option<String>,
    /// Minutes between two runs, 5 to 1440; 60 where it is missing.
    #[serde(default)]
    pub every_min: Option<u32>,
    /// A token of GitHub's that may administer the hook; where it is missing, the one that is kept.
    #[serde(default)]
    pub token: Option<String>,
}

impl std::fmt::Debug for ReconcileBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReconcileBody")
            .field("hook", &self.hook)
            .finish_non_exhaustive()
    }
}

fn refused(error: ControlError) -> ApiError {
    ApiError::from(error).or_not_found(Code::WebhookSourceNotFound)
}

/// Shows how a source is reconciled, and what came of it last.
///
/// It is off where this answers `webhook_source_not_found`.
#[utoipa::path(
    get, path = "/webhooks/sources/{name}/reconcile", tag = "webhooks",
    params(("name" = String, Path, description = "The source's name.")),
    responses((status = 200, description = "How it is reconciled.", body = WebhookReconcile)),
    extensions(
        ("x-scope" = json!("webhooks:read")),
        ("x-problems" = json!(["webhook_source_not_found"]))
    )
)]
pub async fn get_webhook_reconcile(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
) -> ApiResult<AxumJson<WebhookReconcile>> {
    caller.require(Scope::WebhooksRead)?;
    let found = api.control.webhook_reconcile(&name).await;
    Ok(AxumJson(found.map_err(refused)?))
}

/// Has a source reconciled.
///
/// GitHub does not deliver again by itself what nobody took. Now and then its list of deliveries is
/// read, and what neither it nor the inbox calls taken is asked for again, up to three days back.
#[utoipa::path(
    put, path = "/webhooks/sources/{name}/reconcile", tag = "webhooks",
    params(("name" = String, Path, description = "The source's name.")),
    request_body = ReconcileBody,
    responses((status = 200, description = "How it is reconciled.", body = WebhookReconcile)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["invalid_request", "webhook_source_not_found"]))
    )
)]
pub async fn set_webhook_reconcile(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
    Json(body): Json<ReconcileBody>,
) -> ApiResult<AxumJson<WebhookReconcile>> {
    caller.require(Scope::WebhooksControl)?;
    let usual = ReconcileSettings::of(&body.hook);
    let settings = ReconcileSettings {
        api_url: body.api_url.unwrap_or(usual.api_url),
        every_min: body.every_min.unwrap_or(usual.every_min),
        hook: body.hook,
    };
    let actor = caller.actor();
    let set = api
        .control
        .set_webhook_reconcile(&name, settings, body.token.as_deref(), &actor);
    Ok(AxumJson(set.await.map_err(refused)?))
}

/// Has a source reconciled no more.
///
/// The token of GitHub's is forgotten.
#[utoipa::path(
    delete, path = "/webhooks/sources/{name}/reconcile", tag = "webhooks",
    params(("name" = String, Path, description = "The source's name.")),
    responses((status = 204, description = "It is off.")),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["webhook_source_not_found"]))
    )
)]
pub async fn delete_webhook_reconcile(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
) -> ApiResult<StatusCode> {
    caller.require(Scope::WebhooksControl)?;
    let actor = caller.actor();
    let removed = api.control.delete_webhook_reconcile(&name, &actor);
    removed.await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reconciles a source now.
///
/// Answers when GitHub was asked; what is delivered again comes in as any delivery does.
#[utoipa::path(
    post, path = "/webhooks/sources/{name}/reconcile/run", tag = "webhooks",
    params(("name" = String, Path, description = "The source's name.")),
    responses((status = 200, description = "What came of it.", body = ReconcileReport)),
    extensions(
        ("x-scope" = json!("webhooks:control")),
        ("x-problems" = json!(["webhook_source_not_found"]))
    )
)]
pub async fn run_webhook_reconcile(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
) -> ApiResult<AxumJson<ReconcileReport>> {
    caller.require(Scope::WebhooksControl)?;
    let actor = caller.actor();
    let run = api.control.run_webhook_reconcile(&name, &actor);
    Ok(AxumJson(run.await.map_err(refused)?))
}
