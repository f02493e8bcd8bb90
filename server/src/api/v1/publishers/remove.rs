//! `DELETE /publishers/{name}`.

use axum::extract::State;
use axum::http::StatusCode;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::Path;
use crate::api::state::Api;
use crate::model::Scope;

/// Trusts a publisher no more.
///
/// Its packages are refused from now on; what is installed stays as it is.
#[utoipa::path(
    delete, path = "/publishers/{name}", tag = "publishers",
    params(("name" = String, Path, description = "The publisher's name.")),
    responses((status = 204, description = "It is not trusted any more.")),
    extensions(("x-scope" = json!("admin")), ("x-problems" = json!(["publisher_not_found"])))
)]
pub async fn remove_publisher(
    caller: Caller,
    Path(name): Path<String>,
    State(api): State<Api>,
) -> ApiResult<StatusCode> {
    caller.require(Scope::Admin)?;
    let removed = api.control.remove_publisher(&name, &caller.actor()).await;
    removed.map_err(|error| ApiError::from(error).or_not_found(Code::PublisherNotFound))?;
    Ok(StatusCode::NO_CONTENT)
}
