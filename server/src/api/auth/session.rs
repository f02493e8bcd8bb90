//! Browser sessions: a cookie whose hash is kept, ended after 30 idle minutes or 12 hours, with a
//! form token bound to it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Auth;
use super::caller::Kind;
use super::form::SessionCaller;
use super::origin;
use super::secret::Secret;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::control::secret_hash;
use crate::model::{Actor, Id, Scopes};
use crate::store::commands::{AddSession, DropSession, TouchSession};

/// The header that carries a session's form token where there is no form.
pub const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
const IDLE_MS: i64 = 30 * 60_000;
const ABSOLUTE_MS: i64 = 12 * 3_600_000;
const TOUCH_EVERY_MS: i64 = 60_000;

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashKind {
    /// It was done.
    Success,
    /// It is under way.
    Pending,
    /// It was done, and something about it needs a look.
    Warning,
    /// It was not done.
    Error,
}

/// A notice for the next page that a session sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flash {
    /// What it is about.
    pub kind: FlashKind,
    /// The sentence.
    pub text: String,
    /// The operation that tells more.
    pub operation: Option<Id>,
}

/// Notices by session, in memory: none outlives a restart, and no page can plant one.
#[derive(Debug, Default)]
pub(super) struct Flashes(Mutex<HashMap<Id, Vec<Flash>>>);

impl Auth {
    /// The session secret that a browser sent.
    pub(super) fn session_cookie<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == self.0.session_cookie)
            .map(|(_, secret)| secret)
    }

    /// The session behind a cookie. What changes something must come from our own page; forms bring
    /// their token in the body, which the dashboard checks, everything else in a header.
    pub(super) async fn session(&self, parts: &Parts, secret: &str) -> ApiResult<Kind> {
        let expired = || {
            ApiError::new(
                Code::SessionExpired,
                "log in again: `bllvm-node login` prints an address",
            )
        };
        let hash = secret_hash(secret);
        let Some(session) = self.0.store.session_by_hash(&hash).await? else {
            return Err(expired());
        };
        let now = self.0.store.clock().now();
        let idle = now.unix_ms() - session.seen_at.unix_ms();
        if session.expires_at <= now || idle > IDLE_MS {
            return Err(expired());
        }
        // A session that a token opened ends with it.
        if let Some(token) = session.by.strip_prefix("token:")
            && !self.is_valid_token(token).await?
        {
            return Err(expired());
        }
        let csrf = csrf_of(secret);
        if origin::is_unsafe(&parts.method) {
            check_page(parts, &csrf)?;
        }
        if idle > TOUCH_EVERY_MS {
            let expires_at = session.expires_at;
            self.0
                .store
                .commit(TouchSession { hash, expires_at })
                .await?;
        }
        Ok(Kind::Session {
            id: session.id,
            hash,
            scopes: session.scopes,
            csrf,
        })
    }

    /// Opens a session and gives the `Set-Cookie` for it.
    pub(super) async fn open_session(&self, scopes: Scopes, by: Actor) -> ApiResult<HeaderValue> {
        let secret = Secret::new();
        let now = self.0.store.clock().now();
        self.0
            .store
            .commit(AddSession {
                hash: secret.hash(),
                scopes,
                expires_at: now.plus_ms(ABSOLUTE_MS),
                by,
            })
            .await?;
        let cookie = format!(
            "{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}",
            self.0.session_cookie,
            secret.reveal(),
            ABSOLUTE_MS / 1000
        );
        HeaderValue::from_str(&cookie).map_err(ApiError::internal)
    }

    /// Ends a session and gives the `Set-Cookie` that removes its cookie.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn close_session(&self, session: &SessionCaller) -> ApiResult<HeaderValue> {
        let by = session.caller.actor();
        self.0
            .store
            .commit(DropSession {
                hash: session.hash,
                by,
            })
            .await?;
        self.take_flashes(session.session);
        let cookie = format!(
            "{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0",
            self.0.session_cookie
        );
        HeaderValue::from_str(&cookie).map_err(ApiError::internal)
    }

    /// Leaves a notice for the next page of a session.
    pub fn flash(&self, session: Id, notice: Flash) {
        let mut all = self
            .0
            .flashes
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let notices = all.entry(session).or_default();
        // A page shows them all; more than a few come from a loop, and the newest count.
        if notices.len() == 8 {
            notices.remove(0);
        }
        notices.push(notice);
    }

    /// The notices for a session's page, which are gone after this.
    pub fn take_flashes(&self, session: Id) -> Vec<Flash> {
        let mut all = self
            .0
            .flashes
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.remove(&session).unwrap_or_default()
    }
}

/// A session's form token: it follows from the cookie's secret and does not reveal it.
fn csrf_of(secret: &str) -> String {
    let hash = Sha256::new()
        .chain_update(b"bllvm form token\0")
        .chain_update(secret.as_bytes())
        .finalize();
    hex::encode(hash)
}

/// Whether a form token is the session's.
pub(super) fn csrf_fits(expected: &str, given: &str) -> bool {
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

pub(super) fn csrf_refused() -> ApiError {
    ApiError::new(
        Code::CsrfRefused,
        "the form's token is missing or belongs to another session; load the page again and repeat",
    )
}

fn check_page(parts: &Parts, csrf: &str) -> ApiResult<()> {
    if !origin::is_own_page(&parts.headers) {
        return Err(ApiError::new(
            Code::OriginRefused,
            "a session may change something only from this node's own pages",
        ));
    }
    match parts.headers.get(CSRF_HEADER) {
        Some(given) if csrf_fits(csrf, given.to_str().unwrap_or_default()) => Ok(()),
        None if is_form(&parts.headers) && !is_for_programs(parts.uri.path()) => Ok(()),
        _ => Err(csrf_refused()),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(axum::http::header::CONTENT_TYPE)
        .is_some_and(|kind| {
            kind.as_bytes()
                .starts_with(b"application/x-www-form-urlencoded")
        })
}

/// Addresses that no form of ours is sent to.
fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/") || path == "/rpc"
}
