//! `POST /modules/{name}/retry`.

use axum::Json;
use axum::extract::State;
use bllvm_manifest::ModuleName;

use super::view::ModuleView;
use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::Path;
use crate::api::state::Api;
use crate::model::Scope;

/// Starts a failed or waiting module again, at once.
///
/// Past crashes are forgotten, so that the next start does not wait.
#[utoipa::path(
    post, path = "/modules/{name}/retry", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    responses((status = 200, description = "The module; it starts at once.", body = ModuleView)),
    extensions(
        ("x-scope" = json!("modules:control")),
        ("x-problems" = json!(["module_not_found", "module_disabled", "module_broken", "module_waiting", "module_not_running"]))
    )
)]
pub async fn retry_module(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
) -> ApiResult<Json<ModuleView>> {
    caller.require(Scope::ModulesControl)?;
    let module = api.control.retry(&name, &caller.actor()).await;
    let module =
        module.map_err(|error| ApiError::from(error).or_not_found(Code::ModuleNotFound))?;
    Ok(Json(super::view(&api, &module)))
}
