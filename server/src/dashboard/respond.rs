//! Answers: a page, or the way to one.

use std::time::Duration;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bllvm_web::Template;
use bllvm_web::parts::Tone;
use tokio::time::{Instant, timeout_at};

use super::present::{operation, sentence};
use super::visit::Visit;
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult};
use crate::control::ControlError;
use crate::model::{Operation, kinds};

/// How long a button waits for what it began, so that the next page shows how it went. What takes
/// longer is followed on the operation's page.
const PATIENCE: Duration = Duration::from_secs(4);

/// A page.
///
/// # Errors
/// When the template fails, which is a fault of ours.
pub fn page(view: &impl Template) -> ApiResult<Response> {
    page_as(StatusCode::OK, view)
}

/// A page that shows what is wrong with what was typed.
///
/// # Errors
/// When the template fails, which is a fault of ours.
pub fn refused_page(view: &impl Template) -> ApiResult<Response> {
    page_as(StatusCode::UNPROCESSABLE_ENTITY, view)
}

/// A page with a status.
///
/// # Errors
/// When the template fails, which is a fault of ours.
pub fn page_as(status: StatusCode, view: &impl Template) -> ApiResult<Response> {
    let html = view.render().map_err(ApiError::internal)?;
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The way to another page after a post.
pub fn see(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    // Paths are checked or made here; one that is no header value leads to the first page.
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, location);
    response
}

/// Answers a button: says on the next page how it went, or why it was refused.
///
/// # Errors
/// For what no page can show beside its button: the thing is gone, or the fault is ours.
pub async fn after(
    api: &Api,
    visit: &Visit,
    outcome: Result<Operation, ControlError>,
    next: &str,
) -> ApiResult<Response> {
    match outcome {
        Ok(begun) => {
            tell_outcome(api, visit, begun).await?;
        }
        Err(error) => tell_refusal(api, visit, error)?,
    }
    Ok(see(next))
}

/// Waits a moment for an operation and tells how it went.
///
/// # Errors
/// When the store cannot be read.
pub async fn tell_outcome(api: &Api, visit: &Visit, begun: Operation) -> ApiResult<Operation> {
    let operation = settled(api, begun).await?;
    let (tone, text) = operation::outcome(&operation);
    visit.tell(api, tone, text, Some(operation.id));
    Ok(operation)
}

/// Tells why a verb was refused.
///
/// # Errors
/// For what no page can show beside its button: the thing is gone, or the fault is ours.
pub fn tell_refusal(api: &Api, visit: &Visit, error: ControlError) -> ApiResult<()> {
    let refused = ApiError::from(error);
    let problem = refused.problem();
    if problem.status >= 500 || problem.status == StatusCode::NOT_FOUND.as_u16() {
        return Err(refused);
    }
    visit.tell(api, Tone::Bad, sentence(&problem.detail), problem.operation);
    Ok(())
}

/// The operation once it is over, or as it stands after a moment.
///
/// # Errors
/// When the store cannot be read.
pub async fn settled(api: &Api, begun: Operation) -> ApiResult<Operation> {
    let deadline = Instant::now() + PATIENCE;
    let mut changes = api.journal.live(vec![kinds::OPERATION.to_owned()], None);
    let mut operation = begun;
    loop {
        if let Some(newer) = api.store.operation(operation.id).await? {
            operation = newer;
        }
        if operation.status.is_final() {
            return Ok(operation);
        }
        tokio::select! {
            () = api.soft.cancelled() => return Ok(operation),
            moved = timeout_at(deadline, changes.next()) => match moved {
                Ok(Ok(Some(_))) => {}
                _ => return Ok(operation),
            },
        }
    }
}
