//! What the supervisor is told: paths, deadlines, allowed interpreters, and where a module's
//! configuration comes from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bllvm_manifest::ModuleName;
use serde_json::Value;

/// Paths, deadlines and limits. [`SupervisorSettings::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct SupervisorSettings {
    /// The host's data directory; modules' data lies in `module-data/<name>` below it.
    pub data_dir: PathBuf,
    /// `bllvm-launch`; none looks beside the running program.
    pub launch: Option<PathBuf>,
    /// Whether each module gets namespaces of its own, where the system allows it.
    pub namespaces: bool,
    /// Interpreters that an operator allows, by the name that manifests use.
    pub interpreters: BTreeMap<String, PathBuf>,
    /// How long a new process may take to say hello.
    pub hello_deadline: Duration,
    /// How long `configure`, `prepare` and `activate` may take, each.
    pub ready_deadline: Duration,
    /// How long a module may take to finish what is open.
    pub drain_deadline: Duration,
    /// How long a module may take to end after its goodbye, before SIGTERM.
    pub goodbye_grace: Duration,
    /// How long it may take after SIGTERM, before SIGKILL.
    pub term_deadline: Duration,
    /// How often a module is asked for a sign of life.
    pub heartbeat: Duration,
    /// Missed signs of life in a row that make a module unresponsive.
    pub heartbeat_misses: u32,
    /// How often processor time and memory are read.
    pub sample: Duration,
    /// How long a call of a module's method may take, where the caller does not say.
    pub call_deadline: Duration,
    /// The most that one module may keep in the host's database.
    pub storage_quota: u64,
    /// Submissions (transactions, blocks) that one module may make per minute.
    pub submissions_per_minute: u32,
    /// Seeds the jitter of restarts; tests fix it.
    pub seed: u64,
}

impl SupervisorSettings {
    /// The defaults over a data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            launch: None,
            namespaces: true,
            interpreters: BTreeMap::new(),
            hello_deadline: Duration::from_secs(5),
            ready_deadline: Duration::from_secs(30),
            drain_deadline: Duration::from_secs(10),
            goodbye_grace: Duration::from_secs(1),
            term_deadline: Duration::from_secs(5),
            heartbeat: Duration::from_secs(2),
            heartbeat_misses: 3,
            sample: Duration::from_secs(2),
            call_deadline: Duration::from_secs(30),
            storage_quota: 64 << 20,
            submissions_per_minute: 120,
            seed: u64::from(std::process::id()),
        }
    }

    /// A module's own directory.
    pub fn module_data_dir(&self, name: &ModuleName) -> PathBuf {
        self.data_dir.join("module-data").join(name.as_str())
    }
}

/// The configuration that applies to a module.
#[derive(Clone, PartialEq)]
pub struct CurrentConfig {
    /// Its revision.
    pub revision: u64,
    /// The configuration, secrets in clear.
    pub value: Value,
    /// The secrets in it, to be kept out of logs.
    pub secrets: Vec<String>,
}

impl std::fmt::Debug for CurrentConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CurrentConfig")
            .field("revision", &self.revision)
            .field("value", &"[redacted]")
            .finish_non_exhaustive()
    }
}

/// What the supervisor needs to know about modules' configurations; `configuration/` implements it.
#[async_trait]
pub trait ConfigSource: Send + Sync + 'static {
    /// The configuration that applies now: the newest revision that was not rolled back. None for a
    /// module without configuration.
    ///
    /// # Errors
    /// Why it cannot be read, in words for an operator.
    async fn current(&self, module: &ModuleName) -> Result<Option<CurrentConfig>, String>;
}
