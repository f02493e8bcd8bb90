//! The layer that lets nobody in without credentials, and leaves no refused change unrecorded.

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::auth::{Caller, origin};
use super::error::Problem;
use super::openapi;
use super::state::Api;
use crate::store::commands::Refused;

/// Authenticates the request, and hands the [`Caller`] on to it.
pub async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = match api.auth.authenticate(&parts).await {
        Ok(caller) => caller,
        Err(refused) => return refused.into_response(),
    };
    if !origin::is_unsafe(&parts.method) {
        parts.extensions.insert(caller);
        return next.run(Request::from_parts(parts, body)).await;
    }
    let action = action(&parts.method, parts.extensions.get::<MatchedPath>());
    let target = parts.uri.path().to_owned();
    parts.extensions.insert(caller.clone());
    let response = next.run(Request::from_parts(parts, body)).await;
    if let Some(problem) = response.extensions().get::<Problem>().cloned() {
        record(&api, &caller, action, &target, problem).await;
    }
    response
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
    use super::target;

    #[test]
    fn a_target_is_the_named_thing_or_its_collection() {
        assert_eq!(target("/api/v1/modules/clock/load"), "clock");
        assert_eq!(target("/api/v1/modules"), "modules");
        assert_eq!(target("/rpc"), "rpc");
    }
}
