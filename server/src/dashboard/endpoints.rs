//! `/webhook-endpoints`: who is told, and messages to all; below it one endpoint.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use bllvm_web::pages::{EndpointForm, EndpointPage, EndpointRow, Endpoints, FreshKey, KeyRow};
use bllvm_web::parts::{Badge, Choice, Fact, FieldError, Pager, Tone, Value};
use serde::Deserialize;

use super::address::with_query;
use super::form::{Fields, Signed};
use super::messages;
use super::present::{sentence, stamp};
use super::respond::{page, page_as, refused_page, see, tell_refusal};
use super::visit::{Visit, now};
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Path, Query};
use crate::control::{ControlError, NewEndpoint};
use crate::model::{
    AttemptCode, EndpointSettings, EndpointState, MessageState, Scope, SigningScheme, UtcTime,
    WebhookEndpoint,
};
use crate::store::{MessageFilter, PageRequest};

const PAGE: u32 = 25;
/// How long a replaced key signs beside the new one.
const OVERLAP: Duration = Duration::from_hours(24);
const HERE: &str = "/webhook-endpoints";

/// Which messages, and where the list goes on.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct EndpointsQuery {
    cursor: Option<String>,
    #[serde(default)]
    failed: bool,
}

/// `GET /webhook-endpoints`
///
/// # Errors
/// When the store cannot be read.
pub async fn list(
    State(api): State<Api>,
    visit: Visit,
    Query(query): Query<EndpointsQuery>,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksRead)?;
    page(&view(&api, &visit, query).await?)
}

/// `POST /webhook-endpoints {name, url, events, signing, …}`
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
    visit.require(Scope::EventsRead)?;
    let name = fields.get("name").trim().to_owned();
    let signing = SigningScheme::from_word(fields.get("signing")).unwrap_or(SigningScheme::V1);
    let actor = visit.actor();
    let made = api
        .control
        .create_webhook_endpoint(&name, settings(&fields), signing, None, &actor)
        .await;
    match made {
        Ok(made) => fresh(&api, &visit, made, StatusCode::CREATED).await,
        Err(error) => {
            let errors = vec![fault(error)?];
            let mut view = view(&api, &visit, EndpointsQuery::default()).await?;
            view.typed = typed(name, &fields);
            view.signings = signings(signing);
            view.errors = errors;
            refused_page(&view)
        }
    }
}

/// `GET /webhook-endpoints/{name}`
///
/// # Errors
/// When there is no such endpoint.
pub async fn show(
    State(api): State<Api>,
    visit: Visit,
    Path(name): Path<String>,
    Query(query): Query<EndpointsQuery>,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksRead)?;
    page(&one(&api, &visit, &name, query.cursor).await?)
}

/// `POST /webhook-endpoints/{name} {url, events, …}`
///
/// # Errors
/// When there is no such endpoint.
pub async fn change(
    State(api): State<Api>,
    Path(name): Path<String>,
    Signed { visit, fields }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksControl)?;
    visit.require(Scope::EventsRead)?;
    let actor = visit.actor();
    let set = api
        .control
        .set_webhook_endpoint(&name, settings(&fields), &actor);
    match set.await {
        Ok(_) => {
            visit.tell(&api, Tone::Good, "It is saved.", None);
            Ok(see(&at(&name)))
        }
        Err(error) => {
            let errors = vec![fault(error)?];
            let mut view = one(&api, &visit, &name, None).await?;
            view.form = typed(name, &fields);
            view.errors = errors;
            refused_page(&view)
        }
    }
}

/// `POST /webhook-endpoints/{name}/rotate`
///
/// # Errors
/// When there is no such endpoint.
pub async fn rotate(
    State(api): State<Api>,
    Path(name): Path<String>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksControl)?;
    let actor = visit.actor();
    let rotated = api
        .control
        .rotate_webhook_key(&name, None, None, OVERLAP, &actor);
    let made = rotated.await.map_err(gone)?;
    fresh(&api, &visit, made, StatusCode::OK).await
}

/// `POST /webhook-endpoints/{name}/test`
///
/// # Errors
/// When there is no such endpoint.
pub async fn test(
    State(api): State<Api>,
    Path(name): Path<String>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksControl)?;
    let actor = visit.actor();
    match api.control.test_webhook_endpoint(&name, &actor).await {
        Ok(tested) => {
            let tone = match tested.sent.code {
                AttemptCode::Delivered => Tone::Good,
                _ => Tone::Bad,
            };
            let text = format!("The test: {}.", tested.sent.detail);
            visit.tell(&api, tone, text, None);
            Ok(see(&format!("/webhook-messages/{}", tested.message)))
        }
        Err(error) => {
            tell_refusal(&api, &visit, error)?;
            Ok(see(&at(&name)))
        }
    }
}

/// `POST /webhook-endpoints/{name}/enable`
///
/// # Errors
/// When there is no such endpoint.
pub async fn enable(
    State(api): State<Api>,
    Path(name): Path<String>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksControl)?;
    let actor = visit.actor();
    let done = api.control.enable_webhook_endpoint(&name, false, &actor);
    match done.await {
        Ok(_) => visit.tell(&api, Tone::Good, "It is sent to again.", None),
        Err(error) => tell_refusal(&api, &visit, error)?,
    }
    Ok(see(&at(&name)))
}

/// `POST /webhook-endpoints/{name}/disable`
///
/// # Errors
/// When there is no such endpoint.
pub async fn disable(
    State(api): State<Api>,
    Path(name): Path<String>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksControl)?;
    let actor = visit.actor();
    match api.control.disable_webhook_endpoint(&name, &actor).await {
        Ok(_) => visit.tell(&api, Tone::Good, "Nothing more is sent to it.", None),
        Err(error) => tell_refusal(&api, &visit, error)?,
    }
    Ok(see(&at(&name)))
}

/// `POST /webhook-endpoints/{name}/redeliver`
///
/// # Errors
/// When there is no such endpoint.
pub async fn redeliver(
    State(api): State<Api>,
    Path(name): Path<String>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksControl)?;
    let filter = MessageFilter {
        state: Some(MessageState::Failed),
        ..MessageFilter::default()
    };
    let actor = visit.actor();
    let done = api
        .control
        .redeliver_webhook_messages(&name, filter, &actor);
    match done.await {
        Ok(done) => {
            let text = format!("{} messages are sent again.", done.redelivered);
            visit.tell(&api, Tone::Good, text, None);
        }
        Err(error) => tell_refusal(&api, &visit, error)?,
    }
    Ok(see(&at(&name)))
}

/// `POST /webhook-endpoints/{name}/remove`
///
/// # Errors
/// When there is no such endpoint.
pub async fn remove(
    State(api): State<Api>,
    Path(name): Path<String>,
    Signed { visit, .. }: Signed,
) -> ApiResult<Response> {
    visit.require(Scope::WebhooksControl)?;
    let actor = visit.actor();
    match api.control.delete_webhook_endpoint(&name, &actor).await {
        Ok(()) => {
            let text = format!("{name} is gone with its messages.");
            visit.tell(&api, Tone::Good, text, None);
        }
        Err(error) => tell_refusal(&api, &visit, error)?,
    }
    Ok(see(HERE))
}

/// Where an endpoint's page is; names are checked letters, digits and `-`.
fn at(name: &str) -> String {
    format!("{HERE}/{name}")
}

fn gone(error: ControlError) -> ApiError {
    ApiError::from(error).or_not_found(Code::WebhookEndpointNotFound)
}

/// A refusal beside what was typed.
fn fault(error: ControlError) -> ApiResult<FieldError> {
    let refused = gone(error);
    let status = refused.problem().status;
    if status >= 500 || status == StatusCode::NOT_FOUND.as_u16() {
        return Err(refused);
    }
    let detail = &refused.problem().detail;
    let (id, title) = [
        ("url", "Address"),
        ("events", "Events"),
        ("timeout_s", "Seconds"),
        ("description", "What it is for"),
    ]
    .into_iter()
    .find(|(field, _)| detail.starts_with(&format!("`{field}`")))
    .unwrap_or(("name", "Name"));
    Ok(FieldError {
        id: id.to_owned(),
        title: title.to_owned(),
        message: sentence(detail),
    })
}

fn settings(fields: &Fields) -> EndpointSettings {
    let events = fields.get("events").split([' ', ',', '\n', '\t', '\r']);
    EndpointSettings {
        url: fields.get("url").trim().to_owned(),
        events: events
            .filter(|one| !one.is_empty())
            .map(str::to_owned)
            .collect(),
        ordered: fields.get("ordered") == "true",
        timeout_s: fields.get("timeout_s").trim().parse().unwrap_or(0),
        description: fields.get("description").trim().to_owned(),
    }
}

fn typed(name: String, fields: &Fields) -> EndpointForm {
    EndpointForm {
        name,
        url: fields.get("url").to_owned(),
        events: fields.get("events").to_owned(),
        timeout_s: fields.get("timeout_s").to_owned(),
        ordered: fields.get("ordered") == "true",
        description: fields.get("description").to_owned(),
    }
}

fn signings(chosen: SigningScheme) -> Vec<Choice> {
    let word = |scheme| match scheme {
        SigningScheme::V1 => "a shared secret (v1)",
        SigningScheme::V1a => "a key pair (v1a, Ed25519)",
    };
    SigningScheme::ALL
        .iter()
        .map(|scheme| Choice::new(scheme.as_str(), word(*scheme), *scheme == chosen))
        .collect()
}

async fn fresh(
    api: &Api,
    visit: &Visit,
    made: NewEndpoint,
    status: StatusCode,
) -> ApiResult<Response> {
    let newest = made.endpoint.keys.first();
    let public = newest.and_then(|key| key.public.clone());
    let name = &made.endpoint.name;
    let mut view = one(api, &visit.clone().at(&at(name)), name, None).await?;
    view.fresh = Some(FreshKey {
        secret: made.secret,
        public,
    });
    page_as(status, &view)
}

async fn view(api: &Api, visit: &Visit, query: EndpointsQuery) -> ApiResult<Endpoints> {
    let now = now(api);
    let filter = MessageFilter {
        state: query.failed.then_some(MessageState::Failed),
        ..MessageFilter::default()
    };
    let request = PageRequest {
        after: query.cursor.clone(),
        limit: Some(PAGE),
    };
    let page = api.store.webhook_messages(&request, &filter).await?;
    let endpoints = api.store.webhook_endpoints().await?;
    let failed = if query.failed { "true" } else { "" };
    Ok(Endpoints {
        chrome: visit.clone().under("/webhooks").chrome(api).await?,
        endpoints: endpoints.iter().map(|one| row(one, now)).collect(),
        messages: page
            .items
            .iter()
            .map(|one| messages::row(one, now))
            .collect(),
        failed_only: query.failed,
        pager: Pager {
            newer: query
                .cursor
                .map(|_| with_query(HERE, &[("failed", failed)])),
            older: page
                .next
                .map(|next| with_query(HERE, &[("cursor", &next), ("failed", failed)])),
        },
        may_change: visit.session.caller.may(Scope::WebhooksControl),
        signings: signings(SigningScheme::V1),
        typed: EndpointForm {
            timeout_s: "15".to_owned(),
            ..EndpointForm::default()
        },
        errors: Vec::new(),
    })
}

async fn one(
    api: &Api,
    visit: &Visit,
    name: &str,
    cursor: Option<String>,
) -> ApiResult<EndpointPage> {
    let now = now(api);
    let endpoint = api.control.webhook_endpoint(name).await.map_err(gone)?;
    let filter = MessageFilter {
        endpoint: Some(name.to_owned()),
        ..MessageFilter::default()
    };
    let request = PageRequest {
        after: cursor.clone(),
        limit: Some(PAGE),
    };
    let page = api.store.webhook_messages(&request, &filter).await?;
    let settings = &endpoint.settings;
    Ok(EndpointPage {
        chrome: visit.clone().under("/webhooks").chrome(api).await?,
        fresh: None,
        facts: facts(&endpoint, now),
        keys: endpoint
            .keys
            .iter()
            .map(|key| KeyRow {
                scheme: key.scheme.to_string(),
                public: key.public.clone(),
                created: stamp(key.created_at, now),
                expires: key.expires_at.map(|at| stamp(at, now)),
            })
            .collect(),
        messages: page
            .items
            .iter()
            .map(|one| messages::row(one, now))
            .collect(),
        pager: Pager {
            newer: cursor.map(|_| at(name)),
            older: page
                .next
                .map(|next| with_query(&at(name), &[("cursor", &next)])),
        },
        enabled: endpoint.state == EndpointState::Enabled,
        has_failed: endpoint.failed > 0,
        may_change: visit.session.caller.may(Scope::WebhooksControl),
        form: EndpointForm {
            name: name.to_owned(),
            url: settings.url.clone(),
            events: settings.events.join(" "),
            timeout_s: settings.timeout_s.to_string(),
            ordered: settings.ordered,
            description: settings.description.clone(),
        },
        errors: Vec::new(),
        endpoint: row(&endpoint, now),
    })
}

fn row(endpoint: &WebhookEndpoint, now: UtcTime) -> EndpointRow {
    let lane = endpoint.lane;
    let failing = lane.failures > 0;
    let (tone, word) = match endpoint.state {
        EndpointState::Disabled => (Tone::Quiet, "disabled"),
        EndpointState::Enabled if failing => (Tone::Warn, "failing"),
        EndpointState::Enabled => (Tone::Good, "enabled"),
    };
    let reason = match (endpoint.state, lane.held_until) {
        (EndpointState::Disabled, _) => endpoint.reason.clone(),
        (EndpointState::Enabled, Some(until)) if until > now => format!(
            "{} attempts failed in a row; the next is {}",
            lane.failures,
            stamp(until, now).ago
        ),
        (EndpointState::Enabled, _) if failing => {
            format!("{} attempts failed in a row", lane.failures)
        }
        _ => String::new(),
    };
    let queue = match (endpoint.waiting, endpoint.failed) {
        (0, 0) => "nothing waits".to_owned(),
        (waiting, 0) => format!("{waiting} wait"),
        (waiting, failed) => format!("{waiting} wait, {failed} failed"),
    };
    EndpointRow {
        name: endpoint.name.clone(),
        url: endpoint.settings.url.clone(),
        events: endpoint.settings.events.join(", "),
        state: Badge::new(tone, word),
        reason,
        queue,
    }
}

fn facts(endpoint: &WebhookEndpoint, now: UtcTime) -> Vec<Fact> {
    let settings = &endpoint.settings;
    let order = if settings.ordered {
        "kept: a message waits for the one before it"
    } else {
        "each message for itself"
    };
    let mut facts = vec![
        Fact::code("Address", &settings.url),
        Fact::text("Events", settings.events.join(", ")),
        Fact::text("Order", order),
        Fact::text("Waiting", endpoint.waiting.to_string()),
        Fact::text("Failed", endpoint.failed.to_string()),
        Fact::text("Queued up to", format!("event no. {}", endpoint.cursor)),
        Fact::new("Made", Value::Time(stamp(endpoint.created_at, now))),
    ];
    if !settings.description.is_empty() {
        facts.insert(0, Fact::text("For", &settings.description));
    }
    if let Some(since) = endpoint.lane.failing_since {
        facts.push(Fact::new("Failing since", Value::Time(stamp(since, now))));
    }
    facts
}
