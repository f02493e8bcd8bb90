//! `GET /modules/{name}/versions` and `PUT /modules/{name}/pin`.

use axum::Json as JsonAnswer;
use axum::extract::State;
use bllvm_manifest::ModuleName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Json, Path};
use crate::api::state::Api;
use crate::model::{KeptVersion, Scope};

/// The versions of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionsView {
    /// The version that is in place.
    pub version: String,
    /// The same as it lies in the store; none before the first upgrade.
    pub current: Option<KeptVersion>,
    /// The one that a rollback brings back.
    pub previous: Option<KeptVersion>,
    /// Whether a rollback brings an older copy of its data back, too.
    pub rollback_restores_data: bool,
    /// Who pinned it to its version; none where it may be upgraded.
    pub pinned_by: Option<String>,
}

/// Whether a module stays at its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PinBody {
    /// Whether it is not upgraded.
    pub pinned: bool,
}

pub(in crate::api) async fn view(api: &Api, name: &ModuleName) -> ApiResult<VersionsView> {
    let module = super::find(api, name).await?;
    let own = api.control.versions_of(name).await?;
    let rollback_restores_data = own
        .previous
        .as_ref()
        .is_some_and(|previous| api.control.rollback_restores_data(&module, previous));
    Ok(VersionsView {
        version: module.manifest.version.to_string(),
        current: own.current,
        previous: own.previous,
        rollback_restores_data,
        pinned_by: own.pinned_by,
    })
}

/// Shows which versions of a module are kept.
///
/// Only an upgrade keeps one; the version before is the one that a rollback brings back.
#[utoipa::path(
    get, path = "/modules/{name}/versions", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    responses((status = 200, description = "The versions.", body = VersionsView)),
    extensions(("x-scope" = json!("modules:read")), ("x-problems" = json!(["module_not_found"])))
)]
pub async fn list_module_versions(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
) -> ApiResult<JsonAnswer<VersionsView>> {
    caller.require(Scope::ModulesRead)?;
    Ok(JsonAnswer(view(&api, &name).await?))
}

/// Keeps a module at its version, or lets it be upgraded again.
///
/// Every upgrade of a pinned module is refused; a rollback is not.
#[utoipa::path(
    put, path = "/modules/{name}/pin", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    request_body = PinBody,
    responses((status = 200, description = "The versions.", body = VersionsView)),
    extensions(("x-scope" = json!("modules:install")), ("x-problems" = json!(["module_not_found"])))
)]
pub async fn pin_module(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
    Json(body): Json<PinBody>,
) -> ApiResult<JsonAnswer<VersionsView>> {
    caller.require(Scope::ModulesInstall)?;
    let done = api.control.pin(&name, body.pinned, &caller.actor()).await;
    done.map_err(|error| ApiError::from(error).or_not_found(Code::ModuleNotFound))?;
    Ok(JsonAnswer(view(&api, &name).await?))
}
