//! `/webhook-messages/{id}`: one message to an endpoint with every attempt.

use axum::extract::State;
use axum::response::Response;
use bllvm_web::format::{Stamp, bytes};
use bllvm_web::pages::{MessagePage, MessageRow, TryRow};
use bllvm_web::parts::{Badge, Fact, Tone, Value};

use super::form::Signed;
use super::present::stamp;
use super::respond::{page, see, tell_refusal};
use super::visit::{Visit, now};
use crate::api::Api;
use crate::api::error::ApiResult;
use crate::api::extract::Path;
use crate::api::v1::webhooks::messages::message;
use crate::model::{AttemptCode, Id, MessageAttempt, MessageState, Scope, UtcTime, WebhookMessage};

/// `GET /webhook-messages/{id}`
///
/// # Errors
/// When there is none of this id.
pub async fn show(State(api): State<Api>, visit: Visit, Path(id): Path<Id>) -> ApiResult<Response> {
    visit.require(Scope::WebhooksRead)?;
    let found = message(&api, id).await?;
    let now = now(&api);
    let may_change = visit.session.caller.may(Scope::WebhooksControl);
    let over = found.message.state != MessageState::Waiting;
    page(&MessagePage {
        chrome: visit.at("/webhooks").chrome(&api).await?,
        message: row(&found.message, now),
        facts: facts(&found.message, now),
        attempts: found.attempts.iter().map(|one| attempt(one, now)).collect(),
        body: found.body.text,
        can_redeliver: may_change && over && found.message.seq.is_some(),
    })
}

/// `POST /webhook-messages/{id}/redeliver`
///
/// # Errors
/// When there is none of this id.
pub async fn redeliver(
    State(api): State<Api>,
    Path(id): Path<Id>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksControl)?;
    let actor = visit.actor();
    match api.control.redeliver_webhook_message(id, &actor).await {
        Ok(_) => visit.tell(&api, Tone::Good, "It is sent again.", None),
        Err(error) => tell_refusal(&api, &visit, error)?,
    }
    Ok(see(&format!("/webhook-messages/{id}")))
}

/// A message in a list.
pub fn row(message: &WebhookMessage, now: UtcTime) -> MessageRow {
    let tone = match message.state {
        MessageState::Waiting => Tone::Busy,
        MessageState::Delivered => Tone::Good,
        MessageState::Failed => Tone::Bad,
    };
    let due: Option<Stamp> = message.due_at.map(|at| stamp(at, now));
    let late = message.due_at <= Some(now);
    let tries = match (message.state, message.tries) {
        (MessageState::Waiting, 0) => "to be sent".to_owned(),
        (MessageState::Waiting, 1) if late => "1 try, to be sent".to_owned(),
        (MessageState::Waiting, tries) if late => format!("{tries} tries, to be sent"),
        (MessageState::Waiting, 1) => "1 try, the next".to_owned(),
        (MessageState::Waiting, tries) => format!("{tries} tries, the next"),
        (MessageState::Delivered, 1) => "taken at the first try".to_owned(),
        (MessageState::Delivered, tries) => format!("taken after {tries} tries"),
        (MessageState::Failed, 0) => "never tried".to_owned(),
        (MessageState::Failed, 1) => "not taken; 1 try".to_owned(),
        (MessageState::Failed, tries) => format!("not taken; {tries} tries"),
    };
    MessageRow {
        id: message.id.to_string(),
        endpoint: message.endpoint.clone(),
        kind: message.kind.clone(),
        state: Badge::new(tone, message.state.as_str()),
        tries,
        // What is due and held is sent as soon as its lane is open.
        due: due.filter(|_| message.tries > 0 && message.due_at > Some(now)),
        queued: stamp(message.created_at, now),
    }
}

fn facts(message: &WebhookMessage, now: UtcTime) -> Vec<Fact> {
    let event = match message.seq {
        Some(seq) => format!("no. {seq}"),
        None => "none: it is a test".to_owned(),
    };
    vec![
        Fact::code("webhook-id", format!("msg_{}", message.id)),
        Fact::text("Event", event),
        Fact::text("Size", bytes(message.size)),
        Fact::new("Queued", Value::Time(stamp(message.created_at, now))),
        Fact::new("Last changed", Value::Time(stamp(message.changed_at, now))),
    ]
}

fn attempt(attempt: &MessageAttempt, now: UtcTime) -> TryRow {
    let tone = match attempt.code {
        AttemptCode::Delivered => Tone::Good,
        _ => Tone::Bad,
    };
    TryRow {
        badge: Badge::new(tone, attempt.code.as_str()),
        at: stamp(attempt.time, now),
        took: format!("{} ms", attempt.duration_ms),
        detail: attempt.detail.clone(),
        reply: attempt.reply.clone().unwrap_or_default(),
    }
}
