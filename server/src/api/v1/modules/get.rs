//! `GET /modules/{name}`.

use axum::Json;
use axum::extract::State;
use bllvm_manifest::ModuleName;

use super::view::ModuleDetail;
use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::Path;
use crate::api::state::Api;
use crate::model::Scope;

/// Shows a module.
///
/// Everything about it: manifest, rights, state, methods, and what isolates its process.
#[utoipa::path(
    get, path = "/modules/{name}", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    responses((status = 200, description = "The module.", body = ModuleDetail)),
    extensions(("x-scope" = json!("modules:read")), ("x-problems" = json!(["module_not_found"])))
)]
pub async fn get_module(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
) -> ApiResult<Json<ModuleDetail>> {
    caller.require(Scope::ModulesRead)?;
    let module = super::find(&api, &name).await?;
    super::detail(&api, &module).await.map(Json)
}
