//! The layer that lets nobody in without credentials, keeps those that are bound to modules with
//! them, and leaves no refused change unrecorded.

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::auth::{Caller, origin};
use super::error::{ApiResult, Problem};
use super::openapi;
use super::state::Api;
use crate::store::commands::Refused;

const MODULES: &str = "/api/v1/modules/";
const OF_ONE_MODULE: &str = "/api/v1/modules/{name}";
const LOOK_THEMSELVES: [&str; 5] = [
    "/rpc",
    "/api/v1/tokens/self",
    "/api/v1/operations",
    "/api/v1/operations/{id}",
    "/api/v1/operations/{id}/cancel",
];

/// Authenticates the request, and hands the [`Caller`] on to it.
pub async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = match api.auth.authenticate(&parts).await {
        Ok(caller) => caller,
        Err(refused) => return refused.into_response(),
    };
    let within = stays_within(&caller, &parts);
    if !origin::is_unsafe(&parts.method) {
        if let Err(refused) = within {
            return refused.into_response();
        }
        parts.extensions.insert(caller);
        return next.run(Request::from_parts(parts, body)).await;
    }
    let action = action(&parts.method, parts.extensions.get::<MatchedPath>());
    let target = parts.uri.path().to_owned();
    let response = match within {
        Ok(()) => {
            parts.extensions.insert(caller.clone());
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refused) => refused.into_response(),
    };
    if let Some(problem) = response.extensions().get::<Problem>().cloned() {
        record(&api, &caller, action, &target, problem).await;
    }
    response
}

/// Whether a caller who is bound to modules stays with them. A route that is not named here is
/// about more than one module.
fn stays_within(caller: &Caller, parts: &Parts) -> ApiResult<()> {
    let matched = parts.extensions.get::<MatchedPath>();
    let route = matched.map_or("", MatchedPath::as_str);
    // These look for themselves, since their addresses do not say which module they are about.
    if LOOK_THEMSELVES.contains(&route) {
        return Ok(());
    }
    caller.require_module(module_of(route, parts.uri.path()))
}

/// The module in an address, as it was written: one that is escaped in any way is nobody's.
fn module_of<'p>(route: &str, path: &'p str) -> Option<&'p str> {
    let below = route.strip_prefix(OF_ONE_MODULE)?;
    if !below.is_empty() && !below.starts_with('/') {
        return None;
    }
    path.strip_prefix(MODULES)?.split('/').next()
}

/// The operation's id, as the audit trail calls it.
fn action(method: &Method, matched: Option<&MatchedPath>) -> &'static str {
    matched
        .and_then(|path| openapi::operation_id(method, path.as_str()))
        .unwrap_or("unknown")
}

/// A change that was refused before its verb saw it goes into the audit trail here.
async fn record(api: &Api, caller: &Caller, action: &str, path: &str, problem: Problem) {
    if problem.audited {
        return;
    }
    let refused = Refused {
        action: action.to_owned(),
        target: target(path),
        detail: format!("{}: {}", problem.code.as_str(), problem.detail),
        by: caller.actor(),
    };
    if let Err(error) = api.store.commit(refused).await {
        tracing::error!(%error, "could not record that an action was refused");
    }
}

/// What an address is about: the part after the collection's name.
fn target(path: &str) -> String {
    let mut parts = path
        .trim_start_matches("/api/v1")
        .trim_start_matches('/')
        .split('/');
    let collection = parts.next().unwrap_or_default();
    parts
        .next()
        .unwrap_or(collection)
        .chars()
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{module_of, target};

    #[test]
    fn the_module_of_an_address_is_the_one_that_its_route_names() {
        let route = "/api/v1/modules/{name}/load";
        assert_eq!(
            module_of(route, "/api/v1/modules/clock/load"),
            Some("clock")
        );
        assert_eq!(
            module_of("/api/v1/modules/{name}", "/api/v1/modules/clock"),
            Some("clock")
        );
        assert_eq!(module_of("/api/v1/modules", "/api/v1/modules"), None);
        assert_eq!(module_of("/api/v1/node", "/api/v1/node"), None);
        assert_eq!(module_of("", "/api/v1/modules/clock"), None);
    }

    #[test]
    fn a_target_is_the_named_thing_or_its_collection() {
        assert_eq!(target("/api/v1/modules/clock/load"), "clock");
        assert_eq!(target("/api/v1/modules"), "modules");
        assert_eq!(target("/rpc"), "rpc");
    }
}
