//! `GET /modules/{name}/config`.

use axum::Json;
use axum::extract::State;
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bllvm_manifest::ModuleName;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::{Path, etag};
use crate::api::state::Api;
use crate::control::ConfigView;
use crate::model::Scope;

/// Shows a module's configuration.
///
/// As text and as a value, with the schema and the form fields. Secrets show as
/// `{ "secret": "set" }`. The `ETag` goes into `If-Match` of a change.
#[utoipa::path(
    get, path = "/modules/{name}/config", tag = "config",
    params(
        ("name" = String, Path, description = "The module's name."),
        ("If-None-Match" = Option<String>, Header, description = "Answers 304 while this entity tag holds.")
    ),
    responses(
        (status = 200, description = "The configuration.", body = ConfigView,
            headers(("ETag" = String, description = "The entity tag of the configuration."))),
        (status = 304, description = "It is as the caller knows it.")
    ),
    extensions(("x-scope" = json!("modules:read")), ("x-problems" = json!(["module_not_found"])))
)]
pub async fn get_module_config(
    caller: Caller,
    Path(name): Path<ModuleName>,
    headers: HeaderMap,
    State(api): State<Api>,
) -> ApiResult<Response> {
    caller.require(Scope::ModulesRead)?;
    let view = api.control.config(&name).await.map_err(super::named)?;
    let tag = etag(&view.etag);
    if headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| Some(known) == tag.get(ETAG))
    {
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    Ok((tag, Json(view)).into_response())
}
