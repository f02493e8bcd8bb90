//! `GET /backups`.

use axum::Json;
use axum::extract::State;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::page::PageView;
use crate::api::state::Api;
use crate::backups::BackupFile;
use crate::model::Scope;

/// Lists the backups, the newest first.
///
/// What is in one can only be read with its key: `bllvm-node backup verify`.
#[utoipa::path(
    get, path = "/backups", tag = "backups",
    responses((status = 200, description = "The backups.", body = PageView<BackupFile>)),
    extensions(("x-scope" = json!("admin")))
)]
pub async fn list_backups(
    caller: Caller,
    State(api): State<Api>,
) -> ApiResult<Json<PageView<BackupFile>>> {
    caller.require(Scope::Admin)?;
    Ok(Json(PageView::whole(api.control.backups().await?)))
}
