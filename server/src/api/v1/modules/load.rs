//! `POST /modules/{name}/load`.

use axum::extract::State;
use bllvm_manifest::{Digest, ModuleName};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Accepted, Json, Path};
use crate::api::state::Api;
use crate::control::LoadRequest;
use crate::model::{Grant, Operation, Scope};

/// What a load confirms.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadBody {
    /// The digest of the program that was looked at; another one is refused. Where it is missing,
    /// the one that was found counts.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// The rights to give. Where they are missing, the first load gives what the manifest asks for; a
    /// later one keeps what there is, and is refused where a changed program asks for more.
    #[serde(default)]
    pub grant: Option<Grant>,
}

/// Asks for a module to run.
///
/// The first load is the operator's confirmation of the module as it was found: it records the
/// program's digest and gives the rights, and therefore needs the scope `modules:install`, too.
#[utoipa::path(
    post, path = "/modules/{name}/load", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    request_body = Option<LoadBody>,
    responses((status = 202, description = "The module is being started.", body = Operation)),
    extensions(
        ("x-scope" = json!("modules:control")),
        ("x-problems" = json!([
            "module_not_found", "module_disabled", "module_broken", "digest_mismatch", "grant_exceeded",
            "dependency_missing", "invalid_config", "invalid_request", "operation_open"
        ]))
    )
)]
pub async fn load_module(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
    body: Option<Json<LoadBody>>,
) -> ApiResult<Accepted> {
    caller.require(Scope::ModulesControl)?;
    let body = body.map(|Json(body)| body).unwrap_or_default();
    api.control.look_for(&name).await?;
    let module = super::find(&api, &name).await?;
    if module.is_waiting() || body.digest.is_some() || body.grant.is_some() {
        caller.require(Scope::ModulesInstall)?;
    }
    let request = LoadRequest {
        digest: body.digest,
        grant: body.grant,
    };
    let operation = api.control.load(&name, request, &caller.actor()).await;
    operation
        .map(Accepted)
        .map_err(|error| ApiError::from(error).or_not_found(Code::ModuleNotFound))
}
