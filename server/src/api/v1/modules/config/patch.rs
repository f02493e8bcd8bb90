//! `PATCH /modules/{name}/config`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bllvm_manifest::ModuleName;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Body, IfMatch, Path, Query, parse_json};
use crate::api::state::Api;
use crate::control::{ConfigChange, ConfigInput};
use crate::model::Scope;

/// Changes keys of a module's configuration.
///
/// A JSON merge patch (RFC 7396): keys that are named change, `null` removes one, the rest stays.
/// Then as with a replacement.
#[utoipa::path(
    patch, path = "/modules/{name}/config", tag = "config",
    params(
        ("name" = String, Path, description = "The module's name."),
        super::DryRunQuery,
        ("If-Match" = String, Header, description = "The entity tag of the configuration that was changed; `*` changes whatever is there.")
    ),
    request_body(content(
        (Object = "application/merge-patch+json"),
        (Object = "application/json")
    ), description = "The keys that change."),
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
pub async fn patch_module_config(
    caller: Caller,
    Path(name): Path<ModuleName>,
    Query(query): Query<super::DryRunQuery>,
    IfMatch(if_match): IfMatch,
    headers: HeaderMap,
    State(api): State<Api>,
    Body(body): Body,
) -> ApiResult<Response> {
    caller.require(Scope::ConfigWrite)?;
    if !matches!(
        super::media_type(&headers),
        "application/merge-patch+json" | "application/json"
    ) {
        return Err(ApiError::new(
            Code::UnsupportedMediaType,
            "send the patch with `Content-Type: application/merge-patch+json`",
        ));
    }
    let input = ConfigInput::MergePatch(parse_json(&body)?);
    super::change(&api, &caller, &name, &query, if_match, input).await
}
