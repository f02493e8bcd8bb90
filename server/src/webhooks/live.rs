//! The sources as the intake sees them: settings, opened secrets, what they may send a minute.

use std::collections::HashMap;
use std::sync::Arc;

use super::context;
use super::rate::Rate;
use super::secret::{Key, parse_secret};
use crate::configuration::SecretKey;
use crate::model::{Id, SourceSettings, UtcTime};
use crate::store::{Store, StoreError};

/// A secret that may sign.
#[derive(Debug)]
pub struct LiveSecret {
    pub(super) id: Id,
    pub(super) key: Key,
    pub(super) expires_at: Option<UtcTime>,
    /// To the minute.
    pub(super) last_used_at: std::sync::Mutex<Option<UtcTime>>,
}

impl LiveSecret {
    /// Whether to note that it was used: once a minute.
    pub(super) fn touch(&self, now: UtcTime) -> bool {
        const MINUTE_MS: i64 = 60_000;
        let mut last = self
            .last_used_at
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let due = last.is_none_or(|last| (now.unix_ms() - last.unix_ms()).abs() >= MINUTE_MS);
        if due {
            *last = Some(now);
        }
        due
    }
}

/// A source that may send.
#[derive(Debug)]
pub struct LiveSource {
    pub(super) name: String,
    pub(super) settings: SourceSettings,
    pub(super) secrets: Vec<LiveSecret>,
    pub(super) rate: Arc<Rate>,
}

impl LiveSource {
    /// The secrets that work at a moment, newest first.
    pub(super) fn live(&self, now: UtcTime) -> Vec<&LiveSecret> {
        let works = |secret: &&LiveSecret| secret.expires_at.is_none_or(|end| now < end);
        self.secrets.iter().filter(works).collect()
    }
}

/// All sources by name.
pub(super) type Sources = HashMap<String, Arc<LiveSource>>;

/// Reads them anew. What was sent in the last minute still counts.
///
/// # Errors
/// Where the database cannot be read. A secret that does not open is left out, and told.
pub(super) async fn read(
    store: &Store,
    key: &SecretKey,
    before: &Sources,
) -> Result<Sources, StoreError> {
    let sealed = store.webhook_secrets().await?;
    let mut sources = Sources::new();
    for source in store.webhook_sources().await? {
        let of_source = sealed.iter().filter(|one| one.source == source.name);
        let mut secrets = Vec::new();
        for one in of_source {
            let id = one.secret.id;
            let text = key.open_bytes(&context(&source.name, id), &one.sealed);
            let opened = text
                .and_then(|text| String::from_utf8(text.to_vec()).ok())
                .and_then(|text| parse_secret(source.settings.scheme, &text).ok());
            let Some(key) = opened else {
                tracing::error!(
                    webhook.source = source.name,
                    webhook.secret = %id,
                    "a webhook secret does not open under this secret.key; rotate it"
                );
                continue;
            };
            secrets.push(LiveSecret {
                id,
                key,
                expires_at: one.secret.expires_at,
                last_used_at: one.secret.last_used_at.into(),
            });
        }
        let rate = before.get(&source.name).map(|known| known.rate.clone());
        let live = LiveSource {
            rate: rate.unwrap_or_default(),
            settings: source.settings,
            secrets,
            name: source.name.clone(),
        };
        sources.insert(source.name, Arc::new(live));
    }
    Ok(sources)
}
