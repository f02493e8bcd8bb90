//! `GET /host`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::state::Api;
use crate::model::{Scope, UtcTime};

/// The program itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostView {
    /// Its version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started_at: UtcTime,
    /// The time now, by its clock.
    pub time: UtcTime,
    /// Oldest and newest version of the modules' protocol.
    pub protocol: [u16; 2],
    /// Where it keeps everything.
    pub data_dir: String,
    /// Where modules are put.
    pub modules_dir: String,
    /// The newest durable event's number.
    pub last_event: u64,
    /// Open event streams.
    pub streams: usize,
}

/// Shows the program itself.
///
/// Version, directories, and how long it has been running.
#[utoipa::path(
    get, path = "/host", tag = "host",
    responses((status = 200, description = "The program.", body = HostView)),
    extensions(("x-scope" = json!("modules:read")))
)]
pub async fn get_host(caller: Caller, State(api): State<Api>) -> ApiResult<Json<HostView>> {
    caller.require(Scope::ModulesRead)?;
    Ok(Json(HostView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started_at: api.inner().started_at,
        time: api.clock.now(),
        protocol: [
            *bllvm_ipc::PROTOCOL_VERSIONS.start(),
            *bllvm_ipc::PROTOCOL_VERSIONS.end(),
        ],
        data_dir: api.data_dir.display().to_string(),
        modules_dir: api.modules_dir.display().to_string(),
        last_event: api.store.last_seq(),
        streams: api.inner().streams.open(),
    }))
}
