//! `POST /modules`.

use std::path::PathBuf;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::{Accepted, Json};
use crate::api::state::Api;
use crate::control::InstallRequest;
use crate::model::{Operation, Scope};

/// Names a module to be taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallBody {
    /// A folder with `module.toml`, or a program that carries its manifest. A full path on the
    /// node's machine.
    #[schema(value_type = String, example = "/home/me/block-clock")]
    pub path: PathBuf,
    /// Takes a package in whose publisher is not trusted here, as a module that nobody signed.
    #[serde(default)]
    pub as_local: bool,
}

/// Takes a module in.
///
/// Its files are checked and copied into the modules directory. Nothing of it runs before its first
/// load.
#[utoipa::path(
    post, path = "/modules", tag = "modules",
    request_body = InstallBody,
    responses((status = 202, description = "The module is being taken in.", body = Operation)),
    extensions(
        ("x-scope" = json!("modules:install")),
        ("x-problems" = json!(["invalid_manifest", "invalid_request", "module_exists", "operation_open", "package_refused"]))
    )
)]
pub async fn install_module(
    caller: Caller,
    State(api): State<Api>,
    Json(body): Json<InstallBody>,
) -> ApiResult<Accepted> {
    caller.require(Scope::ModulesInstall)?;
    let request = InstallRequest {
        path: body.path,
        as_local: body.as_local,
    };
    Ok(Accepted(
        api.control.install(request, &caller.actor()).await?,
    ))
}
