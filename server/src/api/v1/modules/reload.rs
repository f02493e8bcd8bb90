//! `POST /modules/{name}/reload`.

use axum::extract::State;
use bllvm_manifest::{Digest, ModuleName};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Accepted, Json, Path};
use crate::api::state::Api;
use crate::model::{Operation, Scope};

/// What a reload confirms.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReloadBody {
    /// The digest of a changed program that was looked at. A changed program is refused without it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
}

/// Asks for a module to take over what changed.
///
/// Its configuration and its program, without losing what it is asked meanwhile. The operation's
/// result says in which mode it was done: `in_place`, `overlap` or `exclusive`.
#[utoipa::path(
    post, path = "/modules/{name}/reload", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    request_body = Option<ReloadBody>,
    responses((status = 202, description = "The module is being reloaded.", body = Operation)),
    extensions(
        ("x-scope" = json!("modules:control")),
        ("x-problems" = json!(["module_not_found", "module_not_running", "module_disabled", "module_broken", "digest_mismatch", "grant_exceeded", "operation_open"]))
    )
)]
pub async fn reload_module(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
    body: Option<Json<ReloadBody>>,
) -> ApiResult<Accepted> {
    caller.require(Scope::ModulesControl)?;
    let digest = body.and_then(|Json(body)| body.digest);
    if digest.is_some() {
        caller.require(Scope::ModulesInstall)?;
    }
    let operation = api.control.reload(&name, digest, &caller.actor()).await;
    operation
        .map(Accepted)
        .map_err(|error| ApiError::from(error).or_not_found(Code::ModuleNotFound))
}
