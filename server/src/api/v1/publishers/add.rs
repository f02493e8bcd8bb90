//! `POST /publishers`.

use axum::extract::State;
use bllvm_package::PublicKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::ApiResult;
use crate::api::extract::{Created, Json};
use crate::api::state::Api;
use crate::control::NewPublisher;
use crate::model::{Scope, TrustedPublisher};

/// A publisher that shall be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublisherBody {
    /// Its name, as its packages give it.
    #[schema(example = "example.org")]
    pub name: String,
    /// Its keys, as you heard them from it by a way that you trust.
    #[schema(min_items = 1, max_items = 16)]
    pub keys: Vec<PublicKey>,
    /// How many of them must sign.
    #[serde(default = "one")]
    #[schema(minimum = 1, default = 1)]
    pub threshold: usize,
    /// Which version of its keys these are; the next rotation must be one more.
    #[serde(default = "first")]
    #[schema(minimum = 1, default = 1)]
    pub version: u64,
}

fn one() -> usize {
    1
}

fn first() -> u64 {
    1
}

/// Trusts a publisher.
///
/// Packages that as many of its keys have signed as the threshold says are taken from now on. Nothing
/// is installed or granted by this.
#[utoipa::path(
    post, path = "/publishers", tag = "publishers",
    request_body = PublisherBody,
    responses((status = 201, description = "The publisher.", body = TrustedPublisher)),
    extensions(
        ("x-scope" = json!("admin")),
        ("x-problems" = json!(["publisher_exists", "package_refused"]))
    )
)]
pub async fn add_publisher(
    caller: Caller,
    State(api): State<Api>,
    Json(body): Json<PublisherBody>,
) -> ApiResult<Created<TrustedPublisher>> {
    caller.require(Scope::Admin)?;
    let new = NewPublisher {
        name: body.name,
        keys: body.keys,
        threshold: body.threshold,
        version: body.version,
    };
    let publisher = api.control.add_publisher(new, &caller.actor()).await?;
    let location = format!("/api/v1/publishers/{}", publisher.name);
    Ok(Created(location, publisher))
}
