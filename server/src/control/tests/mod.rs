//! The verbs over a real store and real files; the running modules are told by the test.

mod canary;
mod config;
mod discovery;
mod files;
mod folders;
mod load;
mod operations;
mod packages;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bllvm_ipc::lifecycle::ConfigVerdict;
use bllvm_manifest::ModuleName;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::handle::lock;
use super::{
    Control, ControlError, ControlParts, ControlSettings, Fleet, LoadRequest, ModuleEntry,
};
use crate::clock::SystemClock;
use crate::configuration::{Configurations, SecretKey};
use crate::logs::LogStore;
use crate::model::{
    Actor, AuditEntry, Grant, Id, Module, ObservedState, Operation, Outcome, UtcTime,
};
use crate::node::NoNode;
use crate::store::{AuditFilter, PageRequest, Store};
use crate::supervisor::{Asker, CallFailure, Hold, Observed, SupervisorSettings};
use crate::webhooks::Webhooks;
use crate::webhooks::outgoing::AllowedAddresses;

/// Modules that run because the test says so.
#[derive(Debug, Default)]
struct Told {
    running: Mutex<BTreeMap<ModuleName, ObservedState>>,
    verdict: Mutex<ConfigVerdict>,
}

#[async_trait]
impl Fleet for Told {
    fn wake(&self, _: &ModuleName) {}

    fn granted(&self, _: &ModuleName, _: &Grant) {}

    fn observed(&self, name: &ModuleName) -> Option<Observed> {
        let state = *lock(&self.running).get(name)?;
        let mut observed = Observed::stopped(UtcTime::from_unix_ms(0));
        observed.state = state;
        Some(observed)
    }

    fn reset_backoff(&self, _: &ModuleName) {}

    async fn call(
        &self,
        name: &ModuleName,
        method: &str,
        params: Value,
        _: &str,
        _: Duration,
    ) -> Result<Value, CallFailure> {
        match self.observed(name) {
            None => Err(CallFailure::NoModule(name.clone())),
            Some(_) if method == "echo" => Ok(params),
            Some(_) => Err(CallFailure::NoMethod {
                method: method.to_owned(),
                known: vec!["echo".to_owned()],
            }),
        }
    }

    async fn validate(&self, name: &ModuleName, _: &Value) -> Option<ConfigVerdict> {
        self.observed(name)?;
        Some(lock(&self.verdict).clone())
    }

    async fn hold(&self, _: &ModuleName) -> Option<Hold> {
        Some(Hold::of_nothing())
    }
}

/// A data directory with the verbs over it.
struct World {
    dir: tempfile::TempDir,
    store: Store,
    fleet: Arc<Told>,
    control: Control,
    settings: ControlSettings,
}

const SCHEMA: &str = r#"{
    "type": "object",
    "properties": {
        "greeting": { "type": "string", "default": "hello" },
        "token": { "type": "string", "x-secret": true },
        "http": { "type": "object", "properties": {
            "port": { "type": "integer", "minimum": 1, "maximum": 65535, "default": 8090 } } }
    }
}"#;

impl World {
    async fn new() -> Self {
        Self::with(BTreeMap::new(), Vec::new()).await
    }

    async fn with(entries: BTreeMap<ModuleName, ModuleEntry>, cargo_bins: Vec<PathBuf>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("modules")).unwrap();
        let mut settings = ControlSettings::new(dir.path());
        settings.places.cargo_bins = cargo_bins;
        settings.entries = entries;
        let store = Store::open(dir.path(), Arc::new(SystemClock))
            .await
            .unwrap();
        let fleet = Arc::new(Told::default());
        let control = control_over(&store, &fleet, &settings);
        Self {
            dir,
            store,
            fleet,
            control,
            settings,
        }
    }

    /// The same data after the host's restart.
    async fn restarted(self) -> Self {
        let Self {
            dir,
            store,
            settings,
            control,
            ..
        } = self;
        control.soft().cancel();
        drop(control);
        store.close().await;
        // The lock goes with the last handle, which a task may hold for a moment.
        let store = loop {
            match Store::open(dir.path(), Arc::new(SystemClock)).await {
                Ok(store) => break store,
                Err(crate::store::StoreError::Locked { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        let fleet = Arc::new(Told::default());
        let control = control_over(&store, &fleet, &settings);
        Self {
            dir,
            store,
            fleet,
            control,
            settings,
        }
    }

    fn modules(&self) -> PathBuf {
        self.dir.path().join("modules")
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.modules().join(name)
    }

    fn config_file(&self, name: &str) -> PathBuf {
        self.folder(name).join("config.toml")
    }

    /// Puts a module there as a person would: manifest, schema, program.
    fn put(&self, name: &str, more: &str) -> ModuleName {
        put_at(&self.folder(name), name, more);
        name.parse().unwrap()
    }

    /// Loads it as an operator does who names nothing more.
    async fn load(&self, name: &ModuleName) -> Result<Operation, ControlError> {
        let request = LoadRequest::default();
        self.control.load(name, request, &me()).await
    }

    /// Puts it there, and loads it.
    async fn loaded(&self, name: &str) -> ModuleName {
        let name = self.put(name, "");
        self.control.rescan().await.unwrap();
        let load = self.load(&name);
        self.close_operation(&load.await.unwrap()).await;
        name
    }

    /// What the supervisor would do.
    async fn close_operation(&self, operation: &Operation) {
        self.control
            .end(operation.id, Ok(serde_json::json!({})))
            .await;
    }

    fn runs(&self, name: &ModuleName) {
        lock(&self.fleet.running).insert(name.clone(), ObservedState::Running);
    }

    async fn module(&self, name: &str) -> Module {
        let name = name.parse().unwrap();
        self.store.module(&name).await.unwrap().unwrap()
    }

    async fn problem(&self, name: &str) -> String {
        self.module(name).await.problem.unwrap_or_default()
    }

    async fn ended(&self, id: Id) -> Operation {
        let looks = async {
            loop {
                let operation = self.store.operation(id).await.unwrap().unwrap();
                if operation.status.is_final() {
                    return operation;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), looks)
            .await
            .expect("the operation ends")
    }

    async fn audit(&self) -> Vec<AuditEntry> {
        let page = PageRequest::of(1000);
        let filter = AuditFilter::default();
        self.store.audit(&page, &filter).await.unwrap().items
    }

    async fn refusals(&self, action: &str) -> Vec<String> {
        let rows = self.audit().await.into_iter();
        rows.filter(|row| row.outcome == Outcome::Refused && row.action == action)
            .map(|row| row.detail)
            .collect()
    }

    /// All events, as text.
    async fn events(&self) -> String {
        let all = ["*".to_owned()];
        let events = self.store.events_after(0, &all, 100_000).await.unwrap();
        serde_json::to_string(&events).unwrap()
    }
}

fn control_over(store: &Store, fleet: &Arc<Told>, settings: &ControlSettings) -> Control {
    let key = SecretKey::open_or_create(&settings.places.data_dir).unwrap();
    Control::new(ControlParts {
        store: store.clone(),
        logs: LogStore::new(&settings.places.data_dir, Arc::new(SystemClock)),
        fleet: Arc::clone(fleet) as Arc<dyn Fleet>,
        asker: Asker::new(
            store.clone(),
            SupervisorSettings::new(&settings.places.data_dir),
            TaskTracker::new(),
        ),
        read_node: Arc::new(NoNode::default()),
        configurations: Configurations::new(store.clone(), key.clone()),
        webhooks: Webhooks::new(store.clone(), key, 1 << 20, AllowedAddresses::default()),
        submit_node: Arc::new(NoNode::default()),
        settings: settings.clone(),
        tracker: TaskTracker::new(),
        soft: CancellationToken::new(),
    })
}

fn me() -> Actor {
    Actor::named("cookie")
}

fn manifest(name: &str, more: &str) -> String {
    format!(
        "name = \"{name}\"\nversion = \"0.1.0\"\nentry_point = \"{name}\"\n\
         capabilities = [\"chain.read\"]\n{more}\n[config]\nschema = \"config.schema.json\"\n"
    )
}

fn put_at(folder: &Path, name: &str, more: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("module.toml"), manifest(name, more)).unwrap();
    fs::write(folder.join("config.schema.json"), SCHEMA).unwrap();
    program(&folder.join(name), b"\x7fELF one");
}

fn program(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
