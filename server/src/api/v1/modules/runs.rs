//! `GET /modules/{name}/runs`.

use axum::Json;
use axum::extract::State;
use bllvm_manifest::ModuleName;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::{Path, Query};
use crate::api::page::{PageQuery, PageView};
use crate::api::state::Api;
use crate::model::{Run, Scope};

/// Lists a module's processes, newest first.
///
/// Each run has its start, its end, how it ended, and the last lines of its output where it ended
/// badly.
#[utoipa::path(
    get, path = "/modules/{name}/runs", tag = "modules",
    params(("name" = String, Path, description = "The module's name."), PageQuery),
    responses((status = 200, description = "The runs.", body = PageView<Run>)),
    extensions(("x-scope" = json!("modules:read")), ("x-problems" = json!(["module_not_found"])))
)]
pub async fn list_module_runs(
    caller: Caller,
    Path(name): Path<ModuleName>,
    Query(page): Query<PageQuery>,
    State(api): State<Api>,
) -> ApiResult<Json<PageView<Run>>> {
    caller.require(Scope::ModulesRead)?;
    super::find(&api, &name).await?;
    Ok(Json(api.store.runs(&name, &page.request()?).await?.into()))
}
