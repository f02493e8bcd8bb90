//! The handle that callers hold, and the rule that no refusal goes unrecorded.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bllvm_manifest::ModuleName;
use bllvm_registry::Authorities;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::hand_edits::Files;
use super::requests::{Stray, no_module};
use super::{BackupSettings, ControlError, Fleet};
use crate::configuration::Configurations;
use crate::logs::LogStore;
use crate::model::{Actor, Id, Module};
use crate::node::{ReadNode, SubmitNode};
use crate::packages::Places;
use crate::store::Store;
use crate::store::commands::Refused;
use crate::supervisor::{Asker, Snapshots};
use crate::webhooks::Webhooks;

/// What the node's configuration says of one module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModuleEntry {
    /// Whether it shall run, where that is said.
    pub enabled: Option<bool>,
    /// Whether what its manifest asks for is granted.
    pub grant_requested: bool,
    /// Keys of its configuration that apply at each start.
    pub config: toml::Table,
}

/// Where things lie and how often they are looked at.
#[derive(Clone, Debug)]
pub struct ControlSettings {
    /// Folders of modules, of their data, and of cargo's programs.
    pub places: Places,
    /// What the node's configuration says of modules.
    pub entries: BTreeMap<ModuleName, ModuleEntry>,
    /// Between two looks at the modules directory.
    pub scan_every: Duration,
    /// Between two looks at the `config.toml` files.
    pub watch_every: Duration,
    /// How long a call of a module's method may take.
    pub call_deadline: Duration,
    /// Between two looks at a registry by the clock.
    pub refresh_every: Option<Duration>,
    /// Who may certify registries, beside the system's authorities.
    pub authorities: Option<Authorities>,
    /// How long what nothing refers to any more is kept.
    pub keep_leftovers: Duration,
    /// How long a module may take to stop before its uninstall gives up.
    pub stop_deadline: Duration,
    /// Where backups lie, and who opens them.
    pub backups: BackupSettings,
}

impl ControlSettings {
    /// The defaults over a data directory: modules in `modules` below it, no folder of cargo's.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        Self {
            backups: BackupSettings {
                dir: data_dir.join("backups"),
                ..BackupSettings::default()
            },
            places: Places {
                modules_dir: data_dir.join("modules"),
                data_dir,
                cargo_bins: Vec::new(),
            },
            entries: BTreeMap::new(),
            scan_every: Duration::from_secs(2),
            watch_every: Duration::from_secs(1),
            call_deadline: Duration::from_secs(30),
            refresh_every: None,
            authorities: None,
            keep_leftovers: Duration::from_hours(30 * 24),
            stop_deadline: Duration::from_mins(1),
        }
    }
}

/// What the verbs work with.
pub struct ControlParts {
    /// What is kept.
    pub store: Store,
    /// What runs.
    pub fleet: Arc<dyn Fleet>,
    /// What modules said.
    pub logs: LogStore,
    /// Programs that are asked something before they run.
    pub asker: Asker,
    /// Modules' configurations.
    pub configurations: Configurations,
    /// Where blocks are looked for.
    pub read_node: Arc<dyn ReadNode>,
    /// The inbox of webhooks.
    pub webhooks: Webhooks,
    /// Where blocks are mined.
    pub submit_node: Arc<dyn SubmitNode>,
    /// Where things lie.
    pub settings: ControlSettings,
    /// Every task goes through it.
    pub tracker: TaskTracker,
    /// Ends the loops and the tasks.
    pub soft: CancellationToken,
}

impl std::fmt::Debug for ControlParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlParts")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The operator's verbs. Cheap to clone.
#[derive(Clone)]
pub struct Control(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) parts: ControlParts,
    /// Tasks of ours that an operator can end, by their operation.
    pub(super) cancels: Mutex<HashMap<Id, CancellationToken>>,
    /// What is known of each `config.toml`.
    pub(super) files: Files,
    /// Held while a look at the modules directory is recorded, or a version changes its place there.
    pub(super) folders: tokio::sync::Mutex<()>,
    /// Held while a backup is made.
    pub(super) backing_up: Arc<tokio::sync::Mutex<()>>,
    /// What discovery cannot name.
    pub(super) strays: Mutex<Vec<Stray>>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Control")
    }
}

impl Control {
    /// Puts the parts together; nothing runs yet.
    pub fn new(parts: ControlParts) -> Self {
        Self(Arc::new(Inner {
            parts,
            cancels: Mutex::default(),
            files: Files::default(),
            folders: tokio::sync::Mutex::default(),
            backing_up: Arc::default(),
            strays: Mutex::default(),
        }))
    }

    /// Takes up what the last run of the host left: sweeps half-done files, resumes or fails our
    /// open operations, looks at the modules directory and the `config.toml` files once, and then
    /// goes on looking. The supervisor may run already: it takes up what is recorded here.
    ///
    /// # Errors
    /// Where the modules directory cannot be made, or the database cannot be read.
    pub async fn start(&self) -> Result<(), ControlError> {
        self.sweep().await?;
        self.resume_operations().await?;
        let eyes = self.discover_at_start().await?;
        self.look_at_files(true).await;
        self.spawn_discovery(eyes);
        self.spawn_watch();
        self.spawn_sweeps();
        self.spawn_refreshes();
        Ok(())
    }

    /// What lies in the modules directory or in cargo's bin folder and has no usable name.
    pub fn strays(&self) -> Vec<Stray> {
        lock(&self.0.strays).clone()
    }

    /// Runs a verb; where it is refused, the audit trail says who asked, and why not.
    pub(super) async fn audited<T>(
        &self,
        action: &str,
        target: impl std::fmt::Display + Send,
        by: &Actor,
        verb: impl Future<Output = Result<T, ControlError>> + Send,
    ) -> Result<T, ControlError> {
        let outcome = verb.await;
        if let Err(error) = &outcome {
            let refused = Refused {
                action: action.to_owned(),
                target: target.to_string(),
                detail: error.to_string(),
                by: by.clone(),
            };
            if let Err(unwritten) = self.store().commit(refused).await {
                tracing::error!(
                    audit.action = action,
                    error = %unwritten,
                    "could not record that an action was refused"
                );
            }
        }
        outcome
    }

    pub(super) async fn module(&self, name: &ModuleName) -> Result<Module, ControlError> {
        self.store()
            .module(name)
            .await?
            .ok_or_else(|| no_module(name))
    }

    pub(super) fn store(&self) -> &Store {
        &self.0.parts.store
    }

    pub(super) fn fleet(&self) -> &dyn Fleet {
        &*self.0.parts.fleet
    }

    pub(super) fn configurations(&self) -> &Configurations {
        &self.0.parts.configurations
    }

    pub(super) fn settings(&self) -> &ControlSettings {
        &self.0.parts.settings
    }

    pub(super) fn places(&self) -> &Places {
        &self.0.parts.settings.places
    }

    /// Copies of modules' data.
    pub(super) fn snapshots(&self) -> Snapshots {
        Snapshots::new(self.places().data_dir.clone(), self.store().clone())
    }

    pub(super) fn soft(&self) -> &CancellationToken {
        &self.0.parts.soft
    }

    /// Spawns a task of ours under its operation, so that it can be ended.
    pub(super) fn spawn_operation<F>(&self, id: Id, work: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let cancel = self.soft().child_token();
        lock(&self.0.cancels).insert(id, cancel.clone());
        let (control, work) = (self.clone(), work(cancel));
        self.0.parts.tracker.spawn(async move {
            work.await;
            lock(&control.0.cancels).remove(&id);
        });
    }
}

/// A panic in another holder leaves the value as whole as ours are.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs file work where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ControlError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ControlError::files("the file work ended by a bug; the log has the cause"))
}
