//! `POST /modules/{name}/upgrade`, its plan, and `rollback`.

use std::path::PathBuf;

use axum::Json as JsonAnswer;
use axum::extract::State;
use bllvm_manifest::{Digest, ModuleName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Accepted, Json, Path};
use crate::api::state::Api;
use crate::control::{GrantWord, UpgradeRequest};
use crate::model::{Operation, Scope, UpgradePlan};

/// Names another version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanBody {
    /// A folder with `module.toml`, or a program that carries its manifest. A full path on the node's
    /// machine.
    #[schema(value_type = String, example = "/home/me/block-clock-0.2.0")]
    pub path: PathBuf,
    /// Takes a package whose publisher is not trusted here, as a version that nobody signed.
    #[serde(default)]
    pub as_local: bool,
}

/// Which rights a version gets that asks for others than the module has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rights {
    /// What it asks for.
    Requested,
    /// No more than the module had.
    Kept,
}

impl From<Rights> for GrantWord {
    fn from(rights: Rights) -> Self {
        match rights {
            Rights::Requested => Self::Requested,
            Rights::Kept => Self::Kept,
        }
    }
}

/// Asks for another version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeBody {
    /// As in the plan.
    #[schema(value_type = String, example = "/home/me/block-clock-0.2.0")]
    pub path: PathBuf,
    /// As in the plan.
    #[serde(default)]
    pub as_local: bool,
    /// The digest of the program that was looked at; another one is refused.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// Which rights it gets. Without it, a version that asks for more than the module has is refused.
    #[serde(default)]
    pub grant: Option<Rights>,
}

/// Asks for the version before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackBody {
    /// Whether its data goes back to the copy that was made before the upgrade, where the version
    /// before cannot read what is there now.
    #[serde(default)]
    pub restore_data: bool,
}

/// Says what an upgrade would change.
///
/// Nothing is done: versions, who vouches for the new one, rights that it asks for beyond those that
/// the module has, and what becomes of the data.
#[utoipa::path(
    post, path = "/modules/{name}/upgrade/plan", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    request_body = PlanBody,
    responses((status = 200, description = "What would change.", body = UpgradePlan)),
    extensions(
        ("x-scope" = json!("modules:install")),
        ("x-problems" = json!([
            "module_not_found", "module_waiting", "invalid_request", "package_refused", "conflict",
            "dependency_missing"
        ]))
    )
)]
pub async fn plan_module_upgrade(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
    Json(body): Json<PlanBody>,
) -> ApiResult<JsonAnswer<UpgradePlan>> {
    caller.require(Scope::ModulesInstall)?;
    let plan = api.control.plan_upgrade(&name, &body.path, body.as_local);
    plan.await
        .map(JsonAnswer)
        .map_err(|error| ApiError::from(error).or_not_found(Code::ModuleNotFound))
}

/// Puts another version of a module in place.
///
/// The present version is kept and runs until the new one is ready; a new one that does not become
/// ready in time is taken back, and its data with it. A version that asks for more than the module has
/// is refused until `grant` says which rights it gets.
#[utoipa::path(
    post, path = "/modules/{name}/upgrade", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    request_body = UpgradeBody,
    responses((status = 202, description = "The version is being changed.", body = Operation)),
    extensions(
        ("x-scope" = json!("modules:install")),
        ("x-problems" = json!([
            "module_not_found", "module_waiting", "module_pinned", "grant_exceeded", "digest_mismatch",
            "invalid_request", "package_refused", "conflict", "dependency_missing", "operation_open"
        ]))
    )
)]
pub async fn upgrade_module(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
    Json(body): Json<UpgradeBody>,
) -> ApiResult<Accepted> {
    caller.require(Scope::ModulesInstall)?;
    let request = UpgradeRequest {
        path: body.path,
        as_local: body.as_local,
        digest: body.digest,
        grant: body.grant.map(GrantWord::from),
    };
    let operation = api.control.upgrade(&name, request, &caller.actor()).await;
    operation
        .map(Accepted)
        .map_err(|error| ApiError::from(error).or_not_found(Code::ModuleNotFound))
}

/// Puts the version before back in place.
///
/// With the rights that it had, and as an upgrade does it. Asked once more, it puts the newer one in
/// place again.
#[utoipa::path(
    post, path = "/modules/{name}/rollback", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    request_body = Option<RollbackBody>,
    responses((status = 202, description = "The version is being changed.", body = Operation)),
    extensions(
        ("x-scope" = json!("modules:install")),
        ("x-problems" = json!([
            "module_not_found", "module_waiting", "no_previous_version", "data_not_readable",
            "operation_open"
        ]))
    )
)]
pub async fn rollback_module(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
    body: Option<Json<RollbackBody>>,
) -> ApiResult<Accepted> {
    caller.require(Scope::ModulesInstall)?;
    let restore = body.is_some_and(|Json(body)| body.restore_data);
    let operation = api.control.rollback(&name, restore, &caller.actor()).await;
    operation
        .map(Accepted)
        .map_err(|error| ApiError::from(error).or_not_found(Code::ModuleNotFound))
}
