//! What the dashboard's handlers ask for: a session, whose token each of its forms carries.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::caller::{Caller, Kind};
use super::session::{csrf_fits, csrf_refused};
use crate::api::error::{ApiError, ApiResult, Code};
use crate::model::{Id, Scope};

/// A caller with a browser's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCaller {
    /// The session's id, for notices and logout.
    pub session: Id,
    /// What every form must carry in a hidden field `_csrf`.
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
