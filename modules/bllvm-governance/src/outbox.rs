//! Tells the node what became of deliveries, and the news: after they are on disk, until it has them.

use std::sync::Arc;
use std::time::Duration;

use bllvm_sdk::types::WebhookVerdict;
use bllvm_sdk::{CallError, Context, ErrorCode, Result};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::store::{Store, Untold};

/// Verdicts on their way at once: they share the node's fsync.
const AT_ONCE: u32 = 32;
/// How long a node that refuses is left alone.
const AGAIN: Duration = Duration::from_secs(1);

/// Tells whatever is to be told, whenever it is woken, until the drain.
pub async fn keep_telling(context: Context, store: Store, wake: Arc<Notify>) {
    let draining = context.draining();
    loop {
        let told = async {
            tell_verdicts(&context, &store).await?;
            publish(&context, &store).await
        };
        let again = match draining.run_until_cancelled(told).await {
            None => return,
            Some(Ok(())) => None,
            Some(Err(error)) => {
                tracing::warn!("the node was not told everything: {}", error.chain());
                Some(AGAIN)
            }
        };
        let pause = async {
            match again {
                Some(pause) => tokio::time::sleep(pause).await,
                None => wake.notified().await,
            }
        };
        if draining.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

async fn tell_verdicts(context: &Context, store: &Store) -> Result<()> {
    loop {
        let untold = store.untold(AT_ONCE).await?;
        if untold.is_empty() {
            return Ok(());
        }
        let mut asked = JoinSet::new();
        for one in untold.clone() {
            let context = context.clone();
            asked.spawn(async move { tell(&context, one).await });
        }
        for outcome in asked.join_all().await {
            outcome?;
        }
        store.told(&untold).await?;
    }
}

async fn tell(context: &Context, one: Untold) -> Result<()> {
    let verdict = WebhookVerdict {
        delivery: one.delivery,
        verdict: one.word,
        code: one.code,
        detail: one.detail,
    };
    match context.judge_webhook(&verdict).await {
        Ok(()) => Ok(()),
        // The node keeps deliveries for a while only.
        Err(CallError::Reply(reply)) if reply.code == ErrorCode::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// In order. An event that the node has and that was not yet struck off here comes twice.
async fn publish(context: &Context, store: &Store) -> Result<()> {
    loop {
        let outgoing = store.outgoing(AT_ONCE).await?;
        let Some((last, _)) = outgoing.last() else {
            return Ok(());
        };
        for (_, news) in &outgoing {
            context.publish(&news.kind, &news.data).await?;
        }
        store.journaled(*last).await?;
    }
}
