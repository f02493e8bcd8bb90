//! `GET /audit`.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::Query;
use crate::api::page::{PageQuery, PageView};
use crate::api::state::Api;
use crate::model::{AuditEntry, Outcome, Scope};
use crate::store::AuditFilter;

/// Which rows of the audit trail.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only on this: a module's name, a token's id, …
    pub target: Option<String>,
    /// Only by this caller, such as `cookie` or `token:<id>`.
    pub actor: Option<String>,
    /// Only this action, named as the operation ids of this document.
    pub action: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<Outcome>,
    /// At most so many items, 1 to 1000; 100 where it is missing.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    pub cursor: Option<String>,
}

/// Lists who did what, newest first.
///
/// Every change is here, done or refused, with the caller and the request's id.
#[utoipa::path(
    get, path = "/audit", tag = "host",
    params(AuditQuery),
    responses((status = 200, description = "The audit trail.", body = PageView<AuditEntry>)),
    extensions(("x-scope" = json!("audit:read")))
)]
pub async fn list_audit(
    caller: Caller,
    Query(query): Query<AuditQuery>,
    State(api): State<Api>,
) -> ApiResult<Json<PageView<AuditEntry>>> {
    caller.require(Scope::AuditRead)?;
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    }
    .request()?;
    let filter = AuditFilter {
        target: query.target,
        actor: query.actor,
        action: query.action,
        outcome: query.outcome,
    };
    Ok(Json(api.store.audit(&page, &filter).await?.into()))
}
