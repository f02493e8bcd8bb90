//! Tokens: whoever shows one is what it stands for. They are made by `control`, which keeps only
//! their hashes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Auth;
use super::caller::Kind;
use crate::api::error::{ApiError, ApiResult, Code};
use crate::control::secret_hash;
use crate::model::kinds;
use crate::store::commands::{TouchToken, actions};
use crate::store::{Store, Token};

/// How long a token that was looked up is believed; also how exactly "last used" is kept.
const BELIEVED: Duration = Duration::from_mins(1);
/// Tokens that are remembered.
const CAPACITY: usize = 1024;
/// New events that are looked through for a revocation before everything is forgotten.
const LOOK_THROUGH: usize = 256;
/// The longest text that may be a token.
const MAX_TEXT: usize = 128;

/// Tokens that were looked up a short while ago, by hash. A revocation, by whomever, is in the
/// journal before it is answered, and makes this forget them all.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    seq: u64,
    tokens: HashMap<[u8; 32], (Arc<Token>, Instant)>,
}

impl Known {
    fn get(&self, store: &Store, hash: &[u8; 32]) -> Option<Arc<Token>> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = store.last_seq();
        if seen.seq != last {
            if may_have_revoked(store, seen.seq, last) {
                seen.tokens.clear();
            }
            seen.seq = last;
        }
        let (token, since) = seen.tokens.get(hash)?;
        (since.elapsed() < BELIEVED).then(|| token.clone())
    }

    /// Keeps a token that was read when the journal stood at `seq`.
    fn put(&self, seq: u64, hash: [u8; 32], token: Arc<Token>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.seq != seq {
            return;
        }
        if seen.tokens.len() >= CAPACITY {
            seen.tokens.clear();
        }
        seen.tokens.insert(hash, (token, Instant::now()));
    }
}

/// Whether a token may have been revoked after an event and up to another.
fn may_have_revoked(store: &Store, after: u64, upto: u64) -> bool {
    let Some(events) = store.feed().after_seq(after, LOOK_THROUGH) else {
        return true;
    };
    let reached = events.last().is_some_and(|one| one.event.seq >= upto);
    !reached
        || events.iter().any(|one| {
            one.event.kind == kinds::AUDIT && one.event.data["action"] == actions::REVOKE_TOKEN
        })
}

impl Auth {
    /// The caller that a token's text stands for; none where it is not known.
    pub(super) async fn token(&self, text: &str) -> ApiResult<Option<Kind>> {
        if !text.starts_with("bllvm_") || text.len() > MAX_TEXT {
            return Ok(None);
        }
        let hash = secret_hash(text);
        let store = &self.0.store;
        let token = match self.0.tokens.get(store, &hash) {
            Some(token) => token,
            // A lookup by the hash of 256 random bits tells nothing by its duration.
            None => match self.look_up(hash).await? {
                Some(token) => token,
                None => return Ok(None),
            },
        };
        if let Some(when) = token.revoked_at {
            return Err(ApiError::new(
                Code::TokenRevoked,
                format!("token {} was revoked at {when}; ask for another", token.id),
            ));
        }
        if let Some(when) = token.expires_at
            && when <= store.clock().now()
        {
            return Err(ApiError::new(
                Code::TokenExpired,
                format!("token {} expired at {when}; ask for another", token.id),
            ));
        }
        Ok(Some(Kind::Token {
            id: token.id,
            scopes: token.scopes.clone(),
            modules: token.modules.clone(),
        }))
    }

    /// Whether the token of this id is still good.
    pub(super) async fn is_valid_token(&self, id: &str) -> ApiResult<bool> {
        let now = self.0.store.clock().now();
        let tokens = self.0.store.tokens().await?;
        Ok(tokens
            .iter()
            .any(|token| token.id.to_string() == id && token.is_valid(now)))
    }

    async fn look_up(&self, hash: [u8; 32]) -> ApiResult<Option<Arc<Token>>> {
        let store = &self.0.store;
        let seq = store.last_seq();
        let Some(token) = store.token_by_hash(&hash).await? else {
            return Ok(None);
        };
        let now = store.clock().now();
        let fresh = token
            .last_used_at
            .is_some_and(|last| now.unix_ms() - last.unix_ms() < 60_000);
        if token.is_valid(now) && !fresh {
            store.commit(TouchToken { id: token.id }).await?;
        }
        let token = Arc::new(token);
        self.0.tokens.put(seq, hash, token.clone());
        Ok(Some(token))
    }
}
