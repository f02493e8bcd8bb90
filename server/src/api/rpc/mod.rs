//! JSON-RPC at `POST /rpc`, for `bitcoin-cli` and those who script against it: 2.0, and the older
//! style where `jsonrpc` is missing.
//!
//! The methods call the same verbs as REST; a refusal carries the same problem in `data`.

mod envelope;
mod methods;
mod offered;
mod params;

use axum::extract::State;
use axum::response::Response;
use serde_json::Value;

use self::envelope::{Failure, Request};
use self::params::Params;
use super::auth::Caller;
use super::error::{ApiError, ApiResult};
use super::extract::Body;
use super::state::Api;
use crate::store::commands::Refused;

/// Requests of one batch.
const MAX_BATCH: usize = 50;

/// Answers JSON-RPC.
///
/// Methods: `loadmodule`, `unloadmodule`, `reloadmodule`, `listmodules`, `getmoduleinfo`,
/// `getmodulelogs`, `callmodule`, `getmoduleconfig`, `setmoduleconfig`, `installmodule`, `help`; and
/// what running modules offer, by its own name where one module alone offers it. Such a method takes
/// its parameters by name, as its schema in `GET /api/v1/modules/{name}/methods` describes them.
/// Basic authentication with the cookie file, or any user with a token as password. A batch has at
/// most 50 requests. Scopes are those of the same verbs in REST.
#[utoipa::path(
    post, path = "/rpc", tag = "rpc",
    request_body(content = Object, description = "A request, or an array of requests."),
    responses((status = 200, description = "The answer, or an array of answers; `error.data` is the problem.", body = Object)),
    extensions(("x-scope" = json!(null)))
)]
pub async fn call_rpc(caller: Caller, State(api): State<Api>, Body(body): Body) -> Response {
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return envelope::refuse(&Failure::new(-32700, "the body is not JSON"));
    };
    match message {
        Value::Array(batch) if batch.is_empty() || batch.len() > MAX_BATCH => {
            let text = format!("a batch has 1 to {MAX_BATCH} requests");
            envelope::refuse(&Failure::new(-32600, text))
        }
        Value::Array(batch) => {
            let mut answers = Vec::new();
            for message in batch {
                answers.extend(one(&api, &caller, message).await.into_json());
            }
            envelope::answer_batch(answers)
        }
        message => one(&api, &caller, message).await.into_response(),
    }
}

async fn one(api: &Api, caller: &Caller, message: Value) -> envelope::Answer {
    let request = match Request::read(message) {
        Ok(request) => request,
        Err(failure) => return envelope::Answer::to_nobody(&failure),
    };
    let outcome = run(api, caller, &request).await;
    envelope::Answer::new(&request, outcome)
}

async fn run(api: &Api, caller: &Caller, request: &Request) -> Result<Value, Failure> {
    let (method, params) = match methods::find(&request.method) {
        Some(method) => (method, Params::read(method, &request.params)?),
        None => offered::find(api, caller, request).await?,
    };
    let answer = match stays_within(caller, method, &params) {
        Ok(()) => (method.run)(api, caller, params).await,
        Err(refused) => Err(refused),
    };
    match answer {
        Ok(value) => Ok(value),
        Err(error) => {
            if method.action.is_some() && !error.problem().audited {
                record(api, caller, method, &error).await;
            }
            Err(Failure::from(error))
        }
    }
}

/// Whether a caller who is bound to modules stays with them.
fn stays_within(caller: &Caller, method: &methods::Method, params: &Params) -> ApiResult<()> {
    if method.name == "help" {
        return Ok(());
    }
    caller.require_module(params.text("name"))
}

async fn record(api: &Api, caller: &Caller, method: &methods::Method, error: &ApiError) {
    let refused = Refused {
        action: method.action.unwrap_or(method.name).to_owned(),
        target: "rpc".to_owned(),
        detail: error.to_string(),
        by: caller.actor(),
    };
    if let Err(error) = api.store.commit(refused).await {
        tracing::error!(%error, "could not record that an action was refused");
    }
}

fn printable(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}
