//! `DELETE /modules/{name}`.

use axum::extract::State;
use bllvm_manifest::ModuleName;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Accepted, Path, Query};
use crate::api::state::Api;
use crate::control::{Extent, UninstallRequest};
use crate::model::{Operation, Scope};

/// What goes.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UninstallQuery {
    /// The module's name, once more.
    pub confirm: Option<String>,
    /// Whether its data and stored values go, too, with the copies that upgrades made of them. They stay
    /// where this is missing.
    #[serde(default)]
    #[param(required = false)]
    pub delete_data: bool,
    /// Whether everything of it goes: also its log, its kept versions, and what of it lies in the trash. Of a
    /// module that was uninstalled before, this removes what was kept.
    #[serde(default)]
    #[param(required = false)]
    pub purge: bool,
}

/// Removes a module.
///
/// A running one is stopped first. `confirm` repeats the name, so that a slip of the hand removes
/// nothing.
#[utoipa::path(
    delete, path = "/modules/{name}", tag = "modules",
    params(("name" = String, Path, description = "The module's name."), UninstallQuery),
    responses((status = 202, description = "The module is being removed.", body = Operation)),
    extensions(
        ("x-scope" = json!("modules:install")),
        ("x-problems" = json!(["module_not_found", "confirmation_mismatch", "refused", "operation_open"]))
    )
)]
pub async fn uninstall_module(
    caller: Caller,
    Path(name): Path<ModuleName>,
    Query(query): Query<UninstallQuery>,
    State(api): State<Api>,
) -> ApiResult<Accepted> {
    caller.require(Scope::ModulesInstall)?;
    let request = UninstallRequest {
        extent: Extent::of(query.delete_data, query.purge),
        confirm_name: query.confirm.unwrap_or_default(),
    };
    let operation = api.control.uninstall(&name, request, &caller.actor()).await;
    operation
        .map(Accepted)
        .map_err(|error| ApiError::from(error).or_not_found(Code::ModuleNotFound))
}
