//! `POST /tokens`.

use std::time::Duration;

use axum::extract::State;
use bllvm_manifest::ModuleName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::NewTokenView;
use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::{Created, Json};
use crate::api::state::Api;
use crate::control::TokenRequest;
use crate::model::Scope;

const DAY: Duration = Duration::from_hours(24);

/// Asks for a token.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenBody {
    /// What it is for, in words; 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What it may. At least one.
    #[schema(min_items = 1)]
    pub scopes: Vec<Scope>,
    /// Binds the token to these modules: it then reaches only what is below `/modules/{name}`, the
    /// same verbs at `/rpc`, and operations on them. Not bound where it is missing.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 100)]
    pub modules: Vec<ModuleName>,
    /// In how many days it expires, 1 to 3650; never where it is missing.
    #[schema(minimum = 1, maximum = 3650)]
    pub expires_in_days: Option<u32>,
}

/// Makes a token.
///
/// The answer is the only place where the token's text is ever shown. Give it no more scopes than
/// its work needs. `Idempotency-Key` is not honoured here, because the text would have to be kept.
#[utoipa::path(
    post, path = "/tokens", tag = "tokens",
    request_body = TokenBody,
    responses((status = 201, description = "The token with its text.", body = NewTokenView)),
    extensions(("x-scope" = json!("admin")), ("x-problems" = json!(["invalid_request"])))
)]
pub async fn create_token(
    caller: Caller,
    State(api): State<Api>,
    Json(body): Json<TokenBody>,
) -> ApiResult<Created<NewTokenView>> {
    caller.require(Scope::Admin)?;
    let request = TokenRequest {
        name: body.name,
        scopes: body.scopes.into_iter().collect(),
        modules: body.modules.into_iter().collect(),
        expires_in: body.expires_in_days.map(|days| DAY * days),
    };
    let made = api.control.create_token(request, &caller.actor()).await?;
    let location = format!("/api/v1/tokens/{}", made.token.id);
    let view = NewTokenView {
        view: made.token.into(),
        token: made.secret,
    };
    Ok(Created(location, view))
}
