//! The way of one delivery: proven, within its rate, told from what came before, durable.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::live::{self, LiveSource, Sources};
use super::outgoing::{AllowedAddresses, Outgoing};
use super::verify::{Unproven, verify};
use crate::configuration::SecretKey;
use crate::model::Id;
use crate::store::commands::{ReceiveWebhook, Received};
use crate::store::{Store, StoreError};

/// What is not proven is answered so long after its body came, and at a multiple of it where the
/// work took longer, so that the time of the answer tells nothing about sources and secrets.
const REFUSAL_STEP: Duration = Duration::from_millis(10);
/// Besides, for each byte of the body: more than two HMACs and sixteen Ed25519 signatures take, which
/// is the most that a source can ask for and an unknown one does not.
const REFUSAL_NS_PER_BYTE: u64 = 50;

/// A delivery that is in the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its id here.
    pub delivery: Id,
    /// Whether it was there before.
    pub duplicate: bool,
}

/// Why a delivery is not in the inbox.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum IntakeError {
    /// It is not proven, or not in time.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// The source sends too much.
    #[error("the source sends more than it may: send it again later")]
    TooMany {
        /// When there is room.
        retry: Duration,
    },
    /// The sender's id came before with another body.
    #[error("this delivery id came before with another body, as delivery {0}")]
    Conflict(Id),
    /// It could not be made durable.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl IntakeError {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Unproven(Unproven::Signature) => "unproven",
            Self::Unproven(Unproven::Stale { .. }) => "stale",
            Self::Unproven(Unproven::Id { .. }) => "invalid",
            Self::TooMany { .. } => "too_many",
            Self::Conflict(_) => "conflict",
            Self::Store(_) => "not_stored",
        }
    }
}

/// The inbox with its sources, and what sends. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    store: Store,
    key: SecretKey,
    max_body: u64,
    outgoing: Outgoing,
    sources: RwLock<Arc<Sources>>,
    /// One reading at a time, so that an older one never replaces a newer one.
    reading: tokio::sync::Mutex<()>,
    counts: Mutex<BTreeMap<(String, &'static str), u64>>,
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Webhooks")
    }
}

impl Webhooks {
    /// An inbox that knows no source yet; [`Webhooks::reload`] reads them.
    pub fn new(store: Store, key: SecretKey, max_body: u64, allowed: AllowedAddresses) -> Self {
        Self(Arc::new(Inner {
            outgoing: Outgoing::new(store.clone(), key.clone(), allowed),
            store,
            key,
            max_body,
            sources: RwLock::default(),
            reading: tokio::sync::Mutex::default(),
            counts: Mutex::default(),
        }))
    }

    /// Reads the sources anew, after a change.
    ///
    /// # Errors
    /// Where the database cannot be read; the sources known before go on.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.0.reading.lock().await;
        let before = self.sources();
        let read = live::read(&self.0.store, &self.0.key, &before).await?;
        *self
            .0
            .sources
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
        Ok(())
    }

    /// The host's key, under which secrets are kept.
    pub fn key(&self) -> &SecretKey {
        &self.0.key
    }

    pub(super) fn store(&self) -> &Store {
        &self.0.store
    }

    /// What sends webhooks to others.
    pub fn outgoing(&self) -> &Outgoing {
        &self.0.outgoing
    }

    /// The largest body that is taken. It is the same for all sources, known and unknown.
    pub fn max_body(&self) -> u64 {
        self.0.max_body
    }

    /// Takes a delivery in. It is durable when this answers.
    ///
    /// # Errors
    /// [`IntakeError`]; nothing was kept of the delivery then.
    pub async fn receive(
        &self,
        source: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Receipt, IntakeError> {
        let (began, size) = (Instant::now(), body.len());
        let source = self.source(source);
        let taken = self.take(source.as_deref(), headers, body).await;
        let outcome = match &taken {
            Ok(receipt) if receipt.duplicate => "duplicate",
            Ok(_) => "accepted",
            Err(error) => error.outcome(),
        };
        // An unknown name is a stranger's text, which must not become a label.
        let name = source.as_ref().map_or("unknown", |source| &source.name);
        *self.counts().entry((name.to_owned(), outcome)).or_default() += 1;
        if matches!(taken, Err(IntakeError::Unproven(Unproven::Signature))) {
            tokio::time::sleep_until(began + refused_after(size, began.elapsed())).await;
        }
        taken
    }

    async fn take(
        &self,
        source: Option<&LiveSource>,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Receipt, IntakeError> {
        let now = self.0.store.clock().now();
        let proof = verify(source, headers, &body, now)?;
        let source = source.ok_or(Unproven::Signature)?;
        source
            .rate
            .take(source.settings.rate_per_minute, Instant::now())
            .map_err(|retry| IntakeError::TooMany { retry })?;
        let digest: [u8; 32] = Sha256::digest(&body).into();
        let media_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(|value| value.chars().take(128).collect());
        let signed_by = source
            .secrets
            .iter()
            .find(|secret| secret.id == proof.secret);
        let receive = ReceiveWebhook {
            source: source.name.clone(),
            sender_id: proof.sender_id.unwrap_or_else(|| hex::encode(digest)),
            by_digest: !source.settings.id_is_signed(),
            digest,
            kind: proof.kind,
            media_type,
            secret: proof.secret,
            touch: signed_by.is_some_and(|secret| secret.touch(now)),
            body,
        };
        match self.0.store.commit(receive).await? {
            Received::New(delivery) => Ok(Receipt {
                delivery,
                duplicate: false,
            }),
            Received::Duplicate(delivery) => Ok(Receipt {
                delivery,
                duplicate: true,
            }),
            Received::Conflict(first) => {
                tracing::error!(
                    webhook.source = source.name,
                    webhook.delivery = %first,
                    "a webhook's delivery id came again with another body"
                );
                Err(IntakeError::Conflict(first))
            }
        }
    }

    /// What came of deliveries since the start, by source and outcome.
    pub fn counted(&self) -> BTreeMap<(String, &'static str), u64> {
        self.counts().clone()
    }

    pub(super) fn source(&self, name: &str) -> Option<Arc<LiveSource>> {
        self.sources().get(name).cloned()
    }

    fn sources(&self) -> Arc<Sources> {
        self.0
            .sources
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, &'static str), u64>> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long after its body came a refusal goes out, for a body of this size that took so much work.
fn refused_after(size: usize, work: Duration) -> Duration {
    let step = REFUSAL_STEP.as_nanos();
    let least = u128::from(REFUSAL_NS_PER_BYTE) * size as u128 + 1;
    let steps = least.max(work.as_nanos() + 1).div_ceil(step);
    REFUSAL_STEP * u32::try_from(steps).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_that_a_refusal_takes_does_not_show_in_its_time() {
        let ms = Duration::from_millis;
        for work in [0, 1, 9] {
            assert_eq!(refused_after(100, ms(work)), ms(10));
        }
        // 25 MiB: two HMACs of an unknown source, or sixteen signatures of a known one.
        let at = refused_after(25 << 20, ms(0));
        assert!(at > ms(1300), "{at:?}");
        for work in [70, 200, 1000] {
            assert_eq!(refused_after(25 << 20, ms(work)), at);
        }
        assert_eq!(refused_after(0, ms(10)), ms(20), "a slow machine");
    }
}
