//! A module's configuration: what applies, its schema, its revisions.

pub mod get;
pub mod patch;
pub mod put;
pub mod revisions;
pub mod rollback;
pub mod schema;
pub mod validate;

use axum::Json;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bllvm_manifest::ModuleName;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::extract::{etag, parse_json};
use crate::api::state::Api;
use crate::control::{ConfigChange, ConfigInput, ControlError, SetConfig};
use crate::model::ConfigSource;

/// Whether to change something.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DryRunQuery {
    /// Only say what would happen.
    #[serde(default)]
    #[param(required = false)]
    pub dry_run: bool,
}

/// What a body is, without its parameters.
fn media_type(headers: &HeaderMap) -> &str {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim()
}

/// A whole configuration in a body: TOML text or JSON, as its content type says.
fn whole(headers: &HeaderMap, body: &Bytes) -> ApiResult<ConfigInput> {
    match media_type(headers) {
        "application/json" => parse_json(body).map(ConfigInput::Json),
        "application/toml" | "text/plain" => match std::str::from_utf8(body) {
            Ok(text) => Ok(ConfigInput::Toml(text.to_owned())),
            Err(error) => Err(ApiError::new(
                Code::InvalidConfig,
                format!(
                    "the configuration is not UTF-8 text: byte {} is the first that is not",
                    error.valid_up_to()
                ),
            )),
        },
        _ => Err(ApiError::new(
            Code::UnsupportedMediaType,
            "send the configuration with `Content-Type: application/toml` or `application/json`",
        )),
    }
}

/// The entity tag that a change is based on: `*` stands for whatever is there now.
pub(in crate::api) async fn based_on(
    api: &Api,
    name: &ModuleName,
    if_match: Option<String>,
) -> ApiResult<Option<String>> {
    match if_match.as_deref() {
        Some("*") => Ok(Some(api.control.config(name).await.map_err(named)?.etag)),
        _ => Ok(if_match),
    }
}

/// Changes a configuration, or says what the change would be.
async fn change(
    api: &Api,
    caller: &Caller,
    name: &ModuleName,
    query: &DryRunQuery,
    if_match: Option<String>,
    input: ConfigInput,
) -> ApiResult<Response> {
    let request = SetConfig {
        input,
        if_match: based_on(api, name, if_match).await?,
        source: ConfigSource::Api,
        dry_run: query.dry_run,
    };
    let change = api.control.set_config(name, request, &caller.actor()).await;
    Ok(changed(change.map_err(named)?))
}

/// The answer to a change: 202 where a running module takes it over, 200 else.
fn changed(change: ConfigChange) -> Response {
    let tag = etag(&change.etag);
    let Some(operation) = &change.operation else {
        return (tag, Json(change)).into_response();
    };
    let location = [("location", format!("/api/v1/operations/{}", operation.id))];
    (StatusCode::ACCEPTED, tag, location, Json(change)).into_response()
}

fn named(error: ControlError) -> ApiError {
    ApiError::from(error).or_not_found(Code::ModuleNotFound)
}
