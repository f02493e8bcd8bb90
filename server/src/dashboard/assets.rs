//! `/assets/{name}`: files under names that hold their hash, so that browsers may keep them.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bllvm_web::assets;

use crate::api::error::{ApiError, ApiResult, Code};

/// `GET /assets/{name}`
///
/// # Errors
/// When no file has this name.
pub async fn get(Path(name): Path<String>, headers: HeaderMap) -> ApiResult<Response> {
    let asset = assets::find(&name).ok_or_else(|| {
        ApiError::new(
            Code::RouteNotFound,
            "there is no such file; load the page again",
        )
    })?;
    let kept = [
        (CACHE_CONTROL, assets::CACHE_CONTROL),
        (ETAG, asset.etag.as_str()),
    ];
    if headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known == asset.etag.as_str())
    {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    Ok((kept, [(CONTENT_TYPE, asset.content_type)], asset.bytes).into_response())
}
