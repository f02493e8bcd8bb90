//! Operations: what takes a while.

pub mod cancel;
pub mod get;
pub mod list;

use crate::api::error::{ApiError, Code};
use crate::model::Id;

fn not_found(id: Id) -> ApiError {
    ApiError::new(
        Code::OperationNotFound,
        format!("there is no operation {id}; `GET /api/v1/operations` lists them"),
    )
}
