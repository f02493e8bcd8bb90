//! `GET /operations`.

use axum::Json;
use axum::extract::State;
use bllvm_manifest::ModuleName;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::Query;
use crate::api::page::{PageQuery, PageView};
use crate::api::state::Api;
use crate::model::{Operation, OperationStatus, Scope};
use crate::store::OperationFilter;

/// Which operations.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OperationsQuery {
    /// Only those of this module.
    #[param(value_type = Option<String>)]
    pub module: Option<ModuleName>,
    /// Only those that stand so.
    pub status: Option<OperationStatus>,
    /// At most so many items, 1 to 1000; 100 where it is missing.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    pub cursor: Option<String>,
}

/// Lists operations, newest first.
///
/// Whatever takes long is an operation: load, unload, reload, configure, install, uninstall, mine.
#[utoipa::path(
    get, path = "/operations", tag = "operations",
    params(OperationsQuery),
    responses((status = 200, description = "The operations.", body = PageView<Operation>)),
    extensions(("x-scope" = json!("modules:read")))
)]
pub async fn list_operations(
    caller: Caller,
    Query(query): Query<OperationsQuery>,
    State(api): State<Api>,
) -> ApiResult<Json<PageView<Operation>>> {
    caller.require(Scope::ModulesRead)?;
    caller.require_module(query.module.as_ref().map(ModuleName::as_str))?;
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    }
    .request()?;
    let filter = OperationFilter {
        module: query.module,
        status: query.status,
    };
    Ok(Json(api.store.operations(&filter, &page).await?.into()))
}
