//! `GET` and `PUT /modules/{name}/grants`.

use axum::Json as JsonAnswer;
use axum::extract::State;
use bllvm_manifest::ModuleName;

use super::view::GrantsView;
use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Json, Path};
use crate::api::state::Api;
use crate::model::{Grant, Scope};

/// Shows what a module asks for and what it was given.
///
/// Everything that was not given is denied.
#[utoipa::path(
    get, path = "/modules/{name}/grants", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    responses((status = 200, description = "The rights.", body = GrantsView)),
    extensions(("x-scope" = json!("modules:read")), ("x-problems" = json!(["module_not_found"])))
)]
pub async fn get_module_grants(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
) -> ApiResult<JsonAnswer<GrantsView>> {
    caller.require(Scope::ModulesRead)?;
    let module = super::find(&api, &name).await?;
    let granted = api.store.grant(&name).await?;
    Ok(JsonAnswer(GrantsView::new(&module.manifest, granted)))
}

/// Gives a module its rights.
///
/// The body is the whole grant: what it does not name is taken away. Capabilities take effect at
/// once; listeners, outgoing ports, UDP and other programs with the next start.
#[utoipa::path(
    put, path = "/modules/{name}/grants", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    request_body = Grant,
    responses((status = 200, description = "The rights.", body = GrantsView)),
    extensions(
        ("x-scope" = json!("modules:install")),
        ("x-problems" = json!(["module_not_found", "invalid_request", "refused"]))
    )
)]
pub async fn set_module_grants(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
    Json(grant): Json<Grant>,
) -> ApiResult<JsonAnswer<GrantsView>> {
    caller.require(Scope::ModulesInstall)?;
    let given = api.control.set_grant(&name, grant, &caller.actor()).await;
    given.map_err(|error| ApiError::from(error).or_not_found(Code::ModuleNotFound))?;
    let module = super::find(&api, &name).await?;
    let granted = api.store.grant(&name).await?;
    Ok(JsonAnswer(GrantsView::new(&module.manifest, granted)))
}
