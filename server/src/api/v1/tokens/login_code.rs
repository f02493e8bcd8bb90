//! `POST /login-codes`.

use axum::extract::State;

use super::view::LoginCodeView;
use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::Created;
use crate::api::state::Api;
use crate::model::Scope;

/// Makes a one-time code for the dashboard.
///
/// It opens one browser session and works for 10 minutes. `Idempotency-Key` is not honoured here,
/// because the code would have to be kept.
#[utoipa::path(
    post, path = "/login-codes", tag = "tokens",
    responses((status = 201, description = "The code.", body = LoginCodeView)),
    extensions(("x-scope" = json!("admin")))
)]
pub async fn create_login_code(
    caller: Caller,
    State(api): State<Api>,
) -> ApiResult<Created<LoginCodeView>> {
    caller.require(Scope::Admin)?;
    let made = api.control.create_login_code(&caller.actor()).await?;
    let path = format!("/login?code={}", made.code);
    let view = LoginCodeView {
        code: made.code,
        path: path.clone(),
        expires_at: made.expires_at,
    };
    Ok(Created(path, view))
}
