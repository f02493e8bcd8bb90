//! `GET /tokens`.

use axum::Json;
use axum::extract::State;

use super::view::TokenView;
use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::page::PageView;
use crate::api::state::Api;
use crate::model::Scope;

/// Lists the tokens, newest first.
///
/// Expired and revoked ones are shown too. The texts of tokens are kept nowhere.
#[utoipa::path(
    get, path = "/tokens", tag = "tokens",
    responses((status = 200, description = "The tokens.", body = PageView<TokenView>)),
    extensions(("x-scope" = json!("admin")))
)]
pub async fn list_tokens(
    caller: Caller,
    State(api): State<Api>,
) -> ApiResult<Json<PageView<TokenView>>> {
    caller.require(Scope::Admin)?;
    let tokens = api.store.tokens().await?;
    Ok(Json(PageView::whole(
        tokens.into_iter().map(TokenView::from).collect(),
    )))
}
