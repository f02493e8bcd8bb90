//! Logging in with a one-time code, as `bllvm-node login` and the start print it.

use axum::http::HeaderValue;

use super::Auth;
use crate::api::error::{ApiResult, Code};
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
            id: "login code".to_owned(),
            request,
        };
        if self.0.store.commit(RedeemLoginCode { hash }).await? {
            return self.open_session([Scope::Admin].into(), by).await;
        }
        let refused = self.failed(
            peer,
            Code::LoginCodeInvalid,
            "a code works once and for 10 minutes; `bllvm-node login` prints another",
        );
        // Only as many rows as failures are let through, so that nobody fills the audit trail.
        if refused.code() == Code::LoginCodeInvalid {
            let row = Refused {
                action: actions::LOGIN.to_owned(),
                target: "login".to_owned(),
                detail: refused.to_string(),
                by,
            };
            self.0.store.commit(row).await?;
        }
        Err(refused)
    }
}
