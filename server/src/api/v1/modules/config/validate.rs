//! `POST /modules/{name}/config/validate`.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use bllvm_manifest::ModuleName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::{ApiResult, FieldProblem};
use crate::api::extract::{Body, Path};
use crate::api::state::Api;
use crate::model::Scope;

/// What the schema, and the running module, think of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigVerdictView {
    /// Whether it would be taken.
    pub valid: bool,
    /// What is wrong, key by key.
    pub errors: Vec<FieldProblem>,
}

/// Checks a configuration and changes nothing.
///
/// Against the schema, and by the module's own judgement where it runs.
#[utoipa::path(
    post, path = "/modules/{name}/config/validate", tag = "config",
    params(("name" = String, Path, description = "The module's name.")),
    request_body(content(
        (String = "application/toml"),
        (Object = "application/json")
    ), description = "The whole configuration."),
    responses((status = 200, description = "The verdict.", body = ConfigVerdictView)),
    extensions(
        ("x-scope" = json!("modules:read")),
        ("x-problems" = json!(["module_not_found", "invalid_json", "invalid_config", "unsupported_media_type", "payload_too_large"]))
    )
)]
pub async fn validate_module_config(
    caller: Caller,
    Path(name): Path<ModuleName>,
    headers: HeaderMap,
    State(api): State<Api>,
    Body(body): Body,
) -> ApiResult<Json<ConfigVerdictView>> {
    caller.require(Scope::ModulesRead)?;
    let input = super::whole(&headers, &body)?;
    let problems = api
        .control
        .validate_config(&name, input)
        .await
        .map_err(super::named)?;
    Ok(Json(ConfigVerdictView {
        valid: problems.is_empty(),
        errors: problems.iter().map(FieldProblem::from).collect(),
    }))
}
