//! `/webhooks`: who may send, what came in; `/deliveries/{id}`: one of it with every attempt.
//!
//! The intake is `POST /webhooks/{source}`; what people do has addresses of its own.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use bllvm_web::format::bytes;
use bllvm_web::pages::{
    AttemptRow, DeliveryPage, DeliveryRow, FreshSecret, NewSource, SecretRow, SourceRow, Webhooks,
};
use bllvm_web::parts::{Badge, Choice, Fact, FieldError, Pager, Tone, Value};
use serde::Deserialize;

use super::address::with_query;
use super::form::{Fields, Signed};
use super::present::{sentence, stamp, who};
use super::respond::{page, page_as, refused_page, see, tell_refusal};
use super::visit::{Visit, now};
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult};
use crate::api::extract::{Path, Query};
use crate::api::v1::webhooks::deliveries::delivery;
use crate::control::NewWebhookSecret;
use crate::model::{
    AttemptKind, DeliveryAttempt, DeliveryState, HmacHeaders, Id, Scope, SignatureEncoding,
    SourceSettings, UtcTime, WebhookDelivery, WebhookScheme, WebhookSource,
};
use crate::store::{DeliveryFilter, PageRequest};
use crate::webhooks::redacted;

const PAGE: u32 = 50;
/// How long a replaced secret goes on working.
const OVERLAP: Duration = Duration::from_hours(24);

/// Which deliveries, and where the list goes on.
#[derive(Debug, Default, Deserialize)]
pub struct WebhooksQuery {
    cursor: Option<String>,
    #[serde(default)]
    dead: bool,
}

/// `GET /webhooks`
///
/// # Errors
/// When the store cannot be read.
pub async fn list(
    State(api): State<Api>,
    visit: Visit,
    Query(query): Query<WebhooksQuery>,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksRead)?;
    page(&view(&api, &visit, query).await?)
}

/// `POST /webhooks {name, scheme, secret, …}`
///
/// The answer is the only page that ever shows a secret that is made, so that it is no redirect.
///
/// # Errors
/// When the fault is ours.
pub async fn create(
    State(api): State<Api>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksControl)?;
    let visit = visit.at("/webhooks");
    let name = fields.get("name").trim().to_owned();
    let secret = Some(fields.get("secret")).filter(|secret| !secret.is_empty());
    let actor = visit.actor();
    let made = api
        .control
        .create_webhook_source(&name, settings(&fields), secret, &actor)
        .await;
    match made {
        Ok(made) => fresh(&api, &visit, made, StatusCode::CREATED).await,
        Err(error) => {
            let refused = ApiError::from(error);
            if refused.problem().status >= 500 {
                return Err(refused);
            }
            let mut view = view(&api, &visit, WebhooksQuery::default()).await?;
            view.typed = NewSource {
                name,
                signature_header: fields.get("signature_header").to_owned(),
                prefix: fields.get("prefix").to_owned(),
                id_header: fields.get("id_header").to_owned(),
            };
            view.schemes = schemes(fields.get("scheme"));
            let detail = &refused.problem().detail;
            let (id, title) = [
                ("secret", "Its secret"),
                ("signature_header", "Header with the signature"),
                ("id_header", "Header with the id"),
                ("prefix", "What stands before it"),
                ("hmac", "Headers"),
            ]
            .into_iter()
            .find(|(field, _)| detail.contains(field))
            .unwrap_or(("name", "Name"));
            view.errors = vec![FieldError {
                id: if id == "hmac" { "signature_header" } else { id }.to_owned(),
                title: title.to_owned(),
                message: sentence(detail),
            }];
            refused_page(&view)
        }
    }
}

/// `POST /webhook-sources/{name}/rotate`
///
/// # Errors
/// When there is no such source.
pub async fn rotate(
    State(api): State<Api>,
    Path(name): Path<String>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksControl)?;
    let actor = visit.actor();
    let rotated = api
        .control
        .rotate_webhook_secret(&name, None, OVERLAP, &actor);
    let made = rotated.await?;
    fresh(&api, &visit.at("/webhooks"), made, StatusCode::OK).await
}

/// `POST /webhook-sources/{name}/remove`
///
/// # Errors
/// When there is no such source.
pub async fn remove(
    State(api): State<Api>,
    Path(name): Path<String>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksControl)?;
    let actor = visit.actor();
    match api.control.delete_webhook_source(&name, &actor).await {
        Ok(()) => {
            let text = format!("{name} may send no more; its deliveries stay.");
            visit.tell(&api, Tone::Good, text, None);
        }
        Err(error) => tell_refusal(&api, &visit, error)?,
    }
    Ok(see("/webhooks"))
}

/// `POST /webhook-sources/{name}/test`
///
/// # Errors
/// When there is no such source.
pub async fn test(
    State(api): State<Api>,
    Path(name): Path<String>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksControl)?;
    let actor = visit.actor();
    match api.control.test_webhook_source(&name, &actor).await {
        Ok(receipt) => {
            visit.tell(&api, Tone::Good, "A test delivery came in.", None);
            Ok(see(&format!("/deliveries/{}", receipt.delivery)))
        }
        Err(error) => {
            tell_refusal(&api, &visit, error)?;
            Ok(see("/webhooks"))
        }
    }
}

/// `GET /deliveries/{id}`
///
/// # Errors
/// When there is none of this id.
pub async fn show(State(api): State<Api>, visit: Visit, Path(id): Path<Id>) -> ApiResult<Response> {
    visit.require(Scope::WebhooksRead)?;
    let may_change = visit.session.caller.may(Scope::WebhooksControl);
    let found = delivery(&api, id).await?;
    let now = now(&api);
    let body = api.store.webhook_body(id).await?;
    let shown = body.as_deref().map(redacted);
    let note = match &shown {
        Some(shown) if shown.redacted > 0 => {
            format!(
                "{} values that look like secrets are covered.",
                shown.redacted
            )
        }
        Some(shown) if shown.form == "hex" => "It is no text, and shown in hex.".to_owned(),
        _ => String::new(),
    };
    page(&DeliveryPage {
        chrome: visit.at("/webhooks").chrome(&api).await?,
        facts: facts(&found.delivery, &found.acknowledged_by, now),
        attempts: found.attempts.iter().map(|one| attempt(one, now)).collect(),
        can_replay: shown.is_some() && may_change,
        body: shown.map(|shown| shown.text),
        body_note: note,
        delivery: row(&found.delivery, now),
    })
}

/// `POST /deliveries/{id}/replay`
///
/// # Errors
/// When there is none of this id.
pub async fn replay(
    State(api): State<Api>,
    Path(id): Path<Id>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksControl)?;
    let actor = visit.actor();
    match api.control.replay_webhook_delivery(id, &actor).await {
        Ok(_) => visit.tell(&api, Tone::Good, "It is announced again.", None),
        Err(error) => tell_refusal(&api, &visit, error)?,
    }
    Ok(see(&format!("/deliveries/{id}")))
}

/// `POST /deliveries/replay-dead`
///
/// # Errors
/// When the fault is ours.
pub async fn replay_dead(
    State(api): State<Api>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksControl)?;
    let filter = DeliveryFilter {
        dead: true,
        ..DeliveryFilter::default()
    };
    let actor = visit.actor();
    match api.control.replay_webhook_deliveries(filter, &actor).await {
        Ok(done) => {
            let text = format!("{} deliveries are announced again.", done.replayed);
            visit.tell(&api, Tone::Good, text, None);
        }
        Err(error) => tell_refusal(&api, &visit, error)?,
    }
    Ok(see("/webhooks"))
}

async fn fresh(
    api: &Api,
    visit: &Visit,
    made: NewWebhookSecret,
    status: StatusCode,
) -> ApiResult<Response> {
    let mut view = view(api, visit, WebhooksQuery::default()).await?;
    view.fresh = Some(FreshSecret {
        address: format!("http://{}/webhooks/{}", visit.host(), made.source.name),
        source: made.source.name,
        secret: made.secret,
    });
    page_as(status, &view)
}

async fn view(api: &Api, visit: &Visit, query: WebhooksQuery) -> ApiResult<Webhooks> {
    let now = now(api);
    let request = PageRequest {
        after: query.cursor.clone(),
        limit: Some(PAGE),
    };
    let filter = DeliveryFilter {
        dead: query.dead,
        ..DeliveryFilter::default()
    };
    let deliveries = api.store.webhook_deliveries(&request, &filter).await?;
    let sources = api.store.webhook_sources().await?;
    let dead = if query.dead { "true" } else { "" };
    Ok(Webhooks {
        chrome: visit.chrome(api).await?,
        fresh: None,
        sources: sources.iter().map(|one| source(one, now)).collect(),
        deliveries: deliveries.items.iter().map(|one| row(one, now)).collect(),
        dead_only: query.dead,
        pager: Pager {
            newer: query
                .cursor
                .map(|_| with_query("/webhooks", &[("dead", dead)])),
            older: deliveries
                .next
                .map(|next| with_query("/webhooks", &[("cursor", &next), ("dead", dead)])),
        },
        may_change: visit.session.caller.may(Scope::WebhooksControl),
        schemes: schemes("github"),
        encodings: vec![
            Choice::new("hex", "hexadecimal", true),
            Choice::new("base64", "base64", false),
        ],
        typed: NewSource::default(),
        errors: Vec::new(),
    })
}

fn settings(fields: &Fields) -> SourceSettings {
    let scheme = WebhookScheme::from_word(fields.get("scheme")).unwrap_or(WebhookScheme::Github);
    let given = |name| Some(fields.get(name).trim()).filter(|text: &&str| !text.is_empty());
    let hmac = given("signature_header").map(|header| HmacHeaders {
        signature_header: header.to_owned(),
        encoding: SignatureEncoding::from_word(fields.get("encoding"))
            .unwrap_or(SignatureEncoding::Hex),
        prefix: fields.get("prefix").trim().to_owned(),
        id_header: given("id_header").map(str::to_owned),
        timestamp_header: None,
    });
    SourceSettings {
        hmac: hmac.filter(|_| scheme == WebhookScheme::Hmac),
        ..SourceSettings::of(scheme)
    }
}

fn schemes(chosen: &str) -> Vec<Choice> {
    WebhookScheme::ALL
        .iter()
        .map(|scheme| {
            Choice::new(
                scheme.as_str(),
                scheme_name(*scheme),
                scheme.as_str() == chosen,
            )
        })
        .collect()
}

const fn scheme_name(scheme: WebhookScheme) -> &'static str {
    match scheme {
        WebhookScheme::Github => "GitHub",
        WebhookScheme::Standard => "Standard Webhooks",
        WebhookScheme::Hmac => "HMAC-SHA256 in headers of its own",
    }
}

fn source(source: &WebhookSource, now: UtcTime) -> SourceRow {
    let secrets = source.secrets.iter().map(|secret| SecretRow {
        created: stamp(secret.created_at, now),
        last_used: secret.last_used_at.map(|at| stamp(at, now)),
        expires: secret.expires_at.map(|at| stamp(at, now)),
    });
    SourceRow {
        name: source.name.clone(),
        scheme: scheme_name(source.settings.scheme).to_owned(),
        rate: match source.settings.rate_per_minute {
            0 => "as many as come".to_owned(),
            rate => format!("{rate} a minute"),
        },
        secrets: secrets.collect(),
    }
}

fn row(delivery: &WebhookDelivery, now: UtcTime) -> DeliveryRow {
    let tone = match delivery.state {
        DeliveryState::Waiting => Tone::Busy,
        DeliveryState::Applied => Tone::Good,
        DeliveryState::Refused | DeliveryState::Failed => Tone::Bad,
    };
    DeliveryRow {
        id: delivery.id.to_string(),
        source: delivery.source.clone(),
        kind: delivery.kind.clone().unwrap_or_default(),
        state: Badge::new(tone, delivery.state.as_str()),
        size: bytes(delivery.size),
        received: stamp(delivery.received_at, now),
    }
}

fn facts(delivery: &WebhookDelivery, readers: &[String], now: UtcTime) -> Vec<Fact> {
    let readers = match readers {
        [] => "no module yet".to_owned(),
        some => some.join(", "),
    };
    let mut facts = vec![
        Fact::text("Source", &delivery.source),
        Fact::code("Sender's id", &delivery.sender_id),
        Fact::code("SHA-256 of the body", &delivery.digest),
        Fact::text("Size", bytes(delivery.size)),
        Fact::text("Event acknowledged by", readers),
        Fact::new("Came in", Value::Time(stamp(delivery.received_at, now))),
        Fact::new("Last changed", Value::Time(stamp(delivery.changed_at, now))),
        Fact::code("Event", delivery.seq.to_string()),
    ];
    if let Some(media_type) = &delivery.media_type {
        facts.push(Fact::text("Media type", media_type));
    }
    facts
}

fn attempt(attempt: &DeliveryAttempt, now: UtcTime) -> AttemptRow {
    let tone = match attempt.kind {
        AttemptKind::Received => Tone::Good,
        AttemptKind::Duplicate => Tone::Quiet,
        AttemptKind::Conflict => Tone::Bad,
        AttemptKind::Replay | AttemptKind::Verdict => Tone::Info,
    };
    AttemptRow {
        badge: Badge::new(tone, attempt.kind.as_str()),
        at: stamp(attempt.time, now),
        who: who(&attempt.actor),
        code: attempt.code.clone().unwrap_or_default(),
        detail: attempt.detail.clone(),
    }
}
