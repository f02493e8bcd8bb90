//! `/catalog`: what the registries have, and taking it in.

use axum::Json as JsonAnswer;
use axum::extract::State;
use bllvm_manifest::ModuleName;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Accepted, Json, Path, Query};
use crate::api::page::PageView;
use crate::api::state::Api;
use crate::control::ListedRequest;
use crate::model::{CatalogEntry, CatalogModule, Operation, Scope};

/// What is looked for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CatalogQuery {
    /// Only modules with this word in name, description or publisher.
    #[serde(default)]
    pub search: String,
}

/// Which release of a listed module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListedBody {
    /// This version; without, the newest that runs here and was not taken back.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub version: Option<semver::Version>,
    /// Takes a package whose publisher is not trusted here, as a module that nobody signed.
    #[serde(default)]
    pub as_local: bool,
}

impl ListedBody {
    fn of(self, registry: String, module: ModuleName) -> ListedRequest {
        ListedRequest {
            registry,
            module,
            version: self.version,
            as_local: self.as_local,
        }
    }
}

/// Lists the modules that the registries have, by name.
///
/// It is read from the indexes that were fetched last, so it needs no network.
#[utoipa::path(
    get, path = "/catalog", tag = "catalog",
    params(CatalogQuery),
    responses((status = 200, description = "The modules.", body = PageView<CatalogEntry>)),
    extensions(("x-scope" = json!("modules:read")))
)]
pub async fn list_catalog(
    caller: Caller,
    Query(query): Query<CatalogQuery>,
    State(api): State<Api>,
) -> ApiResult<JsonAnswer<PageView<CatalogEntry>>> {
    caller.require(Scope::ModulesRead)?;
    let entries = api.control.catalog(&query.search).await?;
    Ok(JsonAnswer(PageView::whole(entries)))
}

/// Shows a listed module: its releases, and what the newest would ask for.
///
/// Its manifest is fetched for that; where it cannot be, `problem` says why.
#[utoipa::path(
    get, path = "/catalog/{registry}/{name}", tag = "catalog",
    params(
        ("registry" = String, Path, description = "The registry's name."),
        ("name" = String, Path, description = "The module's name.")
    ),
    responses((status = 200, description = "The module.", body = CatalogModule)),
    extensions(
        ("x-scope" = json!("modules:read")),
        ("x-problems" = json!(["registry_not_found", "registry_refused"]))
    )
)]
pub async fn get_catalog_module(
    caller: Caller,
    Path((registry, module)): Path<(String, ModuleName)>,
    State(api): State<Api>,
) -> ApiResult<JsonAnswer<CatalogModule>> {
    caller.require(Scope::ModulesRead)?;
    let found = api.control.catalog_module(&registry, &module).await;
    found
        .map(JsonAnswer)
        .map_err(|error| ApiError::from(error).or_not_found(Code::RegistryNotFound))
}

/// Fetches a listed package, and changes nothing yet.
///
/// The operation's result names the folder that an upgrade takes. A download that broke off goes on
/// where it was.
#[utoipa::path(
    post, path = "/catalog/{registry}/{name}/fetch", tag = "catalog",
    params(
        ("registry" = String, Path, description = "The registry's name."),
        ("name" = String, Path, description = "The module's name.")
    ),
    request_body = Option<ListedBody>,
    responses((status = 202, description = "The package is being fetched.", body = Operation)),
    extensions(
        ("x-scope" = json!("modules:install")),
        ("x-problems" = json!(["registry_not_found", "registry_refused", "operation_open"]))
    )
)]
pub async fn fetch_catalog_module(
    caller: Caller,
    Path((registry, module)): Path<(String, ModuleName)>,
    State(api): State<Api>,
    body: Option<Json<ListedBody>>,
) -> ApiResult<Accepted> {
    caller.require(Scope::ModulesInstall)?;
    let body = body.map(|Json(body)| body).unwrap_or_default();
    let request = body.of(registry, module);
    let operation = api.control.fetch_listed(request, &caller.actor()).await;
    operation
        .map(Accepted)
        .map_err(|error| ApiError::from(error).or_not_found(Code::RegistryNotFound))
}

/// Fetches a listed package and takes it in.
///
/// Its signatures are checked as those of any package. Nothing of it runs before its first load.
#[utoipa::path(
    post, path = "/catalog/{registry}/{name}/install", tag = "catalog",
    params(
        ("registry" = String, Path, description = "The registry's name."),
        ("name" = String, Path, description = "The module's name.")
    ),
    request_body = Option<ListedBody>,
    responses((status = 202, description = "The module is being fetched and taken in.", body = Operation)),
    extensions(
        ("x-scope" = json!("modules:install")),
        ("x-problems" = json!([
            "registry_not_found", "registry_refused", "package_refused", "module_exists",
            "operation_open"
        ]))
    )
)]
pub async fn install_catalog_module(
    caller: Caller,
    Path((registry, module)): Path<(String, ModuleName)>,
    State(api): State<Api>,
    body: Option<Json<ListedBody>>,
) -> ApiResult<Accepted> {
    caller.require(Scope::ModulesInstall)?;
    let body = body.map(|Json(body)| body).unwrap_or_default();
    let request = body.of(registry, module);
    let operation = api.control.install_listed(request, &caller.actor()).await;
    operation
        .map(Accepted)
        .map_err(|error| ApiError::from(error).or_not_found(Code::RegistryNotFound))
}
