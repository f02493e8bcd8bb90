//! Methods of modules by their own names: `get_proposals` is `callmodule` with the module that offers it.

use bllvm_manifest::ModuleName;
use serde_json::{Value, json};

use super::envelope::{Failure, Request};
use super::methods::{self, Method};
use super::params::Params;
use super::printable;
use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::state::Api;
use crate::model::Scope;

/// The call that a request for a module's method stands for.
///
/// # Errors
/// No module that the caller may call offers it, or several do.
pub(super) async fn find(
    api: &Api,
    caller: &Caller,
    request: &Request,
) -> Result<(&'static Method, Params), Failure> {
    let name = printable(&request.method);
    // Who may call no module learns nothing of what there is.
    let offering = match caller.require(Scope::ModulesControl) {
        Ok(()) => offering(api, caller, &request.method).await?,
        Err(_) => Vec::new(),
    };
    let module = match offering.as_slice() {
        [module] => module,
        [] => {
            let text = format!(
                "there is no method `{name}`; `help` lists those of the node, and those of modules \
                 are there while these run"
            );
            return Err(Failure::new(-32601, text));
        }
        several => {
            let several: Vec<_> = several.iter().map(ModuleName::as_str).collect();
            let text = format!(
                "`{name}` is offered by {}; say which one: `callmodule NAME {name}`",
                several.join(" and ")
            );
            return Err(Failure::new(-32601, text));
        }
    };
    let params = match &request.params {
        Value::Null => json!({}),
        Value::Array(list) if list.is_empty() => json!({}),
        Value::Array(list) if list.len() == 1 && list[0].is_object() => list[0].clone(),
        Value::Object(_) => request.params.clone(),
        _ => {
            let text = format!("`{name}` takes its parameters by name: write them as an object");
            return Err(Failure::new(-32602, text));
        }
    };
    let method = methods::find("callmodule").ok_or_else(|| Failure::new(-32601, "callmodule"))?;
    let all = json!([module.as_str(), request.method, params]);
    Ok((method, Params::read(method, &all)?))
}

/// The modules that offer a method of this name now, of those that the caller may call.
async fn offering(api: &Api, caller: &Caller, method: &str) -> ApiResult<Vec<ModuleName>> {
    let mut offering = Vec::new();
    for module in api.inner().board.modules().await?.iter() {
        if caller.require_module(Some(module.name.as_str())).is_err() {
            continue;
        }
        let observed = api.supervisor.observed(&module.name);
        if observed.is_some_and(|seen| seen.methods.iter().any(|one| one.name == method)) {
            offering.push(module.name.clone());
        }
    }
    Ok(offering)
}
