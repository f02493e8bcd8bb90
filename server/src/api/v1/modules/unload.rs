//! `POST /modules/{name}/unload`.

use axum::extract::State;
use bllvm_manifest::ModuleName;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Accepted, Path};
use crate::api::state::Api;
use crate::model::{Operation, Scope};

/// Asks for a module to stop.
///
/// It stays stopped, also after the node's restart, until it is loaded again.
#[utoipa::path(
    post, path = "/modules/{name}/unload", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    responses((status = 202, description = "The module is being stopped.", body = Operation)),
    extensions(
        ("x-scope" = json!("modules:control")),
        ("x-problems" = json!(["module_not_found", "operation_open"]))
    )
)]
pub async fn unload_module(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
) -> ApiResult<Accepted> {
    caller.require(Scope::ModulesControl)?;
    let operation = api.control.unload(&name, &caller.actor()).await;
    operation
        .map(Accepted)
        .map_err(|error| ApiError::from(error).or_not_found(Code::ModuleNotFound))
}
