//! What is removed in time: old events, expired sessions and codes, long-ended operations.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::Database;
use crate::store::commands::{
    DropExpired, DropWebhookBodies, DropWebhookMessages, PruneEvents, SeeTime,
};
use crate::store::{Store, StoreError};

const PAUSE: Duration = Duration::from_mins(10);
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Cleans up now and then, until `soft`.
pub async fn run(store: Store, settings: Database, soft: CancellationToken) {
    loop {
        if let Err(error) = once(&store, &settings, &soft).await {
            tracing::warn!(%error, "could not clean up the database; it is tried again in 10 minutes");
        }
        tokio::select! {
            () = soft.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn once(
    store: &Store,
    settings: &Database,
    soft: &CancellationToken,
) -> Result<(), StoreError> {
    store.commit(SeeTime).await?;
    store.commit(DropExpired).await?;
    let before = store
        .clock()
        .now()
        .plus_ms(-DAY_MS * i64::from(settings.keep_events_days));
    while !soft.is_cancelled() && store.commit(DropWebhookBodies { before }).await? > 0 {}
    while !soft.is_cancelled() && store.commit(DropWebhookMessages { before }).await? > 0 {}
    let upto = store.prunable(before, settings.keep_events_size).await?;
    if upto == 0 {
        return Ok(());
    }
    // A few thousand at a time, so that nobody waits long behind it.
    while !soft.is_cancelled() {
        let pruned = store.commit(PruneEvents { upto }).await?;
        if pruned.removed == 0 {
            if pruned.kept > 0 {
                tracing::warn!(
                    events.kept = pruned.kept,
                    "old governance, webhook or payment events stay, because a module has not seen them"
                );
            }
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::FixedClock;
    use crate::model::NewEvent;
    use crate::store::commands::AppendEvents;

    #[tokio::test]
    async fn old_events_go_and_young_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let clock = FixedClock::at(1_795_374_000_000);
        let store = Store::open(dir.path(), clock.clone()).await.unwrap();
        let event = || NewEvent::host("host.started", json!({}));
        store
            .commit(AppendEvents(vec![event(), event()]))
            .await
            .unwrap();
        clock.advance_ms(31 * DAY_MS);
        store.commit(AppendEvents(vec![event()])).await.unwrap();

        let settings = Database {
            keep_events_days: 30,
            keep_events_size: 1 << 30,
        };
        once(&store, &settings, &CancellationToken::new())
            .await
            .unwrap();

        assert_eq!(store.first_seq().await.unwrap(), 3);
        store.close().await;
    }
}
