//! The pages of one module, each under its own address below `/modules/{name}`.

pub mod call;
pub mod configuration;
pub mod danger;
pub mod events;
pub mod fields;
pub mod logs;
pub mod overview;
pub mod page;
pub mod permissions;
pub mod revision;
pub mod runs;
pub mod versions;

use bllvm_manifest::{ModuleName, nearest};
use bllvm_web::pages::module::{ModuleHead, PageTab, Tab};

use super::present::module::Seen;
use super::present::operation;
use super::visit::now;
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult, Code};

/// A module with what is seen of it.
///
/// # Errors
/// `module_not_found`, with the name that may have been meant.
pub async fn find(api: &Api, name: &ModuleName) -> ApiResult<Seen> {
    if let Some(module) = api.store.module(name).await? {
        return Ok(Seen::new(module, api.supervisor.observed(name)));
    }
    let modules = api.store.modules().await?;
    let known = modules.iter().map(|module| module.name.as_str());
    let hint = nearest(name.as_str(), known)
        .map(|close| format!("; did you mean `{close}`?"))
        .unwrap_or_default();
    Err(ApiError::new(
        Code::ModuleNotFound,
        format!("there is no module `{name}`{hint}"),
    ))
}

/// What every tab shows above its content.
///
/// # Errors
/// When the store cannot be read.
pub async fn head(api: &Api, seen: &Seen, tab: Tab) -> ApiResult<ModuleHead> {
    let module = &seen.module;
    let open = api.store.open_operation(&module.name).await?;
    let pages = module.manifest.ui.pages.iter();
    Ok(ModuleHead {
        name: module.name.to_string(),
        title: module.manifest.title().to_owned(),
        version: module.manifest.version.to_string(),
        description: module.manifest.description.clone().unwrap_or_default(),
        state: seen.state().into(),
        health: seen.health(),
        actions: seen.actions(),
        operation: open.map(|open| operation::row(&open, now(api))),
        pages: pages
            .filter(|page| page.listed)
            .map(|page| PageTab {
                path: format!("/pages/{}", page.id),
                title: page.title.clone(),
                current: false,
            })
            .collect(),
        tab,
    })
}
