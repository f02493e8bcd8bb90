//! `DELETE /modules/{name}`.

use axum::extract::State;
use bllvm_manifest::ModuleName;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Accepted, Path, Query};
use crate::api::state::Api;
use crate::control::UninstallRequest;
use crate::model::{Operation, Scope};

/// What goes.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UninstallQuery {
    /// The module's name, once more.
    pub confirm: Option<String>,
    /// Whether its data goes, too. Its data stays where this is missing.
    #[serde(default)]
    #[param(required = false)]
    pub delete_data: bool,
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
        delete_data: query.delete_data,
        confirm_name: query.confirm.unwrap_or_default(),
    };
    let operation = api.control.uninstall(&name, request, &caller.actor()).await;
    operation
        .map(Accepted)
        .map_err(|error| ApiError::from(error).or_not_found(Code::ModuleNotFound))
}
