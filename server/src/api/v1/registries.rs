//! `/registries`: where the catalog comes from.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::http::StatusCode;
use bllvm_package::PublicKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Created, Json, Path};
use crate::api::page::PageView;
use crate::api::state::Api;
use crate::control::NewRegistry;
use crate::model::{KnownRegistry, Scope};

/// A registry that shall be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryBody {
    /// Its name, as its index gives it.
    #[schema(example = "example.org")]
    pub name: String,
    /// Full paths of folders on the node's machine, `http://` and `https://` addresses; they are tried
    /// in this order.
    #[schema(min_items = 1, max_items = 8, example = json!(["https://example.org/registry"]))]
    pub addresses: Vec<String>,
    /// Its keys, as you heard them by a way that you trust.
    #[schema(min_items = 1, max_items = 16)]
    pub keys: Vec<PublicKey>,
    /// How many of them must sign.
    #[serde(default = "one")]
    #[schema(minimum = 1, default = 1)]
    pub threshold: usize,
}

fn one() -> usize {
    1
}

/// Lists the registries that were added, by name.
///
/// With the newest index that was seen of each; no older one is taken after it.
#[utoipa::path(
    get, path = "/registries", tag = "catalog",
    responses((status = 200, description = "The registries.", body = PageView<KnownRegistry>)),
    extensions(("x-scope" = json!("modules:read")))
)]
pub async fn list_registries(
    caller: Caller,
    State(api): State<Api>,
) -> ApiResult<JsonAnswer<PageView<KnownRegistry>>> {
    caller.require(Scope::ModulesRead)?;
    let registries = api.store.registries().await?;
    Ok(JsonAnswer(PageView::whole(
        registries.into_values().collect(),
    )))
}

/// Adds a registry.
///
/// Only its addresses are connected to, which may be private ones; redirects, and mirrors that an index
/// names, are not followed. Nothing is fetched by this.
#[utoipa::path(
    post, path = "/registries", tag = "catalog",
    request_body = RegistryBody,
    responses((status = 201, description = "The registry.", body = KnownRegistry)),
    extensions(
        ("x-scope" = json!("admin")),
        ("x-problems" = json!(["registry_exists", "registry_refused"]))
    )
)]
pub async fn add_registry(
    caller: Caller,
    State(api): State<Api>,
    Json(body): Json<RegistryBody>,
) -> ApiResult<Created<KnownRegistry>> {
    caller.require(Scope::Admin)?;
    let new = NewRegistry {
        name: body.name,
        addresses: body.addresses,
        keys: body.keys,
        threshold: body.threshold,
    };
    let registry = api.control.add_registry(new, &caller.actor()).await?;
    Ok(Created("/api/v1/registries".to_owned(), registry))
}

/// Removes a registry.
///
/// What was installed from it stays. When it is added again, no index is taken that is older than one that
/// was seen.
#[utoipa::path(
    delete, path = "/registries/{registry}", tag = "catalog",
    params(("registry" = String, Path, description = "The registry's name.")),
    responses((status = 204, description = "It is gone.")),
    extensions(("x-scope" = json!("admin")), ("x-problems" = json!(["registry_not_found"])))
)]
pub async fn remove_registry(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
) -> ApiResult<StatusCode> {
    caller.require(Scope::Admin)?;
    let removed = api.control.remove_registry(&name, &caller.actor()).await;
    removed.map_err(|error| ApiError::from(error).or_not_found(Code::RegistryNotFound))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Fetches a registry's index.
///
/// As many of its keys must have signed it as the threshold says; it may not be older than one that was
/// seen, nor expired. `reason` tells what is wrong with it.
#[utoipa::path(
    post, path = "/registries/{registry}/refresh", tag = "catalog",
    params(("registry" = String, Path, description = "The registry's name.")),
    responses((status = 200, description = "The registry.", body = KnownRegistry)),
    extensions(
        ("x-scope" = json!("modules:install")),
        ("x-problems" = json!(["registry_not_found", "registry_refused"]))
    )
)]
pub async fn refresh_registry(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
) -> ApiResult<JsonAnswer<KnownRegistry>> {
    caller.require(Scope::ModulesInstall)?;
    let fetched = api.control.refresh_registry(&name, &caller.actor()).await;
    fetched
        .map(JsonAnswer)
        .map_err(|error| ApiError::from(error).or_not_found(Code::RegistryNotFound))
}
