//! A host for tests: store, journal, logs and supervisor over a temporary directory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bllvm_ipc::Capability;
use bllvm_manifest::{Digest, Manifest, ModuleName};
use bllvm_node::clock::SystemClock;
use bllvm_node::journal::Journal;
use bllvm_node::logs::LogStore;
use bllvm_node::model::{
    Actor, DesiredState, Grant, Id, ObservedState, Operation, OperationKind, Run, Source,
    TrustClass,
};
use bllvm_node::node::NoNode;
use bllvm_node::store::commands::{
    AddRevision, Confirm, FoundModule, RequestReload, SetGrant, Want,
};
use bllvm_node::store::{PageRequest, Store, StoreError};
use bllvm_node::supervisor::{
    CallFailure, ConfigSource, CurrentConfig, Observed, Parts, Supervisor, SupervisorSettings,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Ten times what anything here takes on an idle machine.
const DEADLINE: Duration = Duration::from_secs(40);

pub fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn name(text: &str) -> ModuleName {
    text.parse().unwrap()
}

/// Reads configurations from the store's revisions.
struct StoredConfigs(Store);

#[async_trait::async_trait]
impl ConfigSource for StoredConfigs {
    async fn current(&self, module: &ModuleName) -> Result<Option<CurrentConfig>, String> {
        let revision = self.0.current_revision(module).await;
        let revision = revision.map_err(|error| error.to_string())?;
        let Some(revision) = revision else {
            return Ok(None);
        };
        let table: toml::Table = revision.text.parse().map_err(|error| format!("{error}"))?;
        let value = serde_json::to_value(table).map_err(|error| error.to_string())?;
        Ok(Some(CurrentConfig {
            revision: revision.number,
            value,
            secrets: vec!["hunter2".to_owned()],
        }))
    }
}

pub struct Host {
    pub dir: TempDir,
    pub store: Store,
    pub journal: Journal,
    pub logs: LogStore,
    pub supervisor: Supervisor,
    settings: SupervisorSettings,
}

/// What a test module is installed with.
pub struct Recipe {
    pub behaviour: String,
    pub manifest: String,
    pub grant: Grant,
}

/// A module of a behaviour, with every capability.
pub fn module(behaviour: &str) -> Recipe {
    Recipe {
        behaviour: behaviour.to_owned(),
        manifest: String::new(),
        grant: Grant {
            capabilities: Capability::ALL.iter().copied().collect(),
            ..Grant::default()
        },
    }
}

impl Recipe {
    /// More lines of module.toml.
    pub fn with(mut self, manifest: &str) -> Self {
        self.manifest.push_str(manifest);
        self.manifest.push('\n');
        self
    }

    pub fn reload(self, mode: &str) -> Self {
        self.with(&format!("[reload]\nmode = \"{mode}\""))
    }

    pub fn listening(mut self) -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        self.grant.listeners.insert("http".to_owned(), any);
        self
    }

    /// Asks for, and is given, the right to start other programs.
    pub fn starting_programs(mut self) -> Self {
        self.grant.programs = true;
        self.with("[sandbox]\nprograms = true")
    }

    pub fn without_capabilities(mut self) -> Self {
        self.grant.capabilities = BTreeSet::new();
        self
    }
}

impl Host {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(adjust: impl FnOnce(&mut SupervisorSettings)) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut settings = SupervisorSettings::new(dir.path());
        settings.hello_deadline = Duration::from_secs(20);
        settings.drain_deadline = millis(2000);
        settings.goodbye_grace = millis(500);
        settings.term_deadline = millis(1000);
        settings.seed = 1;
        let python = PathBuf::from("/usr/bin/python3");
        settings.interpreters = BTreeMap::from([("python3".to_owned(), python)]);
        adjust(&mut settings);
        Self::on(dir, settings).await
    }

    pub async fn on(dir: TempDir, settings: SupervisorSettings) -> Self {
        let clock = Arc::new(SystemClock);
        let begun = Instant::now();
        let store = loop {
            match Store::open(dir.path(), clock.clone()).await {
                // The last tasks of the host before are letting go of it.
                Err(StoreError::Locked { .. }) if begun.elapsed() < DEADLINE => {
                    tokio::time::sleep(millis(5)).await;
                }
                opened => break opened.unwrap(),
            }
        };
        let journal = Journal::new(store.clone());
        let logs = LogStore::new(dir.path(), clock.clone());
        let node = Arc::new(NoNode::default());
        let supervisor = Supervisor::start(Parts {
            store: store.clone(),
            journal: journal.clone(),
            logs: logs.clone(),
            read_node: node.clone(),
            submit_node: node,
            clock,
            configs: Arc::new(StoredConfigs(store.clone())),
            settings: settings.clone(),
            tracker: TaskTracker::new(),
            hard: CancellationToken::new(),
        })
        .unwrap();
        Self {
            dir,
            store,
            journal,
            logs,
            supervisor,
            settings,
        }
    }

    /// Ends this host and starts another one on the same data.
    pub async fn restart(self) -> Self {
        self.supervisor.shutdown(Duration::from_secs(20)).await;
        let Self {
            dir,
            store,
            settings,
            supervisor,
            journal,
            logs,
        } = self;
        drop((supervisor, journal, logs));
        store.close().await;
        Self::on(dir, settings).await
    }

    /// Puts a module into the modules directory, confirmed and granted. Its name is its
    /// behaviour, with dashes.
    pub async fn install(&self, recipe: Recipe) -> ModuleName {
        let called = recipe.behaviour.replace('_', "-");
        self.install_as(&called, recipe).await
    }

    pub async fn install_as(&self, called: &str, recipe: Recipe) -> ModuleName {
        // Another user may have no way to the build's folder.
        let copy = std::env::var_os("TEST_ESCAPES_MODULE").map(PathBuf::from);
        let program = copy.unwrap_or_else(|| env!("CARGO_BIN_EXE_misbehaving").into());
        self.install_program(called, &program, recipe).await
    }

    pub async fn install_program(
        &self,
        called: &str,
        program: &Path,
        recipe: Recipe,
    ) -> ModuleName {
        let module = name(called);
        let folder = self.folder(&module);
        std::fs::create_dir_all(&folder).unwrap();
        let entry_point = folder.join(&recipe.behaviour);
        if std::fs::hard_link(program, &entry_point).is_err() {
            std::fs::copy(program, &entry_point).unwrap();
        }
        let restart = if recipe.manifest.contains("[restart]") {
            ""
        } else {
            "[restart]\ninitial_ms = 20\nmax_ms = 100\n"
        };
        let manifest = format!(
            "name = \"{called}\"\nversion = \"0.1.0\"\nentry_point = \"{}\"\n{}\n{restart}",
            recipe.behaviour, recipe.manifest
        );
        self.found(manifest.parse().unwrap(), &entry_point).await;
        let digest = digest(&entry_point);
        self.confirm(&module, digest, Some(recipe.grant)).await;
        self.supervisor.wake_all();
        module
    }

    pub fn folder(&self, module: &ModuleName) -> PathBuf {
        self.dir.path().join("modules").join(module.as_str())
    }

    pub async fn found(&self, manifest: Manifest, program: &Path) {
        let found = FoundModule {
            dir: program.parent().unwrap().to_owned(),
            manifest,
            source: Source::Directory,
            trust: TrustClass::Local,
            digest: Some(digest(program)),
            problem: None,
            by: Actor::host(),
        };
        self.store.commit(found).await.unwrap();
    }

    pub async fn confirm(&self, module: &ModuleName, digest: Digest, grant: Option<Grant>) {
        let confirm = Confirm {
            name: module.clone(),
            digest,
            grant,
            by: Actor::host(),
        };
        self.store.commit(confirm).await.unwrap();
    }

    pub async fn grant(&self, module: &ModuleName, grant: Grant) {
        let set = SetGrant {
            name: module.clone(),
            grant,
            by: Actor::host(),
        };
        self.store.commit(set).await.unwrap();
        self.supervisor.wake(module);
    }

    /// Asks for a load; does not wait.
    pub async fn want(&self, module: &ModuleName, desired: DesiredState) -> Id {
        let want = Want {
            name: module.clone(),
            desired,
            kind: match desired {
                DesiredState::Running => OperationKind::Load,
                DesiredState::Stopped => OperationKind::Unload,
            },
            params: Value::Null,
            by: Actor::host(),
        };
        let operation = self.store.commit(want).await.unwrap();
        self.supervisor.wake(module);
        operation.id
    }

    pub async fn load(&self, module: &ModuleName) -> Operation {
        let id = self.want(module, DesiredState::Running).await;
        self.finished(id).await
    }

    pub async fn unload(&self, module: &ModuleName) -> Operation {
        let id = self.want(module, DesiredState::Stopped).await;
        self.finished(id).await
    }

    pub async fn reload(&self, module: &ModuleName) -> Operation {
        let request = RequestReload {
            name: module.clone(),
            by: Actor::host(),
        };
        let operation = self.store.commit(request).await.unwrap();
        self.supervisor.wake(module);
        self.finished(operation.id).await
    }

    /// Adds a revision; gives the finished operation, where the module was wanted.
    pub async fn configure(&self, module: &ModuleName, text: &str) -> Option<Operation> {
        let add = AddRevision {
            module: module.clone(),
            text: text.to_owned(),
            etag: Digest::of(text).to_string(),
            source: bllvm_node::model::ConfigSource::Api,
            secrets: Vec::new(),
            expect_etag: None,
            by: Actor::host(),
        };
        let (_, operation) = self.store.commit(add).await.unwrap();
        self.supervisor.wake(module);
        match operation {
            Some(operation) => Some(self.finished(operation.id).await),
            None => None,
        }
    }

    pub async fn finished(&self, id: Id) -> Operation {
        self.eventually(&format!("operation {id} to finish"), async || {
            let operation = self.store.operation(id).await.unwrap().unwrap();
            operation.status.is_final().then_some(operation)
        })
        .await
    }

    /// Asks again and again until there is an answer.
    pub async fn eventually<T>(&self, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            assert!(
                begun.elapsed() < DEADLINE,
                "waited in vain for {what}; now: {:#?}",
                self.supervisor.observed_all()
            );
            tokio::time::sleep(millis(5)).await;
        }
    }

    pub async fn until(&self, module: &ModuleName, what: impl Fn(&Observed) -> bool) -> Observed {
        let mut watch = self.supervisor.watch(module);
        let reached = tokio::time::timeout(DEADLINE, watch.wait_for(|now| what(now)));
        let Ok(observed) = reached.await else {
            panic!("{module} stays {:#?}", self.supervisor.observed(module));
        };
        observed.unwrap().clone()
    }

    pub async fn until_state(&self, module: &ModuleName, state: ObservedState) -> Observed {
        self.until(module, |observed| observed.state == state).await
    }

    pub async fn call(
        &self,
        module: &ModuleName,
        method: &str,
        params: Value,
    ) -> Result<Value, CallFailure> {
        self.supervisor
            .call(module, method, params, "operator", DEADLINE)
            .await
    }

    pub async fn runs(&self, module: &ModuleName) -> Vec<Run> {
        let page = self.store.runs(module, &PageRequest::of(100)).await;
        page.unwrap().items
    }

    /// The newest run that has ended.
    pub async fn last_ended(&self, module: &ModuleName) -> Run {
        self.eventually("a run to end", async || {
            let runs = self.runs(module).await;
            runs.into_iter().find(|run| run.exit.is_some())
        })
        .await
    }

    pub async fn event_kinds(&self, module: &ModuleName) -> Vec<String> {
        let all = vec!["module.*".to_owned()];
        let events = self.store.events_after(0, &all, 10_000).await.unwrap();
        events
            .into_iter()
            .filter(|event| event.data["module"] == module.as_str())
            .map(|event| event.kind)
            .collect()
    }

    pub fn log(&self, module: &ModuleName) -> String {
        let lines = self.logs.tail(module, None, None, 2000);
        lines.into_iter().map(|line| line.message + "\n").collect()
    }

    /// Nothing of the modules is left in the process table.
    pub async fn has_no_processes(&self) {
        let home = self.dir.path().to_owned();
        self.eventually("all processes to be gone", async || {
            processes_in(&home).is_empty().then_some(())
        })
        .await;
    }
}

/// Processes whose working directory lies below a folder.
pub fn processes_in(folder: &Path) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let cwd = std::fs::read_link(entry.path().join("cwd")).ok()?;
        cwd.starts_with(folder).then_some(pid)
    })
    .collect()
}

pub fn digest(program: &Path) -> Digest {
    Digest::of_reader(std::fs::File::open(program).unwrap()).unwrap()
}

/// Sends a signal by its name.
pub fn signal(pid: u32, signal: &str) {
    let status = std::process::Command::new("kill")
        .args([&format!("-{signal}"), &pid.to_string()])
        .status();
    assert!(status.unwrap().success(), "kill -{signal} {pid}");
}

/// Who answers at an address: the fixture writes its process id.
pub fn who_answers(address: SocketAddr) -> Result<String, std::io::Error> {
    use std::io::Read;
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    if text.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(text)
}
