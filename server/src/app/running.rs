//! A running node, and its end in the reverse order of its start.

use bllvm_manifest::ModuleName;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::build::AppError;
use super::run_files::RunFiles;
use crate::config::Config;
use crate::control::Control;
use crate::lifecycle::Lifecycle;
use crate::model::Actor;
use crate::store::Store;
use crate::supervisor::Supervisor;

/// A node that answers requests and runs modules.
#[derive(Debug)]
pub struct Running {
    pub(super) config: Config,
    pub(super) url: String,
    pub(super) life: Lifecycle,
    pub(super) store: Store,
    pub(super) control: Control,
    pub(super) supervisor: Supervisor,
    pub(super) node_stop: CancellationToken,
    pub(super) server: JoinHandle<()>,
    pub(super) _files: RunFiles,
}

impl Running {
    /// Where the API and the dashboard are.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The tokens by which it is asked to end.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.life
    }

    /// The operator's verbs.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// A one-time address for the dashboard.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn login_url(&self) -> Result<String, AppError> {
        let made = self.control.create_login_code(&Actor::host()).await?;
        Ok(format!("{}/login?code={}", self.url, made.code))
    }

    /// Waits until it is asked to end, then stops modules, base node and database in that order.
    ///
    /// # Errors
    /// When the server ended by itself.
    pub async fn ended(mut self) -> Result<(), AppError> {
        let served = tokio::select! {
            () = self.life.soft().cancelled() => Ok(()),
            _ = &mut self.server => Err(AppError::Crashed("the HTTP server")),
        };
        // A server that sees the soft token first did not crash.
        let served = if self.life.soft().is_cancelled() {
            Ok(())
        } else {
            served
        };
        self.life.drain();
        self.stop_modules().await;
        self.node_stop.cancel();
        // What listens to these handles ends when the last of them is gone.
        let Self {
            life,
            store,
            control,
            supervisor,
            ..
        } = self;
        drop((control, supervisor));
        if !life.all_ended().await {
            tracing::warn!("some tasks did not end in time and were left behind");
        }
        store.close().await;
        served
    }

    async fn stop_modules(&self) {
        let report = self
            .supervisor
            .shutdown(self.config.limits.shutdown_deadline)
            .await;
        if !report.killed.is_empty() {
            let killed: Vec<&str> = report.killed.iter().map(ModuleName::as_str).collect();
            let killed = killed.join(", ");
            tracing::warn!(
                modules = killed,
                "modules did not end in time and were killed"
            );
        }
        tracing::info!(
            modules = report.stopped.len(),
            duration_ms = u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
            "modules are stopped"
        );
    }
}
