//! `DELETE /releases/{name}`.

use axum::extract::State;
use axum::http::StatusCode;
use bllvm_manifest::ModuleName;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::Path;
use crate::api::state::Api;
use crate::model::Scope;

/// Forgets the release of a module that is not installed.
///
/// Any release of it may come then, by any publisher that is trusted. Older releases may have known
/// faults: that is what remembering is against.
#[utoipa::path(
    delete, path = "/releases/{name}", tag = "publishers",
    params(("name" = String, Path, description = "The module's name.")),
    responses((status = 204, description = "It is forgotten.")),
    extensions(("x-scope" = json!("admin")), ("x-problems" = json!(["release_not_found", "conflict"])))
)]
pub async fn forget_release(
    caller: Caller,
    Path(module): Path<ModuleName>,
    State(api): State<Api>,
) -> ApiResult<StatusCode> {
    caller.require(Scope::Admin)?;
    let forgotten = api.control.forget_release(&module, &caller.actor()).await;
    forgotten.map_err(|error| ApiError::from(error).or_not_found(Code::ReleaseNotFound))?;
    Ok(StatusCode::NO_CONTENT)
}
