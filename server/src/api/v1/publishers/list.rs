//! `GET /publishers`.

use axum::Json;
use axum::extract::State;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::page::PageView;
use crate::api::state::Api;
use crate::model::{Scope, TrustedPublisher};

/// Lists the publishers that are trusted, by name.
///
/// Packages that they have signed are taken; a threshold says how many of a publisher's keys must have.
#[utoipa::path(
    get, path = "/publishers", tag = "publishers",
    responses((status = 200, description = "The publishers.", body = PageView<TrustedPublisher>)),
    extensions(("x-scope" = json!("modules:read")))
)]
pub async fn list_publishers(
    caller: Caller,
    State(api): State<Api>,
) -> ApiResult<Json<PageView<TrustedPublisher>>> {
    caller.require(Scope::ModulesRead)?;
    let publishers = api.store.publishers().await?;
    Ok(Json(PageView::whole(publishers.into_values().collect())))
}
