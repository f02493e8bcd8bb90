//! `PUT /modules/{name}/config`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bllvm_manifest::ModuleName;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::{Body, IfMatch, Path, Query};
use crate::api::state::Api;
use crate::control::ConfigChange;
use crate::model::Scope;

/// Replaces a module's configuration.
///
/// The body is the whole: TOML text, or JSON, in which `{ "secret": "set" }` keeps a stored secret.
/// It is checked against the schema, and by the module where it runs; then it becomes a revision
/// and the running module takes it over. Where the module does not become ready on it, the revision
/// before applies again.
#[utoipa::path(
    put, path = "/modules/{name}/config", tag = "config",
    params(
        ("name" = String, Path, description = "The module's name."),
        super::DryRunQuery,
        ("If-Match" = String, Header, description = "The entity tag of the configuration that was changed; `*` replaces whatever is there.")
    ),
    request_body(content(
        (String = "application/toml"),
        (Object = "application/json")
    ), description = "The whole configuration."),
    responses(
        (status = 200, description = "It is recorded; no running module has to take it over.", body = ConfigChange),
        (status = 202, description = "It is recorded, and the running module takes it over.", body = ConfigChange)
    ),
    extensions(
        ("x-scope" = json!("config:write")),
        ("x-problems" = json!([
            "module_not_found", "invalid_config", "invalid_json", "operation_open",
            "precondition_failed", "precondition_required", "unsupported_media_type", "payload_too_large"
        ]))
    )
)]
pub async fn set_module_config(
    caller: Caller,
    Path(name): Path<ModuleName>,
    Query(query): Query<super::DryRunQuery>,
    IfMatch(if_match): IfMatch,
    headers: HeaderMap,
    State(api): State<Api>,
    Body(body): Body,
) -> ApiResult<Response> {
    caller.require(Scope::ConfigWrite)?;
    let input = super::whole(&headers, &body)?;
    super::change(&api, &caller, &name, &query, if_match, input).await
}
