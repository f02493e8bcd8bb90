//! The journal read backwards, newest first, with a filter.

use bllvm_ipc::EventEnvelope;

use crate::api::Api;
use crate::api::error::ApiResult;

/// Events read in one step, and steps before a page ends short.
const WINDOW: u64 = 512;
const WINDOWS: usize = 64;

/// A walk from a number down.
pub struct Walk<'a, F> {
    api: &'a Api,
    before: u64,
    keep: F,
}

/// What a walk found.
#[derive(Debug, Default)]
pub struct Found {
    /// The events, newest first.
    pub events: Vec<EventEnvelope>,
    /// Where it goes on: events before this number.
    pub next: Option<u64>,
}

impl<'a, F: Fn(&EventEnvelope) -> bool> Walk<'a, F> {
    /// From the newest event that `keep` finds worth it.
    pub fn newest(api: &'a Api, keep: F) -> Self {
        Self::before(api, None, keep)
    }

    /// From a number, or from the newest.
    pub fn before(api: &'a Api, before: Option<u64>, keep: F) -> Self {
        let end = api.store.last_seq() + 1;
        Self {
            api,
            before: before.map_or(end, |before| before.min(end)),
            keep,
        }
    }

    /// Reads at most `limit` events.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn take(self, limit: usize) -> ApiResult<Found> {
        let store = &self.api.store;
        let first = store.first_seq().await?;
        let everything = ["*".to_owned()];
        let (mut before, mut events) = (self.before, Vec::new());
        for _ in 0..WINDOWS {
            if before <= first || events.len() == limit {
                break;
            }
            let after = before.saturating_sub(WINDOW + 1).max(first - 1);
            let count = usize::try_from(before - 1 - after).unwrap_or(usize::MAX);
            let window = store.events_after(after, &everything, count).await?;
            let kept = window.into_iter().rev().filter(|event| (self.keep)(event));
            events.extend(kept.take(limit - events.len()));
            before = match events.last() {
                Some(event) if events.len() == limit => event.seq,
                _ => after + 1,
            };
        }
        let next = (before > first).then_some(before);
        Ok(Found { events, next })
    }
}
