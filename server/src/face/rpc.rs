//! `POST /`: who asks, what for, and the answer to one request or a batch.

use std::time::Duration;

use super::Face;
use super::envelope::{self, Request};
use super::error::{MISC, NO_METHOD, Outcome, PARSE, Refusal};
use super::message::{Fields, Message};
use super::methods;
use super::mining::until_stop;
use super::params::Args;
use crate::api::auth::Caller;
use crate::api::error::{ApiError, Code};
use crate::model::Scope;
use axum::body::to_bytes;
use axum::extract::{Request as HttpRequest, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{Method as HttpMethod, StatusCode};
use axum::response::{IntoResponse as _, Response};

/// The largest body: a block of four million weight units in hex, and room to spare.
const MAX_BODY_BYTES: usize = 16 << 20;
/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// Bytes of one batch's answers.
const MAX_BATCH_BYTES: usize = 32 << 20;

/// Answers JSON-RPC.
pub(super) async fn call(State(face): State<Face>, request: HttpRequest) -> Response {
    if request.method() != HttpMethod::POST {
        let text = "JSONRPC server handles only POST requests";
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")], text).into_response();
    }
    let (parts, body) = request.into_parts();
    let caller = match face.0.api.auth.by_password(&parts).await {
        Ok(caller) if caller.modules().is_some() => return bound(),
        Ok(caller) => caller,
        Err(refused) => return unauthorized(&refused),
    };
    let Ok(_place) = face.0.in_line.try_acquire() else {
        let text = "Work queue depth exceeded";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    // Neither semaphore is ever closed.
    let _working = face.0.at_work.acquire().await;
    let body = match tokio::time::timeout(BODY_DEADLINE, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let text = format!("a body has at most {MAX_BODY_BYTES} bytes");
            return (StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
        }
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let message = Message::read(&body);
    drop(body);
    match message {
        Ok(Message::Batch(batch)) => batch_of(&face, &caller, batch).await,
        Ok(Message::One(fields)) => single(&face, &caller, fields).await,
        Ok(Message::Other) => envelope::refuse(Refusal::new(PARSE, "Top-level object parse error")),
        Err(refusal) => envelope::refuse(refusal),
    }
}

pub(super) fn unauthorized(refused: &ApiError) -> Response {
    match refused.code() {
        Code::Internal | Code::Unavailable => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Code::TooManyRequests => StatusCode::TOO_MANY_REQUESTS.into_response(),
        _ => {
            let challenge = [(WWW_AUTHENTICATE, "Basic realm=\"jsonrpc\"")];
            (StatusCode::UNAUTHORIZED, challenge).into_response()
        }
    }
}

/// A token that is bound to modules reaches them and nothing else.
pub(super) fn bound() -> Response {
    let text = "this token is bound to modules; use one that is not bound\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

pub(super) fn forbidden(what: &str, scope: Scope) -> Response {
    let text = format!("this token may not use {what}: it needs the scope {scope}\n");
    (StatusCode::FORBIDDEN, text).into_response()
}

/// The scope that a request lacks.
fn lacks(caller: &Caller, request: &Request) -> Option<(&'static str, Scope)> {
    let method = methods::find(&request.method)?;
    let scope = method.scope?;
    (!caller.may(scope)).then_some((method.name, scope))
}

async fn single(face: &Face, caller: &Caller, fields: Fields) -> Response {
    let mut request = match Request::read(Some(fields)) {
        Ok(request) => request,
        Err(refused) => {
            let (request, refusal) = *refused;
            return request.refuse(refusal);
        }
    };
    if let Some((method, scope)) = lacks(caller, &request) {
        return forbidden(method, scope);
    }
    let outcome = run(face, caller, &mut request).await;
    request.respond(outcome)
}

async fn batch_of(face: &Face, caller: &Caller, batch: Vec<Option<Fields>>) -> Response {
    let count = batch.len();
    let requests: Vec<_> = batch.into_iter().map(Request::read).collect();
    let refused = requests
        .iter()
        .flatten()
        .find_map(|request| lacks(caller, request));
    if let Some((method, scope)) = refused {
        return forbidden(method, scope);
    }
    let (mut body, mut answered) = (String::from("["), false);
    for request in requests {
        let (request, outcome) = match request {
            Ok(request) if body.len() > MAX_BATCH_BYTES => {
                let text = "the batch's answers are too large; split it";
                (request, Err(Refusal::new(MISC, text)))
            }
            Ok(mut request) => {
                let outcome = run(face, caller, &mut request).await;
                (request, outcome)
            }
            Err(refused) => {
                let (request, refusal) = *refused;
                (request, Err(refusal))
            }
        };
        let Some(reply) = request.reply(outcome) else {
            continue;
        };
        if answered {
            body.push(',');
        }
        body.push_str(&reply.to_string());
        answered = true;
    }
    // All were notifications.
    if count > 0 && !answered {
        return StatusCode::NO_CONTENT.into_response();
    }
    body.push(']');
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn run(face: &Face, caller: &Caller, request: &mut Request) -> Outcome {
    let Some(method) = methods::find(&request.method) else {
        return Err(Refusal::new(NO_METHOD, "Method not found"));
    };
    let args = Args::read(method, std::mem::take(&mut request.params))?;
    let outcome = until_stop(&face.0.api.soft, (method.run)(face, caller, args)).await;
    let code = outcome.as_ref().err().map(|refusal| refusal.code);
    tracing::debug!(
        rpc.method = method.name,
        rpc.code = code,
        "answered a Bitcoin Core client"
    );
    outcome
}
