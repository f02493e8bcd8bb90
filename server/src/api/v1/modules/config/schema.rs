//! `GET /modules/{name}/config/schema`.

use axum::Json;
use axum::extract::State;
use bllvm_manifest::ModuleName;
use serde_json::Value;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::Path;
use crate::api::state::Api;
use crate::model::Scope;

/// Shows the schema of a module's configuration.
///
/// A JSON Schema of 2020-12, as the module brought it.
#[utoipa::path(
    get, path = "/modules/{name}/config/schema", tag = "config",
    params(("name" = String, Path, description = "The module's name.")),
    responses((status = 200, description = "The schema.", body = Object)),
    extensions(("x-scope" = json!("modules:read")), ("x-problems" = json!(["module_not_found"])))
)]
pub async fn get_module_config_schema(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
) -> ApiResult<Json<Value>> {
    caller.require(Scope::ModulesRead)?;
    let view = api.control.config(&name).await.map_err(super::named)?;
    Ok(Json(view.schema))
}
