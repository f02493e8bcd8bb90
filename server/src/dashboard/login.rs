//! `/login` and `/logout`.
//!
//! The address that `bllvm-node login` prints does not log in by being opened: browsers, chat
//! programs and scanners fetch addresses on their own, and such a fetch would use the code up. It
//! shows the form with the code filled in, and one press of the button uses it.

use axum::extract::{Request, State};
use axum::http::header::SET_COOKIE;
use axum::response::Response;
use bllvm_web::pages::Login;
use serde::Deserialize;

use super::form::{self, Signed};
use super::present::sentence;
use super::respond::{page, page_as, see};
use super::{address, visit};
use crate::api::auth::origin;
use crate::api::edge::RequestId;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::Query;
use crate::api::{Api, Peer};

/// What the address may bring.
#[derive(Debug, Default, Deserialize)]
pub struct LoginQuery {
    #[serde(default)]
    code: String,
    #[serde(default)]
    next: String,
}

/// `GET /login?code=&next=`
///
/// # Errors
/// When the page cannot be drawn.
pub async fn show(Query(query): Query<LoginQuery>) -> ApiResult<Response> {
    page(&view(&query.code, &query.next, None))
}

/// `POST /login`
///
/// # Errors
/// When the form comes from another site, or cannot be read.
pub async fn log_in(State(api): State<Api>, request: Request) -> ApiResult<Response> {
    // There is no session yet whose token the form could carry. That the form is ours keeps others
    // from logging someone in as themselves.
    if !origin::is_own_page(request.headers()) {
        return Err(ApiError::new(
            Code::OriginRefused,
            "log in on this node's own page: another site sent this form",
        ));
    }
    let peer = request.extensions().get::<Peer>().copied();
    let id = request
        .extensions()
        .get::<RequestId>()
        .map(|id| id.0.to_string());
    let fields = form::read(request, &api).await?;
    let (typed, next) = (fields.get("token").trim(), fields.get("next"));
    let opened = if typed.starts_with("bllvm_") {
        api.auth.session_for_token(typed, peer, id).await
    } else {
        api.auth.issue_session(typed, peer, id).await
    };
    match opened {
        Ok(cookie) => {
            let mut response = see(address::own(next).unwrap_or("/"));
            response.headers_mut().append(SET_COOKIE, cookie);
            Ok(response)
        }
        Err(refused) if refused.problem().status < 500 => {
            let why = sentence(&refused.problem().detail);
            page_as(refused.code().status(), &view("", next, Some(why)))
        }
        Err(fault) => Err(fault),
    }
}

/// `POST /logout`
///
/// # Errors
/// When the store refuses.
pub async fn log_out(State(api): State<Api>, form: Signed) -> ApiResult<Response> {
    let cookie = api.auth.close_session(&form.visit.session).await?;
    let mut response = see("/login");
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

fn view(code: &str, next: &str, error: Option<String>) -> Login {
    Login {
        chrome: visit::bare("/login"),
        code: code.to_owned(),
        next: address::own(next).unwrap_or("/").to_owned(),
        error,
        command: "bllvm-node login".to_owned(),
    }
}
