//! Reconciling webhook sources: on, off, now.

use super::webhooks::{invalid, shown};
use super::{Control, ControlError};
use crate::clock::new_id;
use crate::model::{Actor, ReconcileReport, ReconcileSettings, WebhookReconcile, WebhookScheme};
use crate::store::commands::{Done, NewApiToken, RemoveReconcile, SetReconcile, actions};
use crate::webhooks::reconcile::seal_token;

/// Bytes of a token.
const MAX_TOKEN: usize = 1024;
/// Minutes between two runs.
const PAUSES: std::ops::RangeInclusive<u32> = 5..=1440;

impl Control {
    /// How a source is reconciled.
    ///
    /// # Errors
    /// Where there is no such source, or it is not reconciled.
    pub async fn webhook_reconcile(&self, source: &str) -> Result<WebhookReconcile, ControlError> {
        self.webhook_source(source).await?;
        let all = self.store().webhook_reconciles().await?;
        let found = all.into_iter().find(|known| known.source == source);
        found
            .map(|known| known.reconcile)
            .ok_or_else(|| off(source))
    }

    /// Has a source reconciled. The token stays as it is where none is given.
    ///
    /// # Errors
    /// Where there is no such source, it is not GitHub's, or settings or token are not fit.
    pub async fn set_webhook_reconcile(
        &self,
        source: &str,
        settings: ReconcileSettings,
        token: Option<&str>,
        by: &Actor,
    ) -> Result<WebhookReconcile, ControlError> {
        let verb = async {
            let known = self.webhook_source(source).await?;
            if known.settings.scheme != WebhookScheme::Github {
                return Err(invalid(format!(
                    "`{source}` signs by `{}`: only GitHub's deliveries can be asked for again",
                    known.settings.scheme
                )));
            }
            self.check_reconcile(&settings)?;
            if token.is_some_and(|token| {
                token.is_empty()
                    || token.len() > MAX_TOKEN
                    || !token.bytes().all(|b| b.is_ascii_graphic())
            }) {
                return Err(invalid("`token` is 1 to 1024 printable characters"));
            }
            let token = token.map(|text| {
                let id = new_id(&**self.store().clock());
                let sealed = seal_token(self.webhooks().key(), source, id, text);
                NewApiToken { id, sealed }
            });
            let set = SetReconcile {
                source: source.to_owned(),
                settings,
                token,
                by: by.clone(),
            };
            self.store().commit(set).await?;
            self.webhook_reconcile(source).await
        };
        self.audited(actions::SET_WEBHOOK_RECONCILE, shown(source), by, verb)
            .await
    }

    /// Has a source reconciled no more, and forgets its token.
    ///
    /// # Errors
    /// Where it is not reconciled.
    pub async fn delete_webhook_reconcile(
        &self,
        source: &str,
        by: &Actor,
    ) -> Result<(), ControlError> {
        let verb = async {
            let remove = RemoveReconcile {
                source: source.to_owned(),
                by: by.clone(),
            };
            Ok(self.store().commit(remove).await?)
        };
        self.audited(actions::DELETE_WEBHOOK_RECONCILE, shown(source), by, verb)
            .await
    }

    /// Reconciles a source now, and waits for what comes of it.
    ///
    /// # Errors
    /// Where it is not reconciled; a sender that does not answer is an answer.
    pub async fn run_webhook_reconcile(
        &self,
        source: &str,
        by: &Actor,
    ) -> Result<ReconcileReport, ControlError> {
        let verb = async {
            self.webhook_reconcile(source).await?;
            let report = self.webhooks().reconcile(source).await?;
            let report = report.ok_or_else(|| off(source))?;
            let done = Done {
                action: actions::RUN_WEBHOOK_RECONCILE.to_owned(),
                target: source.to_owned(),
                detail: format!("{} of {} missing", report.requested, report.missing),
                by: by.clone(),
            };
            self.store().commit(done).await?;
            Ok(report)
        };
        self.audited(actions::RUN_WEBHOOK_RECONCILE, shown(source), by, verb)
            .await
    }

    fn check_reconcile(&self, settings: &ReconcileSettings) -> Result<(), ControlError> {
        let parts: Vec<&str> = settings.hook.split('/').collect();
        let plain = |part: &&str| {
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            !part.is_empty() && !part.starts_with('.') && part.bytes().all(fits)
        };
        let number = |text: &str| text.parse::<u64>().is_ok();
        let known = match parts[..] {
            ["repos", _, _, "hooks", id] | ["orgs", _, "hooks", id] => number(id),
            _ => false,
        };
        if !known || !parts.iter().all(plain) {
            return Err(invalid(
                "`hook` is where the hook is at GitHub: `repos/<owner>/<name>/hooks/<number>` or \
                 `orgs/<name>/hooks/<number>`",
            ));
        }
        self.webhooks()
            .outgoing()
            .allowed()
            .read_url(&settings.api_url)
            .map_err(|why| invalid(format!("`api_url` {why}")))?;
        if !PAUSES.contains(&settings.every_min) {
            return Err(invalid("`every_min` is 5 to 1440 minutes; 60 is usual"));
        }
        Ok(())
    }
}

fn off(source: &str) -> ControlError {
    ControlError::NotFound {
        what: format!("reconciling of webhook source `{}`", shown(source)),
    }
}
