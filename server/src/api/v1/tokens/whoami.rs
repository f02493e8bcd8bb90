//! `GET /tokens/self`.

use axum::Json;

use super::view::SelfView;
use crate::api::auth::Caller;

/// Shows who asks.
///
/// Any caller may know what it may.
#[utoipa::path(
    get, path = "/tokens/self", tag = "tokens",
    responses((status = 200, description = "The caller.", body = SelfView)),
    extensions(("x-scope" = json!(null)))
)]
pub async fn get_self(caller: Caller) -> Json<SelfView> {
    Json(SelfView {
        actor: caller.actor().id,
        scopes: caller.scopes().into_iter().collect(),
        modules: caller.modules().into_iter().flatten().cloned().collect(),
    })
}
