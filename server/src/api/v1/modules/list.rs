//! `GET /modules`.

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};

use super::view::ModuleView;
use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::page::PageView;
use crate::api::state::Api;
use crate::model::Scope;

/// Lists the modules.
///
/// Every module that was installed or found, in order of name, with what is wanted of it and what
/// it is now. The list fits on one page.
#[utoipa::path(
    get, path = "/modules", tag = "modules",
    responses((status = 200, description = "The modules.", body = PageView<ModuleView>)),
    extensions(("x-scope" = json!("modules:read")))
)]
pub async fn list_modules(caller: Caller, State(api): State<Api>) -> ApiResult<Response> {
    caller.require(Scope::ModulesRead)?;
    let body = api.inner().board.body().await?;
    let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((json, body).into_response())
}
