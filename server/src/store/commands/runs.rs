//! Processes of modules: started, ready, ended.

use bllvm_manifest::ModuleName;
use serde_json::json;

use crate::model::{Exit, Id, IsolationLayer, ReloadMode, Run, kinds};
use crate::store::row::to_json;
use crate::store::{Command, StoreError, Tx};

/// Runs kept of one module: a crash loop must not fill the disk.
const KEPT: i64 = 500;

/// A process was spawned.
#[derive(Clone, Debug)]
pub struct RunStarted {
    /// The run's id.
    pub id: Id,
    /// The module.
    pub module: ModuleName,
    /// The module's version.
    pub version: String,
    /// The process id, where it started.
    pub pid: Option<u32>,
    /// The reload that started it.
    pub reload: Option<ReloadMode>,
    /// What stands between it and the machine.
    pub isolation: Vec<IsolationLayer>,
}

impl Command for RunStarted {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (id, module) = (self.id.to_string(), self.module.as_str());
        let reload = self.reload.map(ReloadMode::as_str);
        let isolation = to_json(&self.isolation)?;
        let now = tx.now().to_string();
        sqlx::query!(
            "INSERT INTO runs (id, module, version, pid, started_at, reload, last_output, isolation)
             VALUES ($1, $2, $3, $4, $5, $6, '[]', $7)",
            id,
            module,
            self.version,
            self.pid,
            now,
            reload,
            isolation
        )
        .execute(tx.db())
        .await?;
        sqlx::query!(
            "DELETE FROM runs WHERE module = $1 AND ended_at IS NOT NULL AND id <
                 (SELECT id FROM runs WHERE module = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
            module,
            KEPT
        )
        .execute(tx.db())
        .await?;
        Ok(())
    }
}

/// A process became running.
#[derive(Clone, Debug)]
pub struct RunReady {
    /// The run.
    pub id: Id,
}

impl Command for RunReady {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (id, now) = (self.id.to_string(), tx.now().to_string());
        sqlx::query!("UPDATE runs SET ready_at = $2 WHERE id = $1", id, now)
            .execute(tx.db())
            .await?;
        Ok(())
    }
}

/// A process ended. One that ended without being asked appends `module.crashed`.
#[derive(Clone, Debug)]
pub struct RunEnded {
    /// The run.
    pub id: Id,
    /// How.
    pub exit: Exit,
    /// The last lines of its output, redacted.
    pub last_output: Vec<String>,
}

impl Command for RunEnded {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let Some(run) = tx.find_run(self.id).await? else {
            // The module was uninstalled meanwhile.
            return Ok(());
        };
        tx.end_run(&run, &self.exit, &self.last_output).await?;
        let crashed = match &self.exit {
            Exit::Code { .. } | Exit::Signal { .. } => true,
            Exit::Killed { reason } => reason != "stop_deadline",
            Exit::Stopped | Exit::Lost | Exit::NotStarted { .. } => false,
        };
        if crashed {
            let data = json!({
                "module": run.module, "version": run.version, "run": run.id, "exit": self.exit,
            });
            tx.host_event(kinds::MODULE_CRASHED, data).await?;
        }
        Ok(())
    }
}

/// After a start: runs that nobody saw end are closed as lost. Gives how many.
#[derive(Clone, Copy, Debug)]
pub struct CloseLostRuns;

impl Command for CloseLostRuns {
    type Output = u64;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        let (exit, now) = (to_json(&Exit::Lost)?, tx.now().to_string());
        let closed = sqlx::query!(
            "UPDATE runs SET exit = $1, ended_at = $2 WHERE ended_at IS NULL",
            exit,
            now
        )
        .execute(tx.db())
        .await?;
        Ok(closed.rows_affected())
    }
}

impl Tx<'_> {
    async fn end_run(
        &mut self,
        run: &Run,
        exit: &Exit,
        last_output: &[String],
    ) -> Result<(), StoreError> {
        let (id, now) = (run.id.to_string(), self.now().to_string());
        let (exit, last_output) = (to_json(exit)?, to_json(last_output)?);
        sqlx::query!(
            "UPDATE runs SET exit = $2, ended_at = $3, last_output = $4 WHERE id = $1",
            id,
            exit,
            now,
            last_output
        )
        .execute(self.db())
        .await?;
        Ok(())
    }
}
