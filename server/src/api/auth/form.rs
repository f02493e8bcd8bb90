//! What the dashboard's handlers ask for: a session, and a form that carries its token.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::{Form, RequestExt as _};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::caller::{Caller, Kind};
use super::session::{csrf_fits, csrf_refused};
use crate::api::error::{ApiError, ApiResult, Code};
use crate::model::{Id, Scope};

/// A caller with a browser's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCaller {
    /// The session's id, for notices and logout.
    pub session: Id,
    /// What every form must carry in a hidden field `csrf`.
    pub csrf: String,
    /// SHA-256 of its cookie.
    pub(super) hash: [u8; 32],
    /// The caller, for verbs.
    pub caller: Caller,
}

impl SessionCaller {
    /// Whether a form's token is this session's.
    ///
    /// # Errors
    /// `csrf_refused`.
    pub fn verify_csrf(&self, given: &str) -> ApiResult<()> {
        if csrf_fits(&self.csrf, given) {
            return Ok(());
        }
        Err(csrf_refused())
    }

    /// As [`Caller::require`].
    ///
    /// # Errors
    /// `missing_scope`.
    pub fn require(&self, scope: Scope) -> ApiResult<()> {
        self.caller.require(scope)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SessionCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let caller = <Caller as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        match caller.kind() {
            Kind::Session { id, hash, csrf, .. } => Ok(Self {
                session: *id,
                hash: *hash,
                csrf: csrf.clone(),
                caller,
            }),
            _ => Err(ApiError::new(
                Code::Unauthenticated,
                "log in: `bllvm-node login` prints an address",
            )),
        }
    }
}

/// A form whose hidden field `csrf` was checked against the caller's session. A handler that takes
/// a form this way cannot forget the check.
#[derive(Clone, Debug)]
pub struct SignedForm<T>(pub T);

#[derive(Deserialize)]
struct Csrf {
    #[serde(default)]
    csrf: String,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for SignedForm<T> {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, state: &S) -> ApiResult<Self> {
        let session: SessionCaller = request.extract_parts_with_state(state).await?;
        let (parts, body) = request.into_parts();
        let bytes = axum::body::to_bytes(body, crate::api::edge::MAX_FORM_BYTES)
            .await
            .map_err(|_| ApiError::new(Code::PayloadTooLarge, "the form is larger than 1 MiB"))?;
        let refused = |error: axum::extract::rejection::FormRejection| {
            ApiError::new(Code::InvalidBody, error.body_text())
        };
        let again = |parts: &Parts| Request::from_parts(parts.clone(), bytes.clone().into());
        let Form(Csrf { csrf }) = Form::from_request(again(&parts), state)
            .await
            .map_err(refused)?;
        session.verify_csrf(&csrf)?;
        let Form(value) = Form::from_request(again(&parts), state)
            .await
            .map_err(refused)?;
        Ok(Self(value))
    }
}
