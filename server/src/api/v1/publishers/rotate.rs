//! `POST /publishers/{name}/rotate`.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Json, Path};
use crate::api::state::Api;
use crate::model::{Scope, TrustedPublisher};

/// A publisher's new keys, signed by old and new ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotationBody {
    /// What `cargo bllvm-module keys` wrote.
    pub keys: String,
    /// The file beside it, whose name ends with `.sig`.
    pub signatures: String,
}

/// Takes over a publisher's new keys.
///
/// As many of the present keys must have signed them as the present threshold says, and as many of the
/// new ones as the new one says. `reason` tells which of the two is missing.
#[utoipa::path(
    post, path = "/publishers/{name}/rotate", tag = "publishers",
    params(("name" = String, Path, description = "The publisher's name.")),
    request_body = RotationBody,
    responses((status = 200, description = "The publisher.", body = TrustedPublisher)),
    extensions(
        ("x-scope" = json!("admin")),
        ("x-problems" = json!(["publisher_not_found", "package_refused"]))
    )
)]
pub async fn rotate_publisher(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
    Json(body): Json<RotationBody>,
) -> ApiResult<axum::Json<TrustedPublisher>> {
    caller.require(Scope::Admin)?;
    let rotated = api
        .control
        .rotate_publisher(&name, body.keys, &body.signatures, &caller.actor())
        .await;
    let publisher =
        rotated.map_err(|error| ApiError::from(error).or_not_found(Code::PublisherNotFound))?;
    Ok(axum::Json(publisher))
}
