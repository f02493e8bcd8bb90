//! `backup`: what goes into one and in which order. The database comes first: a module's data may be
//! newer than the cursor that goes with it, and is then told something twice; never the other way
//! round.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bllvm_ipc::Capability;
use bllvm_manifest::{BackupMode, ModuleName, layout};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::folders::{Begin, interrupted};
use super::handle::blocking;
use super::{Control, ControlCode, ControlError};
use crate::backups::{
    self, BackupError, BackupFile, BackupsFolder, FORMAT, Header, Kept, Lock, ModuleInBackup,
    Unfinished,
};
use crate::model::{Actor, Failure, Id, Module, Operation, OperationKind};
use crate::packages::{self, Places};
use crate::store::commands::{Done, StartOperation, actions};
use crate::store::{DATABASE_FILE, Holdings};

/// Between two records of progress.
const PROGRESS: Duration = Duration::from_millis(500);
/// The node's own files that a backup takes, beside the database.
const SECRET_KEY: &str = "secret.key";
/// Versions of modules, and copies of data for the way back to an earlier one.
const FOLDERS: [&str; 2] = ["store", "snapshots"];

/// Where backups lie, and who opens them.
#[derive(Clone, Debug, Default)]
pub struct BackupSettings {
    /// The folder.
    pub dir: PathBuf,
    /// Public keys, where the one who asks names none.
    pub recipients: Vec<String>,
    /// The node's configuration file, where there is one.
    pub config_file: Option<PathBuf>,
}

/// Asks for a backup.
#[derive(Clone, Default)]
pub struct BackupRequest {
    /// Public keys instead of the configured ones.
    pub recipients: Vec<String>,
    /// A passphrase instead of keys.
    pub passphrase: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for BackupRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupRequest")
            .field("recipients", &self.recipients)
            .finish_non_exhaustive()
    }
}

/// What was copied aside, and what was not.
struct Aside {
    holdings: Holdings,
    modules: Vec<Module>,
    left_out: Vec<String>,
}

impl Control {
    /// Lists the backups, the newest first.
    ///
    /// # Errors
    /// Where their folder cannot be read.
    pub async fn backups(&self) -> Result<Vec<BackupFile>, ControlError> {
        let dir = self.settings().backups.dir.clone();
        blocking(move || backups::list(&dir))
            .await?
            .map_err(|error| ControlError::files(error.to_string()))
    }

    /// Who can open a backup where nobody says otherwise.
    pub fn backup_recipients(&self) -> &[String] {
        &self.settings().backups.recipients
    }

    /// Where backups lie.
    pub fn backups_dir(&self) -> &Path {
        &self.settings().backups.dir
    }

    /// Makes a backup. Modules whose data must stand still are stopped one after the other, each for as
    /// long as its files are copied.
    ///
    /// # Errors
    /// Where nobody could open it, or one is being made already.
    pub async fn create_backup(
        &self,
        request: BackupRequest,
        by: &Actor,
    ) -> Result<Operation, ControlError> {
        let verb = async {
            let lock = self.lock_for(&request).map_err(|error| {
                ControlError::refused(ControlCode::InvalidRequest, error.to_string())
            })?;
            let alone = Arc::clone(&self.0.backing_up);
            let Ok(alone) = alone.try_lock_owned() else {
                return Err(ControlError::conflict(
                    ControlCode::Conflict,
                    "a backup is being made already: wait for it, or cancel its operation",
                ));
            };
            let begin = Begin {
                start: StartOperation {
                    kind: OperationKind::Backup,
                    module: None,
                    about: None,
                    params: Value::Null,
                    by: by.clone(),
                },
                done: Done {
                    action: actions::CREATE_BACKUP.to_owned(),
                    target: "backups".to_owned(),
                    detail: lock.in_words(),
                    by: by.clone(),
                },
            };
            let operation = self.store().commit(begin).await?;
            let (control, id) = (self.clone(), operation.id);
            self.spawn_operation(id, |cancel| async move {
                let outcome = control.back_up(id, lock, &cancel).await;
                drop(alone);
                // The node stops: the next start says so.
                if outcome.is_err() && control.soft().is_cancelled() {
                    return;
                }
                control.end(id, outcome).await;
            });
            Ok(operation)
        };
        self.audited(actions::CREATE_BACKUP, "backups", by, verb)
            .await
    }

    /// After a start: nothing of one that was cut off is kept.
    pub(super) async fn end_lost_backup(&self, operation: &Operation) {
        let failure = interrupted("nothing of it is kept");
        self.end(operation.id, Err(failure)).await;
    }

    fn lock_for(&self, request: &BackupRequest) -> Result<Lock, BackupError> {
        if let Some(passphrase) = &request.passphrase {
            return Lock::passphrase(passphrase);
        }
        let named = match request.recipients.as_slice() {
            [] => self.backup_recipients(),
            named => named,
        };
        Lock::recipients(named.iter().map(String::as_str))
    }

    async fn back_up(
        &self,
        id: Id,
        lock: Lock,
        cancel: &CancellationToken,
    ) -> Result<Value, Failure> {
        let now = self.store().clock().now();
        let folder = BackupsFolder::new(self.backups_dir());
        let unfinished = run(move || folder.begin(id, now)).await?;
        let aside = self.copy_aside(id, &unfinished, cancel).await?;
        let total = aside.modules.len() as u64;
        let mut modules = Vec::new();
        for (done, module) in aside.modules.iter().enumerate() {
            let step = format!("copying the data of {}", module.name);
            self.tell(id, &step, done as u64, total).await;
            let data = self.copy_data(module, &unfinished, cancel).await?;
            let grant = self.store().grant(&module.name).await.map_err(failed)?;
            modules.push(ModuleInBackup {
                name: module.name.clone(),
                version: module.manifest.version.clone(),
                desired: module.desired,
                trust: module.trust,
                granted: grant
                    .capabilities
                    .iter()
                    .map(Capability::to_string)
                    .collect(),
                data,
            });
        }
        let publishers = self.store().publishers().await.map_err(failed)?;
        let header = Header {
            format: FORMAT,
            made_by: format!("bllvm-node {}", env!("CARGO_PKG_VERSION")),
            made_at: now,
            data_dir: self.places().data_dir.clone(),
            modules_dir: self.places().modules_dir.clone(),
            database: aside.holdings,
            publishers: publishers.into_keys().collect(),
            modules,
            left_out: aside.left_out,
        };
        self.seal(id, unfinished, header, lock, cancel).await
    }

    /// The database as of one moment, and the files that belong to its rows; no version changes its
    /// place meanwhile.
    async fn copy_aside(
        &self,
        id: Id,
        unfinished: &Unfinished,
        cancel: &CancellationToken,
    ) -> Result<Aside, Failure> {
        let _alone = self.0.folders.lock().await;
        self.tell(id, "copying the database", 0, 0).await;
        let database = unfinished.data().join(DATABASE_FILE);
        let holdings = self.store().copy_to(&database).await.map_err(failed)?;
        self.tell(id, "copying programs and configurations", 0, 0)
            .await;
        let modules = self.store().modules().await.map_err(failed)?;
        let names: Vec<ModuleName> = modules.iter().map(|module| module.name.clone()).collect();
        let (places, into) = (self.places().clone(), unfinished.data());
        let config_file = self.settings().backups.config_file.clone();
        let cancel = cancel.clone();
        let left_out = run(move || {
            let cancelled = || cancel.is_cancelled();
            copy_files(&places, &names, config_file.as_deref(), &into, &cancelled)
        })
        .await?;
        Ok(Aside {
            holdings,
            modules,
            left_out,
        })
    }

    async fn copy_data(
        &self,
        module: &Module,
        unfinished: &Unfinished,
        cancel: &CancellationToken,
    ) -> Result<Kept, Failure> {
        let name = &module.name;
        let care = module.manifest.data.clone();
        let from = self.places().data(name);
        let kept = match care.backup {
            BackupMode::None => return Ok(Kept::LeftOut),
            BackupMode::Copy => Kept::Copied,
            BackupMode::Stop => Kept::Stopped,
        };
        // Where there are no files, nobody has to stand still.
        let has_files = fs::read_dir(&from).is_ok_and(|mut entries| entries.next().is_some());
        let held = if kept == Kept::Stopped && has_files {
            let held = cancel.run_until_cancelled(self.fleet().hold(name)).await;
            let Some(held) = held else {
                return Err(failure(&BackupError::Cancelled));
            };
            let Some(held) = held else {
                return Err(Failure {
                    code: "unavailable".to_owned(),
                    detail: format!(
                        "`{name}` did not stop in time, so that its data could not be copied: unload it, then ask again"
                    ),
                });
            };
            Some(held)
        } else {
            None
        };
        let into = unfinished.data().join("module-data").join(name.as_str());
        let cancel = cancel.clone();
        let copied = run(move || {
            let cancelled = || cancel.is_cancelled();
            backups::copy_data(&from, &into, &care.exclude, &cancelled)
        })
        .await;
        drop(held);
        copied?;
        Ok(kept)
    }

    /// Writes and encrypts the archive, telling how far it is.
    async fn seal(
        &self,
        id: Id,
        unfinished: Unfinished,
        header: Header,
        lock: Lock,
        cancel: &CancellationToken,
    ) -> Result<Value, Failure> {
        let done = Arc::new(AtomicU64::new(0));
        let left_out = header.left_out.clone();
        let modules = header.modules.len();
        let measured = unfinished.data();
        let total = run(move || Ok(bytes_below(&measured))).await?;
        let (counted, cancel) = (Arc::clone(&done), cancel.clone());
        let writing = run(move || {
            let cancelled = || cancel.is_cancelled();
            let archive = unfinished.archive();
            let folder = unfinished.folder();
            backups::write(folder, &header, &lock, &archive, &counted, &cancelled)?;
            let size = fs::metadata(&archive).map_or(0, |found| found.len());
            Ok((unfinished.finish()?, size))
        });
        tokio::pin!(writing);
        let mut ticks = tokio::time::interval(PROGRESS);
        let (path, size) = loop {
            tokio::select! {
                written = &mut writing => break written?,
                _ = ticks.tick() => {
                    let done = done.load(Ordering::Relaxed);
                    self.tell(id, "encrypting", done, total).await;
                }
            }
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(json!({
            "name": name, "path": path, "size": size, "modules": modules, "left_out": left_out,
        }))
    }

    async fn tell(&self, id: Id, step: &str, done: u64, total: u64) {
        if let Err(error) = self.step(id, step, done, total).await {
            tracing::warn!(operation.id = %id, %error, "could not record progress");
        }
    }
}

/// Copies what belongs to the database's rows; tells what is missing.
fn copy_files(
    places: &Places,
    names: &[ModuleName],
    config_file: Option<&Path>,
    into: &Path,
    cancelled: &dyn Fn() -> bool,
) -> Result<Vec<String>, BackupError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Io { path, source }
    };
    let key = places.data_dir.join(SECRET_KEY);
    fs::copy(&key, into.join(SECRET_KEY)).map_err(io(&key))?;
    if let Some(file) = config_file {
        fs::copy(file, into.join(crate::config::FILE_NAME)).map_err(io(file))?;
    }
    for folder in FOLDERS {
        backups::copy_data(
            &places.data_dir.join(folder),
            &into.join(folder),
            &[],
            cancelled,
        )?;
    }
    let modules = into.join("modules");
    fs::create_dir(&modules).map_err(io(&modules))?;
    let mut left_out = Vec::new();
    for name in names {
        let (from, to) = (places.module(name), modules.join(name.as_str()));
        if let Err(error) = packages::copy_installed(places, name, &to, cancelled) {
            if cancelled() {
                return Err(BackupError::Cancelled);
            }
            // One that cannot be loaded either is no reason to have no backup at all.
            let _ = fs::remove_dir_all(&to);
            left_out.push(format!("the program of {name}: {error}"));
            continue;
        }
        let config = from.join(layout::CONFIG_FILE);
        if config.is_file() {
            fs::copy(&config, to.join(layout::CONFIG_FILE)).map_err(io(&config))?;
        }
    }
    Ok(left_out)
}

fn bytes_below(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => bytes_below(&entry.path()),
            Ok(found) if found.is_file() => found.len(),
            _ => 0,
        })
        .sum()
}

async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, Failure> {
    match blocking(work).await {
        Ok(outcome) => outcome.map_err(|error| failure(&error)),
        Err(error) => Err(failed(error)),
    }
}

fn failure(error: &BackupError) -> Failure {
    Failure {
        code: error.code().to_owned(),
        detail: error.to_string(),
    }
}

fn failed(error: impl Into<ControlError>) -> Failure {
    super::folders::failure_of(&error.into())
}
