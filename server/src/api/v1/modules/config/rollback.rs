//! `POST /modules/{name}/config/revisions/{number}/rollback`.

use axum::extract::State;
use axum::response::Response;
use bllvm_manifest::ModuleName;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::Path;
use crate::api::state::Api;
use crate::control::ConfigChange;
use crate::model::Scope;

/// Brings an earlier revision back.
///
/// It becomes the newest revision, secrets included, and the running module takes it over.
#[utoipa::path(
    post, path = "/modules/{name}/config/revisions/{number}/rollback", tag = "config",
    params(
        ("name" = String, Path, description = "The module's name."),
        ("number" = u64, Path, description = "The revision to bring back.")
    ),
    responses(
        (status = 200, description = "It is recorded; no running module has to take it over.", body = ConfigChange),
        (status = 202, description = "It is recorded, and the running module takes it over.", body = ConfigChange)
    ),
    extensions(
        ("x-scope" = json!("config:write")),
        ("x-problems" = json!(["module_not_found", "revision_not_found", "invalid_config", "operation_open"]))
    )
)]
pub async fn rollback_module_config(
    caller: Caller,
    Path((name, number)): Path<(ModuleName, u64)>,
    State(api): State<Api>,
) -> ApiResult<Response> {
    caller.require(Scope::ConfigWrite)?;
    super::super::find(&api, &name).await?;
    let change = api
        .control
        .rollback_config(&name, number, &caller.actor())
        .await;
    let change =
        change.map_err(|error| ApiError::from(error).or_not_found(Code::RevisionNotFound))?;
    Ok(super::changed(change))
}
