//! `POST /modules/{name}/enable` and `POST /modules/{name}/disable`.

use axum::Json;
use axum::extract::State;
use bllvm_manifest::ModuleName;

use super::view::ModuleView;
use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::Path;
use crate::api::state::Api;
use crate::model::Scope;

/// Lets a module be loaded again.
///
/// It does not start it.
#[utoipa::path(
    post, path = "/modules/{name}/enable", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    responses((status = 200, description = "The module.", body = ModuleView)),
    extensions(("x-scope" = json!("modules:control")), ("x-problems" = json!(["module_not_found"])))
)]
pub async fn enable_module(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
) -> ApiResult<Json<ModuleView>> {
    caller.require(Scope::ModulesControl)?;
    let module = api
        .control
        .enable(&name, &caller.actor())
        .await
        .map_err(named)?;
    Ok(Json(super::view(&api, &module)))
}

/// Keeps a module from being loaded.
///
/// A running one is stopped.
#[utoipa::path(
    post, path = "/modules/{name}/disable", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    responses((status = 200, description = "The module.", body = ModuleView)),
    extensions(
        ("x-scope" = json!("modules:control")),
        ("x-problems" = json!(["module_not_found", "operation_open"]))
    )
)]
pub async fn disable_module(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
) -> ApiResult<Json<ModuleView>> {
    caller.require(Scope::ModulesControl)?;
    let module = api
        .control
        .disable(&name, &caller.actor())
        .await
        .map_err(named)?;
    Ok(Json(super::view(&api, &module)))
}

fn named(error: crate::control::ControlError) -> ApiError {
    ApiError::from(error).or_not_found(Code::ModuleNotFound)
}
