//! Modules: what is installed, wanted and running.

pub mod call;
pub mod config;
pub mod enable;
pub mod events;
pub mod get;
pub mod grants;
pub mod install;
pub mod list;
pub mod load;
pub mod logs;
pub mod methods;
pub mod reload;
pub mod retry;
pub mod runs;
pub mod sandbox;
pub mod stats;
pub mod uninstall;
pub mod unload;
pub mod upgrade;
pub mod versions;
pub mod view;

use bllvm_manifest::ModuleName;

use self::view::{ModuleDetail, ModuleView};
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::state::Api;
use crate::model::Module;

/// A module, or `module_not_found` with the names that there are.
pub(in crate::api) async fn find(api: &Api, name: &ModuleName) -> ApiResult<Module> {
    if let Some(module) = api.inner().board.module(name).await? {
        return Ok(module);
    }
    Err(not_found(name))
}

/// A module as it is shown.
pub(in crate::api) fn view(api: &Api, module: &Module) -> ModuleView {
    let observed = api.supervisor.observed(&module.name);
    let config_problem = api.control.config_problem(&module.name);
    ModuleView::new(module, observed.as_ref(), config_problem)
}

/// A module with everything about it.
pub(in crate::api) async fn detail(api: &Api, module: &Module) -> ApiResult<ModuleDetail> {
    let granted = api.store.grant(&module.name).await?;
    let waived = api.store.waived(&module.name).await?;
    let observed = api.supervisor.observed(&module.name);
    let config_problem = api.control.config_problem(&module.name);
    Ok(ModuleDetail::new(
        module,
        granted,
        waived,
        observed.as_ref(),
        config_problem,
    ))
}

/// There is no module of this name.
pub(super) fn not_found(name: &ModuleName) -> ApiError {
    ApiError::new(
        Code::ModuleNotFound,
        format!("there is no module `{name}`; `GET /api/v1/modules` lists those that were found"),
    )
}
