//! `DELETE /tokens/{id}`.

use axum::extract::State;
use axum::http::StatusCode;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::Path;
use crate::api::state::Api;
use crate::model::{Id, Scope};

/// Revokes a token.
///
/// It stops working at once. Revoking it again changes nothing.
#[utoipa::path(
    delete, path = "/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "The token's id.")),
    responses((status = 204, description = "The token no longer works.")),
    extensions(("x-scope" = json!("admin")), ("x-problems" = json!(["token_not_found"])))
)]
pub async fn revoke_token(
    caller: Caller,
    Path(id): Path<Id>,
    State(api): State<Api>,
) -> ApiResult<StatusCode> {
    caller.require(Scope::Admin)?;
    let revoked = api.control.revoke_token(id, &caller.actor()).await;
    revoked.map_err(|error| ApiError::from(error).or_not_found(Code::TokenNotFound))?;
    Ok(StatusCode::NO_CONTENT)
}
