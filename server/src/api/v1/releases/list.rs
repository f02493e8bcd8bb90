//! `GET /releases`.

use axum::Json;
use axum::extract::State;
use bllvm_manifest::ModuleName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::page::PageView;
use crate::api::state::Api;
use crate::model::{Scope, TakenRelease};

/// A module's newest release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseView {
    /// The module.
    pub module: ModuleName,
    /// What was taken in.
    #[serde(flatten)]
    pub release: TakenRelease,
}

/// Lists the newest signed release of each module that was ever taken in.
///
/// A release outlives its module: what was uninstalled does not come back in an older release.
#[utoipa::path(
    get, path = "/releases", tag = "publishers",
    responses((status = 200, description = "The releases.", body = PageView<ReleaseView>)),
    extensions(("x-scope" = json!("modules:read")))
)]
pub async fn list_releases(
    caller: Caller,
    State(api): State<Api>,
) -> ApiResult<Json<PageView<ReleaseView>>> {
    caller.require(Scope::ModulesRead)?;
    let releases = api.store.releases().await?;
    let views = releases
        .into_iter()
        .map(|(module, release)| ReleaseView { module, release });
    Ok(Json(PageView::whole(views.collect())))
}
