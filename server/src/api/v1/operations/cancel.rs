//! `POST /operations/{id}/cancel`.

use axum::Json;
use axum::extract::State;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::Path;
use crate::api::state::Api;
use crate::model::{Id, Operation, Scope};

/// Ends an operation.
///
/// What it has done so far stays done; a load that is under way is stopped.
#[utoipa::path(
    post, path = "/operations/{id}/cancel", tag = "operations",
    params(("id" = String, Path, description = "The operation's id.")),
    responses((status = 200, description = "The operation, cancelled.", body = Operation)),
    extensions(
        ("x-scope" = json!("modules:control")),
        ("x-problems" = json!(["operation_not_found", "operation_final"]))
    )
)]
pub async fn cancel_operation(
    caller: Caller,
    Path(id): Path<Id>,
    State(api): State<Api>,
) -> ApiResult<Json<Operation>> {
    caller.require(Scope::ModulesControl)?;
    super::reach(&api, &caller, id).await?;
    let operation = api.control.cancel_operation(id, &caller.actor()).await;
    operation
        .map(Json)
        .map_err(|error| ApiError::from(error).or_not_found(Code::OperationNotFound))
}
