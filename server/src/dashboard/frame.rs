//! What every request for a page goes through: the session, refusals as pages, the headers that
//! keep browsers on their guard.

use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bllvm_web::pages::{ErrorPage, WayOut};

use super::respond::{page_as, see};
use super::visit::{self, Visit, is_refresh};
use super::{address, present};
use crate::api::Api;
use crate::api::auth::{Caller, origin};
use crate::api::edge::RequestId;
use crate::api::error::{self, Code, Problem};
use crate::store::commands::{Refused, actions};

const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, bllvm_web::CONTENT_SECURITY_POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`: browsers would send forms with the origin `null`, which is refused.
    (REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// The layer for pages that anyone may see.
pub async fn public(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let asked = parts.clone();
    let response = next.run(Request::from_parts(parts, body)).await;
    finish(&api, asked, response).await
}

/// The layer for pages behind the login.
pub async fn private(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let known = api.auth.authenticate(&parts).await;
    let response = match known {
        Ok(caller) => {
            parts.extensions.insert(caller.clone());
            let asked = parts.clone();
            let response = next.run(Request::from_parts(parts, body)).await;
            if let Some(problem) = response.extensions().get::<Problem>() {
                record(&api, &caller, &asked, problem.clone()).await;
            }
            return finish(&api, asked, response).await;
        }
        Err(refused) => refused.into_response(),
    };
    finish(&api, parts, response).await
}

/// A change that was refused before its verb saw it goes into the audit trail here.
async fn record(api: &Api, caller: &Caller, asked: &Parts, problem: Problem) {
    if problem.audited || !origin::is_unsafe(&asked.method) {
        return;
    }
    let path = asked.uri.path();
    let refused = Refused {
        action: action(path).to_owned(),
        target: path
            .split('/')
            .nth(2)
            .unwrap_or(path)
            .chars()
            .take(64)
            .collect(),
        detail: format!("{}: {}", problem.code.as_str(), problem.detail),
        by: caller.actor(),
    };
    if let Err(error) = api.store.commit(refused).await {
        tracing::error!(%error, "could not record that an action was refused");
    }
}

/// The operation's id in the API, as the audit trail calls it.
fn action(path: &str) -> &'static str {
    match path.rsplit('/').next().unwrap_or_default() {
        "load" => actions::LOAD_MODULE,
        "unload" => actions::UNLOAD_MODULE,
        "reload" => actions::RELOAD_MODULE,
        "enable" => actions::ENABLE_MODULE,
        "disable" => actions::DISABLE_MODULE,
        "uninstall" => actions::UNINSTALL_MODULE,
        "configuration" => actions::SET_CONFIG,
        "restore" => actions::ROLLBACK_CONFIG,
        "permissions" => actions::SET_GRANT,
        "add" => actions::INSTALL_MODULE,
        "mine" => actions::MINE_BLOCKS,
        "cancel" => actions::CANCEL_OPERATION,
        "tokens" => actions::CREATE_TOKEN,
        "revoke" => actions::REVOKE_TOKEN,
        "backups" => actions::CREATE_BACKUP,
        _ => "post_form",
    }
}

async fn finish(api: &Api, asked: Parts, mut response: Response) -> Response {
    let status = response.status();
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => Some(problem),
        None if (status.is_client_error() || status.is_server_error()) && !is_page(&response) => {
            Some(error::from_status(status, &response))
        }
        None => None,
    };
    let mut response = match problem {
        None => response,
        Some(problem) if !wants_page(&asked) => {
            response.extensions_mut().insert(problem);
            response
        }
        Some(problem) => refusal(api, asked, problem).await,
    };
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

fn is_page(response: &Response) -> bool {
    let kind = response.headers().get(axum::http::header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// Whether the one who asks reads HTML: browsers name it, `curl` does not.
fn wants_page(asked: &Parts) -> bool {
    let mut accepted = asked.headers.get_all(ACCEPT).iter();
    is_refresh(&asked.headers)
        || accepted.any(|kind| kind.to_str().is_ok_and(|kind| kind.contains("text/html")))
}

/// A refusal as a page; those who are not logged in are led to the login.
async fn refusal(api: &Api, mut asked: Parts, problem: Problem) -> Response {
    if is_refresh(&asked.headers) {
        return refused_refresh(&problem);
    }
    let path = asked.uri.path().to_owned();
    let must_log_in = problem.status == Code::Unauthenticated.status().as_u16();
    if must_log_in && asked.method == Method::GET && path != "/login" {
        let here = asked.uri.path_and_query().map_or("/", |all| all.as_str());
        let next = if here == "/" { "" } else { here };
        return see(&address::with_query("/login", &[("next", next)]));
    }
    // Whoever is refused a change may still look.
    asked.method = Method::GET;
    if asked.extensions.get::<Caller>().is_none()
        && let Ok(caller) = api.auth.authenticate(&asked).await
    {
        asked.extensions.insert(caller);
    }
    let chrome = match Visit::from_request_parts(&mut asked, api).await {
        Ok(visit) => visit
            .chrome(api)
            .await
            .unwrap_or_else(|_| visit::bare(&path)),
        Err(_) => visit::bare(&path),
    };
    let request_id = asked.extensions.get::<RequestId>();
    let view = ErrorPage {
        ways_out: ways_out(&problem, chrome.user.is_some()),
        chrome,
        status: problem.status,
        title: problem.title.trim_end_matches('.').to_owned(),
        detail: present::sentence(&problem.detail),
        request_id: request_id.map(|id| id.0.to_string()).unwrap_or_default(),
    };
    let mut response = match page_as(problem.code.status(), &view) {
        Ok(response) => response,
        Err(fault) => return fault.into_response(),
    };
    if let Some(ms) = problem.retry_after_ms {
        let seconds = HeaderValue::from(ms.div_ceil(1000).max(1));
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}

/// A page that fetches itself again is loaded anew where it was refused, and left as it is where
/// the node is the one in trouble.
fn refused_refresh(problem: &Problem) -> Response {
    let mut response = problem.code.status().into_response();
    let (name, value) = if problem.status >= 500 {
        ("hx-reswap", "none")
    } else {
        ("hx-refresh", "true")
    };
    response.headers_mut().insert(
        HeaderName::from_static(name),
        HeaderValue::from_static(value),
    );
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response
        .headers_mut()
        .insert(axum::http::header::CONTENT_TYPE, html);
    response
}

fn ways_out(problem: &Problem, logged_in: bool) -> Vec<WayOut> {
    let way = |href: &str, text: &str| WayOut {
        href: href.to_owned(),
        text: text.to_owned(),
    };
    if !logged_in {
        return vec![way("/login", "Log in")];
    }
    let mut ways = Vec::new();
    if let Some(operation) = problem.operation {
        ways.push(way(
            &format!("/operations/{operation}"),
            "See the operation that is in the way",
        ));
    }
    match problem.code {
        Code::ModuleNotFound | Code::MethodNotFound => {
            ways.push(way("/modules", "See all modules"));
        }
        Code::OperationNotFound => ways.push(way("/operations", "See all operations")),
        Code::TokenNotFound => ways.push(way("/tokens", "See all tokens")),
        Code::NodeUnavailable | Code::BlockNotFound => ways.push(way("/node", "See the base node")),
        _ => {}
    }
    ways.push(way("/", "Go to the overview"));
    ways
}
