//! Logging in: with a one-time code, as `bllvm-node login` and the start print it, or with a token.

use axum::http::HeaderValue;

use super::{Auth, Kind};
use crate::api::error::{ApiError, ApiResult, Code};
use crate::api::serve::Peer;
use crate::control::secret_hash;
use crate::model::{Actor, Scope};
use crate::store::commands::{RedeemLoginCode, Refused, actions};

impl Auth {
    /// Uses a login code up and opens a session; gives the `Set-Cookie` for it.
    ///
    /// # Errors
    /// `login_code_invalid` when the code is wrong, expired or used; `too_many_requests` when too
    /// many were wrong.
    pub async fn issue_session(
        &self,
        code: &str,
        peer: Option<Peer>,
        request: Option<String>,
    ) -> ApiResult<HeaderValue> {
        let hash = secret_hash(code.trim());
        let by = Actor {
            request,
            ..Actor::named("login code")
        };
        if self.0.store.commit(RedeemLoginCode { hash }).await? {
            return self.open_session([Scope::Admin].into(), by).await;
        }
        Err(self
            .refused_login(
                peer,
                Code::LoginCodeInvalid,
                "a code works once and for 10 minutes; `bllvm-node login` prints another",
                by,
            )
            .await?)
    }

    /// Opens a session that may what a token may, and ends with it; gives the `Set-Cookie` for it.
    ///
    /// # Errors
    /// When the token is not known, expired or revoked; `too_many_requests` when too many were wrong.
    pub async fn session_for_token(
        &self,
        text: &str,
        peer: Option<Peer>,
        request: Option<String>,
    ) -> ApiResult<HeaderValue> {
        let why = match self.token(text).await {
            Ok(Some(Kind::Token { modules, .. })) if !modules.is_empty() => {
                "this token is bound to modules, and the dashboard shows all of them; use one that is not bound".to_owned()
            }
            Ok(Some(Kind::Token { id, scopes, .. })) => {
                let by = Actor {
                    request,
                    ..Actor::named(format!("token:{id}"))
                };
                return self.open_session(scopes, by).await;
            }
            Ok(_) => "this token is not known here".to_owned(),
            Err(refused) if refused.problem().status < 500 => refused.problem().detail.clone(),
            Err(fault) => return Err(fault),
        };
        let by = Actor {
            request,
            ..Actor::named("token")
        };
        Err(self
            .refused_login(peer, Code::InvalidCredentials, &why, by)
            .await?)
    }

    /// Counts and records a login that failed.
    async fn refused_login(
        &self,
        peer: Option<Peer>,
        code: Code,
        why: &str,
        by: Actor,
    ) -> ApiResult<ApiError> {
        let refused = self.failed(peer, code, why);
        // Only as many rows as failures are let through, so that nobody fills the audit trail.
        if refused.code() == code {
            let row = Refused {
                action: actions::LOGIN.to_owned(),
                target: "login".to_owned(),
                detail: refused.to_string(),
                by,
            };
            self.0.store.commit(row).await?;
        }
        Ok(refused)
    }
}
