//! `GET /modules/{name}/methods`.

use axum::Json;
use axum::extract::State;
use bllvm_ipc::types::MethodDescription;
use bllvm_manifest::ModuleName;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::Path;
use crate::api::page::PageView;
use crate::api::state::Api;
use crate::model::Scope;

/// Lists the methods that a module offers.
///
/// They are known while the module runs. Each has a JSON Schema for its parameters and its result.
#[utoipa::path(
    get, path = "/modules/{name}/methods", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    responses((status = 200, description = "The methods.", body = PageView<MethodDescription>)),
    extensions(("x-scope" = json!("modules:read")), ("x-problems" = json!(["module_not_found"])))
)]
pub async fn list_module_methods(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
) -> ApiResult<Json<PageView<MethodDescription>>> {
    caller.require(Scope::ModulesRead)?;
    super::find(&api, &name).await?;
    let methods = api.supervisor.observed(&name).map(|seen| seen.methods);
    Ok(Json(PageView::whole(methods.unwrap_or_default())))
}
