//! For senders that do not deliver again by themselves: GitHub's redelivery API, asked now and then.
//!
//! While this node was away, GitHub recorded deliveries that failed and left it at that. For a
//! source whose operator turned this on, its list is read, and what neither it nor the inbox calls
//! taken is asked for again (`plan`). The redelivery comes in as any delivery does, is signed, and
//! is recognised by its id, so that asking twice doubles nothing. Off by default: it needs a token
//! of GitHub's that may administer the hook.

mod github;
mod plan;

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::github::GitHub;
use super::Webhooks;
use crate::model::{Id, ReconcileReport};
use crate::store::StoreError;
use crate::store::commands::RecordReconcile;

/// How often sources are looked at that may be due.
const LOOK: Duration = Duration::from_mins(1);

impl Webhooks {
    /// Reconciles sources that are due, until `soft`.
    pub async fn reconcile_due(self, soft: CancellationToken) {
        loop {
            let due = async {
                if let Err(error) = self.reconcile_those_due().await {
                    tracing::warn!(%error, "could not look for webhooks to be delivered again");
                }
                tokio::time::sleep(LOOK).await;
            };
            tokio::select! {
                () = soft.cancelled() => return,
                () = due => {}
            }
        }
    }

    async fn reconcile_those_due(&self) -> Result<(), StoreError> {
        let now = self.store().clock().now();
        for known in self.store().webhook_reconciles().await? {
            let pause_ms = i64::from(known.reconcile.settings.every_min) * 60_000;
            let last = known.reconcile.last_run_at;
            if last.is_none_or(|last| (now.unix_ms() - last.unix_ms()).abs() >= pause_ms) {
                self.reconcile(&known.source).await?;
            }
        }
        Ok(())
    }

    /// Asks a source's sender what it could not deliver, and has it delivered again. What went
    /// wrong is in the report; nothing where reconciling is off.
    ///
    /// # Errors
    /// Where the database refuses.
    pub async fn reconcile(&self, source: &str) -> Result<Option<ReconcileReport>, StoreError> {
        let all = self.store().webhook_reconciles().await?;
        let Some(known) = all.into_iter().find(|known| known.source == source) else {
            return Ok(None);
        };
        let token = self
            .key()
            .open_bytes(&context(source, known.token), &known.sealed)
            .and_then(|token| String::from_utf8(token.to_vec()).ok());
        let settings = &known.reconcile.settings;
        let report = match token {
            None => failed("its token does not open under this node's secret.key: set it anew"),
            Some(token) => {
                let client = self.outgoing().client();
                match GitHub::new(client, &settings.api_url, &settings.hook, &token) {
                    Err(why) => failed(why),
                    Ok(github) => self.ask(source, &github).await?,
                }
            }
        };
        if let Some(error) = &report.error {
            tracing::warn!(
                webhook.source = source,
                error,
                "could not reconcile a webhook source"
            );
        }
        let record = RecordReconcile {
            source: source.to_owned(),
            report: report.clone(),
        };
        self.store().commit(record).await?;
        Ok(Some(report))
    }

    async fn ask(&self, source: &str, github: &GitHub<'_>) -> Result<ReconcileReport, StoreError> {
        let now = self.store().clock().now();
        let listed = match github.deliveries(now).await {
            Ok(listed) => listed,
            Err(why) => return Ok(failed(why)),
        };
        let guids = listed.iter().map(|one| one.guid.clone()).collect();
        let here = self.store().webhook_sender_ids(source, guids).await?;
        let plan = plan::plan(&listed, now, |guid| here.contains(guid));
        let mut report = ReconcileReport {
            looked_at: plan.looked_at,
            missing: plan.missing,
            requested: 0,
            given_up: plan.given_up,
            error: None,
        };
        for attempt in plan.ask {
            match github.redeliver(attempt, now).await {
                Ok(()) => report.requested += 1,
                Err(why) => {
                    report.error = Some(why);
                    break;
                }
            }
        }
        Ok(report)
    }
}

/// The part of the key's context that names a source's token.
fn context(source: &str, token: Id) -> String {
    format!("bllvm-webhook-reconcile-v1/{source}/{token}")
}

/// Encrypts a token of the sender's API.
pub fn seal_token(
    key: &crate::configuration::SecretKey,
    source: &str,
    id: Id,
    text: &str,
) -> Vec<u8> {
    key.seal_bytes(&context(source, id), text.as_bytes())
}

fn failed(why: impl Into<String>) -> ReconcileReport {
    ReconcileReport {
        error: Some(why.into()),
        ..ReconcileReport::default()
    }
}
