//! Operations: what takes a while.

pub mod cancel;
pub mod get;
pub mod list;

use bllvm_manifest::ModuleName;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::state::Api;
use crate::model::Id;

/// Keeps a caller who is bound to modules from the operations of others.
async fn reach(api: &Api, caller: &Caller, id: Id) -> ApiResult<()> {
    if caller.modules().is_none() {
        return Ok(());
    }
    let operation = api.store.operation(id).await?;
    let operation = operation.ok_or_else(|| not_found(id))?;
    caller.require_module(operation.concerns().map(ModuleName::as_str))
}

fn not_found(id: Id) -> ApiError {
    ApiError::new(
        Code::OperationNotFound,
        format!("there is no operation {id}; `GET /api/v1/operations` lists them"),
    )
}
