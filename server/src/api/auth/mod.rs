//! Who asks, and what they may.
//!
//! Four kinds of callers: the cookie file's reader and a process of our own user on the unix
//! socket (both the local administrator), a token with scopes, and a browser's session. Each
//! becomes a [`Caller`], which handlers ask for a [`Scope`]; the dashboard asks for a
//! [`SessionCaller`].

mod caller;
pub mod cookie;
pub mod failures;
mod form;
mod login;
pub mod origin;
mod secret;
mod session;
mod token;

use std::sync::Arc;

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::Instant;

pub use caller::{Caller, Kind};
pub use form::SessionCaller;
pub use session::{CSRF_HEADER, Flash, FlashKind};

use self::cookie::Cookie;
use self::failures::Failures;
use super::edge::RequestId;
use super::error::{ApiError, ApiResult, Code};
use super::serve::Peer;
use crate::store::Store;

/// Verifies credentials. Clones share everything.
#[derive(Clone, Debug)]
pub struct Auth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    cookie: Cookie,
    failures: Failures,
    tokens: token::Known,
    flashes: session::Flashes,
    session_cookie: String,
}

impl Auth {
    /// Credentials kept in `store` and in the cookie file. `port` goes into the name of the
    /// browser's cookie, because browsers share cookies between the ports of a host.
    pub fn new(store: Store, cookie: Cookie, port: u16) -> Self {
        Self(Arc::new(Inner {
            store,
            cookie,
            failures: Failures::default(),
            tokens: token::Known::default(),
            flashes: session::Flashes::default(),
            session_cookie: format!("bllvm_session_{port}"),
        }))
    }

    /// Finds out who asks.
    ///
    /// # Errors
    /// When the credentials are missing, wrong, expired or revoked, or a page of another site sent
    /// them.
    pub async fn authenticate(&self, parts: &Parts) -> ApiResult<Caller> {
        let request = parts.extensions.get::<RequestId>();
        let peer = parts.extensions.get::<Peer>().copied();
        let kind = self.identify(parts, peer).await?;
        Ok(Caller::new(kind, request.map(|id| id.0.to_string())))
    }

    /// Finds out who asks by the password alone, as tools of Bitcoin Core send it: the cookie
    /// file's or a token, under any user name.
    ///
    /// # Errors
    /// When there is none, or it is wrong, expired or revoked.
    pub async fn by_password(&self, parts: &Parts) -> ApiResult<Caller> {
        let peer = parts.extensions.get::<Peer>().copied();
        let kind = match parts.headers.get(AUTHORIZATION) {
            None => {
                let detail = "send the cookie file's password, or a token, by basic authentication";
                return Err(ApiError::new(Code::Unauthenticated, detail));
            }
            Some(value) => match read_authorization(value.as_bytes()) {
                Some(Credentials::Basic { password, .. }) if self.0.cookie.fits(&password) => {
                    Some(Kind::Cookie)
                }
                Some(Credentials::Basic { password, .. } | Credentials::Bearer(password)) => {
                    self.token(&password).await?
                }
                None => None,
            },
        };
        let detail = "this password is neither the cookie file's nor a token's";
        let kind = kind.ok_or_else(|| self.failed(peer, Code::InvalidCredentials, detail))?;
        Ok(Caller::new(kind, None))
    }

    async fn identify(&self, parts: &Parts, peer: Option<Peer>) -> ApiResult<Kind> {
        if let Some(value) = parts.headers.get(AUTHORIZATION) {
            let known = match read_authorization(value.as_bytes()) {
                Some(Credentials::Bearer(text)) => self.token(&text).await?,
                Some(Credentials::Basic { user, password }) => self.basic(&user, &password).await?,
                None => None,
            };
            return known.ok_or_else(|| {
                self.failed(
                    peer,
                    Code::InvalidCredentials,
                    "these credentials are not known; use a token as `Authorization: Bearer bllvm_…`, or user and password from the cookie file",
                )
            });
        }
        if let Some(cookie) = self.session_cookie(&parts.headers) {
            return self.session(parts, cookie).await;
        }
        if let Some(Peer::Unix { uid }) = peer
            && (uid == 0 || uid == rustix::process::geteuid().as_raw())
        {
            return Ok(Kind::Unix { uid });
        }
        Err(ApiError::new(
            Code::Unauthenticated,
            "send a token as `Authorization: Bearer bllvm_…`, or user and password from the file .cookie in the data directory",
        ))
    }

    /// The cookie file's password, or a token as the password of any user.
    async fn basic(&self, user: &str, password: &str) -> ApiResult<Option<Kind>> {
        if user == cookie::USER {
            return Ok(self.0.cookie.fits(password).then_some(Kind::Cookie));
        }
        self.token(password).await
    }

    /// The refusal for credentials that are not known: counted per address.
    fn failed(&self, peer: Option<Peer>, code: Code, detail: &str) -> ApiError {
        let address = peer.map_or([127, 0, 0, 1].into(), Peer::ip);
        tracing::warn!(peer.address = %address, code = code.as_str(), "credentials were refused");
        match self.0.failures.count(address, Instant::now()) {
            Ok(()) => ApiError::new(code, detail),
            Err(wait) => ApiError::new(
                Code::TooManyRequests,
                format!("too many failed logins from this address; {detail}"),
            )
            .retry_after_ms(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

enum Credentials {
    Bearer(String),
    Basic { user: String, password: String },
}

fn read_authorization(value: &[u8]) -> Option<Credentials> {
    let (scheme, rest) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Credentials::Bearer(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Credentials::Basic {
        user: user.to_owned(),
        password: password.to_owned(),
    })
}
