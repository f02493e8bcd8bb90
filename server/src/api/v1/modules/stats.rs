//! `GET /modules/{name}/stats`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use bllvm_manifest::ModuleName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::Path;
use crate::api::state::Api;
use crate::model::{ObservedState, Scope, UtcTime};

/// A module's numbers now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModuleStats {
    /// What is.
    pub state: ObservedState,
    /// Since when it is in this state.
    pub since: Option<UtcTime>,
    /// Processor time in percent of one core.
    pub cpu_percent: f32,
    /// Resident memory.
    pub memory_bytes: u64,
    /// Restarts after a crash since the host started.
    pub restarts: u64,
    /// Durable events that it has not acknowledged yet.
    pub cursor_lag: u64,
    /// The module's own metrics.
    pub metrics: BTreeMap<String, MetricView>,
}

/// One of a module's own metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricView {
    /// Whether it only grows.
    pub counter: bool,
    /// The value now.
    pub value: f64,
}

/// Shows a module's numbers.
///
/// Processor, memory, restarts, how far it is behind with its events, and its own metrics.
#[utoipa::path(
    get, path = "/modules/{name}/stats", tag = "modules",
    params(("name" = String, Path, description = "The module's name.")),
    responses((status = 200, description = "The numbers.", body = ModuleStats)),
    extensions(("x-scope" = json!("modules:read")), ("x-problems" = json!(["module_not_found"])))
)]
pub async fn get_module_stats(
    caller: Caller,
    Path(name): Path<ModuleName>,
    State(api): State<Api>,
) -> ApiResult<Json<ModuleStats>> {
    caller.require(Scope::ModulesRead)?;
    super::find(&api, &name).await?;
    let seen = api.supervisor.observed(&name);
    Ok(Json(seen.map_or_else(nothing, |seen| {
        ModuleStats {
            state: seen.state,
            since: Some(seen.since),
            cpu_percent: seen.cpu_percent,
            memory_bytes: seen.memory_bytes,
            restarts: seen.restarts,
            cursor_lag: seen.cursor_lag,
            metrics: seen
                .metrics
                .into_iter()
                .map(|(name, (counter, value))| (name, MetricView { counter, value }))
                .collect(),
        }
    })))
}

fn nothing() -> ModuleStats {
    ModuleStats {
        state: ObservedState::Stopped,
        since: None,
        cpu_percent: 0.0,
        memory_bytes: 0,
        restarts: 0,
        cursor_lag: 0,
        metrics: BTreeMap::new(),
    }
}
