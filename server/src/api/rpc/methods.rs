//! The methods, in one table.

use std::time::Duration;

use bllvm_manifest::{Digest, ModuleName};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::params::Params;
use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::state::Api;
use crate::api::v1::{modules, operations};
use crate::control::{ConfigInput, ControlError, InstallRequest, LoadRequest, SetConfig};
use crate::model::{ConfigSource, Operation, OperationStatus, Scope};
use crate::store::commands::actions;

/// How long a verb is waited for where the caller does not say.
const WAIT_SECONDS: u64 = 30;
/// The longest that a verb is waited for.
const MAX_WAIT_SECONDS: u64 = 60;

type Run = for<'a> fn(&'a Api, &'a Caller, Params) -> BoxFuture<'a, ApiResult<Value>>;

/// A method.
pub(super) struct Method {
    pub(super) name: &'static str,
    /// As `help` shows it: the name, then each parameter, optional ones in brackets.
    pub(super) usage: &'static str,
    about: &'static str,
    /// What the audit trail calls it, where it changes something.
    pub(super) action: Option<&'static str>,
    pub(super) run: Run,
}

impl std::fmt::Debug for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.usage)
    }
}

impl Method {
    /// The names of its parameters, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        let words = self.usage.split(' ').skip(1);
        words.map(|word| word.trim_matches(['[', ']']))
    }
}

/// The method of a name.
pub(super) fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

static METHODS: &[Method] = &[
    Method {
        name: "listmodules",
        usage: "listmodules",
        about: "Lists the modules with their states.",
        action: None,
        run: |api, caller, _| Box::pin(list(api, caller)),
    },
    Method {
        name: "getmoduleinfo",
        usage: "getmoduleinfo name",
        about: "Shows everything about a module.",
        action: None,
        run: |api, caller, params| Box::pin(info(api, caller, params)),
    },
    Method {
        name: "loadmodule",
        usage: "loadmodule name [digest] [wait_seconds]",
        about: "Starts a module and waits until it runs. The first load confirms it as it was found.",
        action: Some(actions::LOAD_MODULE),
        run: |api, caller, params| Box::pin(load(api, caller, params)),
    },
    Method {
        name: "unloadmodule",
        usage: "unloadmodule name [wait_seconds]",
        about: "Stops a module and waits until it has ended.",
        action: Some(actions::UNLOAD_MODULE),
        run: |api, caller, params| Box::pin(unload(api, caller, params)),
    },
    Method {
        name: "reloadmodule",
        usage: "reloadmodule name [digest] [wait_seconds]",
        about: "Lets a module take over its changed configuration or program.",
        action: Some(actions::RELOAD_MODULE),
        run: |api, caller, params| Box::pin(reload(api, caller, params)),
    },
    Method {
        name: "getmodulelogs",
        usage: "getmodulelogs name [lines]",
        about: "Shows the newest lines that a module said.",
        action: None,
        run: |api, caller, params| Box::pin(logs(api, caller, params)),
    },
    Method {
        name: "callmodule",
        usage: "callmodule name method [params]",
        about: "Calls a method that a module offers.",
        action: Some(actions::CALL_MODULE),
        run: |api, caller, params| Box::pin(call(api, caller, params)),
    },
    Method {
        name: "getmoduleconfig",
        usage: "getmoduleconfig name",
        about: "Shows a module's configuration and its entity tag.",
        action: None,
        run: |api, caller, params| Box::pin(get_config(api, caller, params)),
    },
    Method {
        name: "setmoduleconfig",
        usage: "setmoduleconfig name config [etag] [wait_seconds]",
        about: "Changes a module's configuration: an object changes the keys that it names, a text is the whole as TOML.",
        action: Some(actions::SET_CONFIG),
        run: |api, caller, params| Box::pin(set_config(api, caller, params)),
    },
    Method {
        name: "installmodule",
        usage: "installmodule path [wait_seconds]",
        about: "Takes a module in from a folder or a program on the node's machine.",
        action: Some(actions::INSTALL_MODULE),
        run: |api, caller, params| Box::pin(install(api, caller, params)),
    },
    Method {
        name: "help",
        usage: "help [command]",
        about: "Lists the methods, or explains one.",
        action: None,
        run: |_, _, params| Box::pin(async { help(params) }),
    },
];

async fn list(api: &Api, caller: &Caller) -> ApiResult<Value> {
    caller.require(Scope::ModulesRead)?;
    let modules = api.inner().board.modules().await?;
    let views: Vec<_> = modules
        .iter()
        .map(|module| modules::view(api, module))
        .collect();
    Ok(json!(views))
}

async fn info(api: &Api, caller: &Caller, mut params: Params) -> ApiResult<Value> {
    caller.require(Scope::ModulesRead)?;
    let name: ModuleName = params.take("name")?;
    let module = modules::find(api, &name).await?;
    Ok(json!(modules::detail(api, &module).await?))
}

async fn load(api: &Api, caller: &Caller, mut params: Params) -> ApiResult<Value> {
    caller.require(Scope::ModulesControl)?;
    let name: ModuleName = params.take("name")?;
    let digest: Option<Digest> = params.maybe("digest")?;
    let wait = wait_of(&mut params)?;
    api.control.look_for(&name).await?;
    if digest.is_some() || modules::find(api, &name).await?.is_waiting() {
        caller.require(Scope::ModulesInstall)?;
    }
    let request = LoadRequest {
        digest,
        grant: None,
    };
    let operation = api.control.load(&name, request, &caller.actor()).await;
    finished(api, operation.map_err(named)?, wait).await
}

async fn unload(api: &Api, caller: &Caller, mut params: Params) -> ApiResult<Value> {
    caller.require(Scope::ModulesControl)?;
    let name: ModuleName = params.take("name")?;
    let wait = wait_of(&mut params)?;
    let operation = api.control.unload(&name, &caller.actor()).await;
    finished(api, operation.map_err(named)?, wait).await
}

async fn reload(api: &Api, caller: &Caller, mut params: Params) -> ApiResult<Value> {
    caller.require(Scope::ModulesControl)?;
    let name: ModuleName = params.take("name")?;
    let digest: Option<Digest> = params.maybe("digest")?;
    let wait = wait_of(&mut params)?;
    if digest.is_some() {
        caller.require(Scope::ModulesInstall)?;
    }
    let operation = api.control.reload(&name, digest, &caller.actor()).await;
    finished(api, operation.map_err(named)?, wait).await
}

async fn logs(api: &Api, caller: &Caller, mut params: Params) -> ApiResult<Value> {
    caller.require(Scope::ModulesRead)?;
    let name: ModuleName = params.take("name")?;
    let lines = params.maybe::<u32>("lines")?.unwrap_or(100).clamp(1, 1000);
    modules::find(api, &name).await?;
    Ok(json!(api.logs.tail(&name, None, None, lines as usize)))
}

async fn call(api: &Api, caller: &Caller, mut params: Params) -> ApiResult<Value> {
    caller.require(Scope::ModulesControl)?;
    let name: ModuleName = params.take("name")?;
    let method: String = params.take("method")?;
    let given = params.maybe("params")?.unwrap_or_else(|| json!({}));
    let result = api
        .control
        .call(&name, &method, given, &caller.actor())
        .await;
    result.map_err(named)
}

async fn get_config(api: &Api, caller: &Caller, mut params: Params) -> ApiResult<Value> {
    caller.require(Scope::ModulesRead)?;
    let name: ModuleName = params.take("name")?;
    let view = api.control.config(&name).await.map_err(named)?;
    let revision = view.revision.map(|revision| revision.number);
    Ok(json!({ "config": view.json, "toml": view.toml, "etag": view.etag, "revision": revision }))
}

async fn set_config(api: &Api, caller: &Caller, mut params: Params) -> ApiResult<Value> {
    caller.require(Scope::ConfigWrite)?;
    let name: ModuleName = params.take("name")?;
    let input = match params.take("config")? {
        Value::String(text) => ConfigInput::Toml(text),
        patch => ConfigInput::MergePatch(patch),
    };
    let etag: Option<String> = params.maybe("etag")?;
    let wait = wait_of(&mut params)?;
    let etag = etag.unwrap_or_else(|| "*".to_owned());
    let request = SetConfig {
        input,
        if_match: modules::config::based_on(api, &name, Some(etag)).await?,
        source: ConfigSource::Api,
        dry_run: false,
    };
    let change = api
        .control
        .set_config(&name, request, &caller.actor())
        .await;
    let change = change.map_err(named)?;
    let mut answer = json!({ "note": change.note, "etag": change.etag, "diff": change.diff });
    if let Some(operation) = change.operation {
        answer["operation"] = finished(api, operation, wait).await?;
    }
    Ok(answer)
}

async fn install(api: &Api, caller: &Caller, mut params: Params) -> ApiResult<Value> {
    caller.require(Scope::ModulesInstall)?;
    let request = InstallRequest {
        path: params.take("path")?,
        as_local: params.maybe("as_local")?.unwrap_or(false),
    };
    let wait = wait_of(&mut params)?;
    let operation = api.control.install(request, &caller.actor()).await?;
    finished(api, operation, wait).await
}

fn help(mut params: Params) -> ApiResult<Value> {
    let Some(name) = params.maybe::<String>("command")? else {
        let lines: Vec<_> = METHODS.iter().map(|method| method.usage).collect();
        return Ok(json!(lines.join("\n")));
    };
    match find(&name) {
        Some(method) => Ok(json!(format!("{}\n\n{}", method.usage, method.about))),
        None => Err(ApiError::new(
            Code::MethodNotFound,
            format!(
                "there is no method `{}`; `help` lists them",
                super::printable(&name)
            ),
        )),
    }
}

fn wait_of(params: &mut Params) -> ApiResult<Duration> {
    let seconds = params.maybe::<u64>("wait_seconds")?.unwrap_or(WAIT_SECONDS);
    Ok(Duration::from_secs(seconds.min(MAX_WAIT_SECONDS)))
}

/// The operation when it is over; one that failed is an error, as callers of RPC expect.
async fn finished(api: &Api, operation: Operation, wait: Duration) -> ApiResult<Value> {
    let operation = operations::get::waited(api, operation.id, wait).await?;
    match (&operation.failure, operation.status) {
        (Some(failure), OperationStatus::Failed | OperationStatus::Cancelled) => {
            let mut error = ApiError::from_word(&failure.code, failure.detail.clone());
            error.mark_audited();
            Err(error.with_operation(Some(operation.id)))
        }
        _ => Ok(json!(operation)),
    }
}

fn named(error: ControlError) -> ApiError {
    ApiError::from(error).or_not_found(Code::ModuleNotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_names_the_method_and_its_parameters() {
        for method in METHODS {
            assert!(method.usage.starts_with(method.name));
            assert!(method.about.ends_with('.'));
        }
        let load = find("loadmodule").unwrap();
        let names: Vec<_> = load.names().collect();
        assert_eq!(names, ["name", "digest", "wait_seconds"]);
    }
}
