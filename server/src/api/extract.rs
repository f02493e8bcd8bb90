//! Extractors and answers: text becomes types or a problem before a handler runs.
//!
//! They are axum's own, with its rejections turned into [`ApiError`]s that name the field.

use std::time::Duration;

use axum::Json as AxumJson;
use axum::body::Bytes;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{
    FromRequest, FromRequestParts, OptionalFromRequest, Path as AxumPath, Query as AxumQuery,
    Request,
};
use axum::http::header::{ETAG, IF_MATCH, LOCATION, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{ApiError, ApiResult, Code, FieldProblem};
use crate::model::Operation;

/// The address's variable parts.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        match AxumPath::<T>::from_request_parts(parts, state).await {
            Ok(AxumPath(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(failed)) => {
                let detail = match failed.kind() {
                    ErrorKind::DeserializeError { key, message, .. } => {
                        format!("`{key}` in the address: {message}")
                    }
                    ErrorKind::ParseErrorAtKey { key, value, .. } => {
                        format!("`{key}` in the address: `{value}` does not fit")
                    }
                    other => format!("the address does not fit: {other}"),
                };
                Err(ApiError::new(Code::InvalidParameter, detail))
            }
            Err(other) => Err(ApiError::internal(other)),
        }
    }
}

/// The fields after `?`.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        match AxumQuery::<T>::from_request_parts(parts, state).await {
            Ok(AxumQuery(value)) => Ok(Self(value)),
            Err(QueryRejection::FailedToDeserializeQueryString(failed)) => Err(ApiError::new(
                Code::InvalidParameter,
                failed
                    .body_text()
                    .replace("Failed to deserialize query string: ", "the query: "),
            )),
            Err(other) => Err(ApiError::internal(other)),
        }
    }
}

/// A JSON body.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> ApiResult<Self> {
        match <AxumJson<T> as FromRequest<S>>::from_request(request, state).await {
            Ok(AxumJson(value)) => Ok(Self(value)),
            Err(rejection) => Err(json_error(&rejection)),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequest<S> for Json<T> {
    type Rejection = ApiError;

    /// A missing body is no body; one without a content type is none either, so that
    /// `curl -X POST` without `-d` works.
    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, ApiError> {
        match <AxumJson<T> as OptionalFromRequest<S>>::from_request(request, state).await {
            Ok(value) => Ok(value.map(|AxumJson(value)| Self(value))),
            Err(rejection) => Err(json_error(&rejection)),
        }
    }
}

fn json_error(rejection: &JsonRejection) -> ApiError {
    match rejection {
        JsonRejection::JsonSyntaxError(error) => ApiError::new(
            Code::InvalidJson,
            cause(error).unwrap_or_else(|| "the body is not JSON".to_owned()),
        ),
        JsonRejection::JsonDataError(error) => {
            let cause = cause(error).unwrap_or_else(|| error.body_text());
            let (pointer, detail) = match cause.split_once(": ") {
                // serde_path_to_error writes the path before the message.
                Some((path, message)) if !path.contains(' ') => (pointer(path), message.to_owned()),
                _ => (String::new(), cause.clone()),
            };
            ApiError::new(Code::InvalidBody, format!("the body does not fit: {cause}"))
                .with_errors(vec![FieldProblem { pointer, detail }])
        }
        JsonRejection::MissingJsonContentType(_) => ApiError::new(
            Code::UnsupportedMediaType,
            "send the body with `Content-Type: application/json`",
        ),
        JsonRejection::BytesRejection(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            too_large()
        }
        other => ApiError::new(Code::BadRequest, other.body_text()),
    }
}

/// A raw body, within the limit.
#[derive(Clone, Debug)]
pub struct Body(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> ApiResult<Self> {
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_large()),
            Err(error) => Err(ApiError::new(Code::BadRequest, error.body_text())),
        }
    }
}

/// Bytes as JSON.
///
/// # Errors
/// `invalid_json`, with the place.
pub fn parse_json(bytes: &Bytes) -> ApiResult<serde_json::Value> {
    serde_json::from_slice(bytes)
        .map_err(|error| ApiError::new(Code::InvalidJson, format!("the body is not JSON: {error}")))
}

fn too_large() -> ApiError {
    let limit = super::edge::MAX_BODY_BYTES / 1024;
    ApiError::new(
        Code::PayloadTooLarge,
        format!("the body is larger than {limit} KiB"),
    )
}

fn cause(error: &dyn std::error::Error) -> Option<String> {
    error.source().map(ToString::to_string)
}

/// `a.b[2].c` as a JSON pointer.
fn pointer(path: &str) -> String {
    if path == "." {
        return String::new();
    }
    path.split(['.', '['])
        .map(|part| part.trim_end_matches(']'))
        .filter(|part| !part.is_empty())
        .fold(String::new(), |pointer, part| {
            pointer + "/" + &part.replace('~', "~0").replace('/', "~1")
        })
}

/// The entity tag that a change builds on: `If-Match`, quotes taken off. `*` asks for "whatever is
/// there".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfMatch(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> ApiResult<Self> {
        let Some(value) = parts.headers.get(IF_MATCH) else {
            return Ok(Self(None));
        };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(Some("*".to_owned())));
        }
        text.strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .filter(|tag| !tag.contains('"') && !tag.is_empty())
            .map(|tag| Self(Some(tag.to_owned())))
            .ok_or_else(|| {
                ApiError::new(
                    Code::InvalidParameter,
                    "`If-Match` takes one strong entity tag in quotes, as `ETag` shows it",
                )
            })
    }
}

/// An `ETag` header for an answer.
pub fn etag(tag: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        headers.insert(ETAG, value);
    }
    headers
}

/// 202: an operation that takes its time, and where to watch it.
#[derive(Debug)]
pub struct Accepted(pub Operation);

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let location = format!("/api/v1/operations/{}", self.0.id);
        let mut response = (StatusCode::ACCEPTED, AxumJson(self.0)).into_response();
        let headers = response.headers_mut();
        if let Ok(location) = HeaderValue::from_str(&location) {
            headers.insert(LOCATION, location);
        }
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        response
    }
}

/// 201: what came to be, and where it is.
#[derive(Debug)]
pub struct Created<T>(pub String, pub T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, AxumJson(self.1)).into_response();
        if let Ok(location) = HeaderValue::from_str(&self.0) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }
}

/// The time in `?wait=10s`: `500ms`, `10s`, `1m`, at most a minute.
pub fn wait_time(text: &str) -> ApiResult<Duration> {
    let refuse = || {
        ApiError::new(
            Code::InvalidParameter,
            format!(
                "`wait` is `{text}`; use a time such as `500ms`, `10s` or `1m`, at most a minute"
            ),
        )
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| refuse())?;
    let wait = match &text[digits.len()..] {
        "ms" => Duration::from_millis(number),
        "s" | "" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err(refuse()),
    };
    if wait > Duration::from_mins(1) {
        return Err(refuse());
    }
    Ok(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_takes_units_and_refuses_more_than_a_minute() {
        assert_eq!(wait_time("10s").unwrap(), Duration::from_secs(10));
        assert_eq!(wait_time("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(wait_time("1m").unwrap(), Duration::from_mins(1));
        for bad in ["", "s", "2m", "-1s", "1h", "ten"] {
            assert!(wait_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_serde_path_becomes_a_pointer() {
        assert_eq!(pointer("grant.listeners[0].x/y"), "/grant/listeners/0/x~1y");
        assert_eq!(pointer("."), "");
    }
}
