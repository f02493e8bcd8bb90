//! `GET /modules/{name}/config/revisions`.

use axum::Json;
use axum::extract::State;
use bllvm_manifest::ModuleName;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::{Path, Query};
use crate::api::page::{PageQuery, PageView};
use crate::api::state::Api;
use crate::model::{Revision, Scope};

/// Lists the revisions of a module's configuration, newest first.
///
/// Who made each, how, and what became of it. Secrets are not in the text.
#[utoipa::path(
    get, path = "/modules/{name}/config/revisions", tag = "config",
    params(("name" = String, Path, description = "The module's name."), PageQuery),
    responses((status = 200, description = "The revisions.", body = PageView<Revision>)),
    extensions(("x-scope" = json!("modules:read")), ("x-problems" = json!(["module_not_found"])))
)]
pub async fn list_module_config_revisions(
    caller: Caller,
    Path(name): Path<ModuleName>,
    Query(page): Query<PageQuery>,
    State(api): State<Api>,
) -> ApiResult<Json<PageView<Revision>>> {
    caller.require(Scope::ModulesRead)?;
    super::super::find(&api, &name).await?;
    Ok(Json(
        api.store.revisions(&name, &page.request()?).await?.into(),
    ))
}
