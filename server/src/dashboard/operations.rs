//! `/operations`: what takes a while, one of them, and its end by a person.

use axum::extract::State;
use axum::response::Response;
use bllvm_web::pages::{OperationPage, Operations, StepRow};
use bllvm_web::parts::{Badge, Fact, Pager, Problem, Tone, Value};
use serde::Deserialize;

use super::address::with_query;
use super::form::Signed;
use super::present::{capital, lasted, operation, sentence, stamp, who};
use super::respond::{page, see, tell_refusal};
use super::visit::{Visit, now};
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{Path, Query};
use crate::model::{Id, Operation, OperationKind, OperationStatus, Scope, UtcTime};
use crate::store::{OperationFilter, PageRequest};

const PAGE: u32 = 50;

/// Where the list goes on.
#[derive(Debug, Default, Deserialize)]
pub struct OperationsQuery {
    cursor: Option<String>,
}

/// `GET /operations`
///
/// # Errors
/// When the store cannot be read.
pub async fn list(
    State(api): State<Api>,
    visit: Visit,
    Query(query): Query<OperationsQuery>,
) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    let now = now(&api);
    let mut open = Vec::new();
    for status in [OperationStatus::Running, OperationStatus::Queued] {
        let filter = OperationFilter {
            module: None,
            status: Some(status),
        };
        let some = api
            .store
            .operations(&filter, &PageRequest::of(PAGE))
            .await?
            .items;
        open.extend(some.iter().map(|one| operation::row(one, now)));
    }
    let request = PageRequest {
        after: query.cursor.clone(),
        limit: Some(PAGE),
    };
    let all = api
        .store
        .operations(&OperationFilter::default(), &request)
        .await?;
    let done = all.items.iter().filter(|one| one.status.is_final());
    page(&Operations {
        chrome: visit.chrome(&api).await?,
        open: if query.cursor.is_none() {
            open
        } else {
            Vec::new()
        },
        done: done.map(|one| operation::row(one, now)).collect(),
        pager: Pager {
            newer: query.cursor.map(|_| "/operations".to_owned()),
            older: all
                .next
                .map(|next| with_query("/operations", &[("cursor", &next)])),
        },
    })
}

/// `GET /operations/{id}`
///
/// # Errors
/// When there is none of this id.
pub async fn show(State(api): State<Api>, visit: Visit, Path(id): Path<Id>) -> ApiResult<Response> {
    visit.require(Scope::ModulesRead)?;
    let found = api.store.operation(id).await?.ok_or_else(|| {
        ApiError::new(
            Code::OperationNotFound,
            format!("there is no operation {id}"),
        )
    })?;
    let now = now(&api);
    let row = operation::row(&found, now);
    let problem = found.failure.as_ref().map(|failure| Problem {
        what: sentence(&failure.detail),
        advice: String::new(),
        lines: Vec::new(),
    });
    page(&OperationPage {
        chrome: visit.chrome(&api).await?,
        steps: steps(&found, now),
        facts: facts(&found, now),
        problem,
        next: next(&found),
        operation: row,
    })
}

/// `POST /operations/{id}/cancel`
///
/// # Errors
/// When there is none of this id.
pub async fn cancel(
    State(api): State<Api>,
    Path(id): Path<Id>,
    form: Signed,
) -> ApiResult<Response> {
    form.visit.require(Scope::ModulesControl)?;
    match api.control.cancel_operation(id, &form.visit.actor()).await {
        Ok(ended) => {
            let (tone, text) = operation::outcome(&ended);
            form.visit.tell(&api, tone, text, None);
        }
        Err(error) => tell_refusal(&api, &form.visit, error)?,
    }
    Ok(see(&format!("/operations/{id}")))
}

/// Where a module goes on that was fetched or taken in.
fn next(of: &Operation) -> Option<(String, String)> {
    let name = of.module.as_ref()?;
    match (of.kind, of.status) {
        (OperationKind::Install, OperationStatus::Succeeded) => Some((
            format!("/modules/{name}/review"),
            format!("Review what {name} asks for"),
        )),
        (OperationKind::Fetch, OperationStatus::Succeeded) => {
            let path = of.result.get("path")?.as_str()?;
            let href = with_query(&format!("/modules/{name}/versions"), &[("path", path)]);
            Some((href, "See what it would change".to_owned()))
        }
        _ => None,
    }
}

/// What is known of its course: asked for, under way, over.
fn steps(of: &Operation, now: UtcTime) -> Vec<StepRow> {
    let done = Badge::new(Tone::Good, "done");
    let step = |status: Badge, title: &str, detail: String, took: String| StepRow {
        status,
        title: title.to_owned(),
        detail,
        took,
    };
    let asked = format!("By {}, {}.", who(&of.by), stamp(of.created_at, now).exact);
    let mut steps = vec![step(done, "Recorded", asked, String::new())];
    let so_far = |until| lasted(of.created_at, until);
    let detail = sentence(&of.step);
    let last = match of.status {
        OperationStatus::Queued => step(
            operation::status(of.status),
            "Waiting to begin",
            String::new(),
            so_far(now),
        ),
        OperationStatus::Running => step(
            operation::status(of.status),
            "Under way",
            detail,
            so_far(now),
        ),
        OperationStatus::Succeeded => step(
            Badge::new(Tone::Good, "done"),
            "Done",
            operation::outcome(of).1,
            so_far(of.changed_at),
        ),
        ended => step(
            operation::status(ended),
            "Ended",
            operation::outcome(of).1,
            so_far(of.changed_at),
        ),
    };
    steps.push(last);
    steps
}

fn facts(of: &Operation, now: UtcTime) -> Vec<Fact> {
    let mut facts = vec![
        Fact::text("Asked for by", who(&of.by)),
        Fact::new("Asked for", Value::Time(stamp(of.created_at, now))),
        Fact::new("Last changed", Value::Time(stamp(of.changed_at, now))),
    ];
    if let Some(name) = &of.module {
        let link = Value::Link {
            href: format!("/modules/{name}"),
            text: name.to_string(),
        };
        facts.insert(0, Fact::new("Module", link));
    }
    if let Some(failure) = &of.failure {
        facts.push(Fact::code("Code", &failure.code));
    }
    if let Some(fields) = of.result.as_object() {
        let shown = fields
            .iter()
            .filter(|(name, value)| !value.is_null() && name.as_str() != "mode")
            .take(8);
        facts.extend(shown.map(|(name, value)| Fact::text(capital(name), short(value))));
    }
    facts.push(Fact::code("Id", of.id.to_string()));
    facts
}

/// A value of the result on one line.
fn short(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) if items.len() > 3 => format!("{} items", items.len()),
        other => other.to_string(),
    }
}
