//! `GET` and `PUT /modules/{name}/sandbox`.

use std::collections::BTreeSet;

use axum::Json as JsonAnswer;
use axum::extract::State;
use bllvm_manifest::ModuleName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Json, Path};
use crate::api::state::Api;
use crate::model::{Grant, IsolationLayer, RequiredLayer, Scope};
use crate::supervisor::sandbox::{Words, words};

/// What stands between a module and the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SandboxView {
    /// What it can and cannot do, in words.
    pub words: Words,
    /// The layers around the present process; none while it does not run.
    pub layers: Vec<IsolationLayer>,
    /// Layers without which nothing starts.
    pub required: Vec<RequiredLayer>,
    /// Those of them that an operator waived for this module.
    pub waived: BTreeSet<RequiredLayer>,
}

impl SandboxView {
    /// From a grant, what holds, and what was waived.
    pub fn new(
        grant: &Grant,
        layers: Vec<IsolationLayer>,
        waived: BTreeSet<RequiredLayer>,
    ) -> Self {
        Self {
            words: words(grant, &layers, &waived),
            layers,
            required: RequiredLayer::ALL.to_vec(),
            waived,
        }
    }
}

/// Which layers a module may start without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WaiveRequest {
    /// The layers; an empty list requires them all again.
    pub waive: BTreeSet<RequiredLayer>,
}

pub(super) async fn view(api: &Api, name: &ModuleName) -> ApiResult<SandboxView> {
    let granted = api.store.grant(name).await?;
    let waived = api.store.waived(name).await?;
    let observed = api.supervisor.observed(name);
    let layers = observed.map(|seen| seen.isolation).unwrap_or_default();
    Ok(SandboxView::new(&granted, layers, waived))
}

/// Shows what a module can and cannot do.
///
/// In words, and layer by layer for the present process. Earlier processes' layers are with the
/// runs.
#[utoipa::path(
    get, path = "/modules/{name}/sandbox", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    responses((status = 200, description = "The sandbox.", body = SandboxView)),
    extensions(("x-scope" = json!("modules:read")), ("x-problems" = json!(["module_not_found"])))
)]
pub async fn get_module_sandbox(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
) -> ApiResult<JsonAnswer<SandboxView>> {
    caller.require(Scope::ModulesRead)?;
    super::find(&api, &name).await?;
    Ok(JsonAnswer(view(&api, &name).await?))
}

/// Says which required layers a module may start without.
///
/// For a system that cannot put them up. What the system has is put up all the same; a module that
/// failed for want of a layer is tried again at once.
#[utoipa::path(
    put, path = "/modules/{name}/sandbox", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    request_body = WaiveRequest,
    responses((status = 200, description = "The sandbox.", body = SandboxView)),
    extensions(
        ("x-scope" = json!("modules:install")),
        ("x-problems" = json!(["module_not_found", "invalid_request"]))
    )
)]
pub async fn set_module_sandbox(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
    Json(request): Json<WaiveRequest>,
) -> ApiResult<JsonAnswer<SandboxView>> {
    caller.require(Scope::ModulesInstall)?;
    let by = caller.actor();
    let waived = api.control.waive(&name, request.waive, &by).await;
    waived.map_err(|error| ApiError::from(error).or_not_found(Code::ModuleNotFound))?;
    Ok(JsonAnswer(view(&api, &name).await?))
}
