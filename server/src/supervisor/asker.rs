//! Asks a program one question on its command line, such as `--config-schema`, before it is ever run
//! as a module: in the sandbox, with nothing granted, no data, and little time.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bllvm_launch::{Layer, Policy, Sandbox};
use bllvm_manifest::{Digest, ReloadMode, Resources};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio_util::task::TaskTracker;

use super::SupervisorSettings;
use super::process::{Process, ProcessEnd, SpawnError, SpawnRequest, Spawner, find_launch};
use super::programs::{Program, ProgramError, Programs};
use super::sandbox::{self, Users, Wishes};
use crate::clock::new_id;
use crate::model::{Grant, Module};
use crate::store::{Store, StoreError};

/// What begins the name of the empty folder in which a program is asked.
pub const SCRATCH: &str = ".asked-";
/// How long a program may take to answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Its program is not the one that was confirmed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// No process could be made.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The system refused.
    #[error("the system refused: {0}")]
    Io(#[from] io::Error),
    /// What the operator waived is not known.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sandbox cannot be put up.
    #[error(
        "this system cannot put up {missing}, without which nothing of it is run; let it run without: \
         bllvm-node module sandbox {module} --waive {missing}"
    )]
    Unprotected {
        /// The module.
        module: String,
        /// The layers.
        missing: String,
    },
    /// The program could not be executed.
    #[error("could not {what}: {way_out}")]
    NotStarted {
        /// Which step failed.
        what: String,
        /// What a person can do.
        way_out: String,
    },
    /// It ended in another way than with success.
    #[error("{0}")]
    Ended(String),
    /// It said more than it may.
    #[error("it printed more than {0} bytes")]
    TooLong(u64),
    /// It took too long.
    #[error("it did not answer within {} s", DEADLINE.as_secs())]
    Slow,
}

/// Asks programs questions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Asker {
    store: Store,
    settings: SupervisorSettings,
    tracker: TaskTracker,
}

impl Asker {
    /// Asks by the same launcher as modules are started by.
    pub fn new(store: Store, settings: SupervisorSettings, tracker: TaskTracker) -> Self {
        Self {
            store,
            settings,
            tracker,
        }
    }

    /// Runs the confirmed program of a module with one argument; gives what it prints.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask(
        &self,
        module: &Module,
        confirmed: Digest,
        argument: &str,
        limit: u64,
    ) -> Result<Vec<u8>, AskError> {
        let id = new_id(&**self.store.clock());
        let scratch = self
            .settings
            .data_dir
            .join("module-data")
            .join(format!("{SCRATCH}{id}"));
        let answer = self
            .ask_in(module, confirmed, argument, limit, &scratch)
            .await;
        // What stays after a crash is swept at the next start.
        let _ = blocking(move || std::fs::remove_dir_all(scratch)).await;
        answer
    }

    async fn ask_in(
        &self,
        module: &Module,
        confirmed: Digest,
        argument: &str,
        limit: u64,
        scratch: &Path,
    ) -> Result<Vec<u8>, AskError> {
        let (dir, manifest) = (module.dir.clone(), module.manifest.clone());
        let (folder, settings) = (scratch.to_owned(), self.settings.clone());
        let (program, users) = blocking(move || {
            if let Some(above) = folder.parent() {
                std::fs::create_dir_all(above)?;
            }
            let store = settings.data_dir.join("store");
            let interpreters = &settings.interpreters;
            let program =
                Programs::default().verified(&dir, &manifest, confirmed, &store, interpreters);
            Ok::<_, io::Error>((program, Users::find(&settings.data_dir)))
        })
        .await??;
        let Program::Bytes(program) = program? else {
            return Err(AskError::Ended("a script is not asked".to_owned()));
        };
        let user = users.of(&self.store, &module.name, scratch, &[]).await;
        let (to_whom, folder) = (user.clone(), scratch.to_owned());
        blocking(move || sandbox::give_data_dir(&folder, &to_whom)).await??;

        let (grant, resources) = (Grant::default(), Resources::default());
        let waived = self.store.waived(&module.name).await?;
        let mut strict = sandbox::plan(Wishes {
            grant: &grant,
            resources: &resources,
            reload: ReloadMode::Exclusive,
            waived: &waived,
            user,
            readable: Vec::new(),
            interpreter: None,
            namespaces: self.settings.namespaces,
            control_group: None,
        });
        // It answers by its output alone.
        strict.limits.file_bytes = 0;
        let entry_point = module.manifest.entry_point.as_str().to_owned();
        let argv = vec![entry_point, argument.to_owned()];
        let program = program.as_fd().try_clone_to_owned()?;
        let (process, output) = self.spawn(argv, program, scratch, strict).await?;
        let answered =
            tokio::time::timeout(DEADLINE, answer(module, &process, output, limit)).await;
        process.kill();
        process.gone().await;
        answered.unwrap_or(Err(AskError::Slow))
    }

    async fn spawn(
        &self,
        argv: Vec<String>,
        program: OwnedFd,
        scratch: &Path,
        sandbox: Sandbox,
    ) -> Result<(Process, OwnedFd), AskError> {
        let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        let (stdout, out) = pipe().map_err(io::Error::from)?;
        let (reports, status) = pipe().map_err(io::Error::from)?;
        let null = std::fs::File::options().write(true).open("/dev/null")?;
        let request = SpawnRequest {
            launch: find_launch(self.settings.launch.as_deref())?,
            policy: Policy {
                inherited: 0,
                status_fd: 0,
                program: bllvm_launch::Program::Descriptor(0),
                argv,
                data_dir: scratch.to_owned(),
                sandbox,
            },
            env: Vec::new(),
            stdout: out,
            stderr: null.into(),
            inherited: Vec::new(),
            status,
            program: Some(program),
        };
        // The death signal follows the thread, which lives as long as this handle.
        let spawner = Spawner::start(self.settings.namespaces)?;
        let spawned = spawner.spawn(request).await?;
        let no_group = Err("a question takes none".to_owned());
        let process = Process::watch(spawned, reports, no_group, &self.tracker)?;
        let (kept, until) = (spawner, process.clone());
        self.tracker.spawn(async move {
            until.gone().await;
            drop(kept);
        });
        Ok((process, stdout))
    }
}

async fn answer(
    module: &Module,
    process: &Process,
    output: OwnedFd,
    limit: u64,
) -> Result<Vec<u8>, AskError> {
    let mut text = Vec::new();
    // One byte more than it may print, so that more is seen to be.
    let mut output = pipe::Receiver::from_owned_fd(output)?.take(limit + 1);
    output.read_to_end(&mut text).await?;
    if text.len() as u64 > limit {
        return Err(AskError::TooLong(limit));
    }
    let life = process
        .until(|life| life.end.is_some() || life.refused.is_some() || life.gone)
        .await;
    if !life.missing.is_empty() {
        let missing: Vec<&str> = life
            .missing
            .iter()
            .map(|one: &Layer| one.as_str())
            .collect();
        return Err(AskError::Unprotected {
            module: module.name.to_string(),
            missing: missing.join(","),
        });
    }
    if let Some((errno, what, way_out)) = life.refused {
        let what = format!("{what} (error {errno})");
        return Err(AskError::NotStarted { what, way_out });
    }
    match life.end.unwrap_or(ProcessEnd::Unknown) {
        ProcessEnd::Code(0) => Ok(text),
        ProcessEnd::Code(code) => Err(AskError::Ended(format!("it ended with exit code {code}"))),
        ProcessEnd::Signal(signal) => {
            Err(AskError::Ended(format!("it was ended by signal {signal}")))
        }
        ProcessEnd::Unknown => Err(AskError::Ended("nobody knows how it ended".to_owned())),
    }
}

/// Removes what programs that were asked left behind when the host was killed.
///
/// # Errors
/// When the folder cannot be read.
pub fn sweep_asked(data_dir: &Path) -> io::Result<()> {
    let folder: PathBuf = data_dir.join("module-data");
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(SCRATCH) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)
}
