//! Starts the parts in order, serves, and stops them in reverse.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::build::{ADDRESS_FILE, App, AppError, SOCKET_FILE};
use super::housekeeping;
use super::late::LateFleet;
use crate::api::auth::origin::Hosts;
use crate::api::{self, Api, Listener};
use crate::config::{Backend, Config};
use crate::configuration::Configurations;
use crate::control::{Control, ControlParts, ControlSettings};
use crate::journal::Journal;
use crate::lifecycle::Lifecycle;
use crate::logs::LogStore;
use crate::model::{NewEvent, kinds};
use crate::node::{EmbeddedNode, EmbeddedSettings, NoNode, ReadNode, SubmitNode, announcer};
use crate::packages::Places;
use crate::store::Store;
use crate::supervisor::{self, Supervisor, SupervisorSettings};

/// Event streams that may be open at the same time.
const MAX_STREAMS: usize = 256;

/// The base node's two faces.
type Nodes = (Arc<dyn ReadNode>, Arc<dyn SubmitNode>);

impl App {
    /// Runs until the lifecycle's soft token is cancelled, then stops everything in order.
    ///
    /// # Errors
    /// When a part cannot be started, or ends by itself.
    pub async fn run(self) -> Result<(), AppError> {
        let Self { config, clock, life, listener, socket, address, store, key, auth } = self;
        let clock = clock.0;
        let _files = RunFiles::write(&config, &address)?;
        // The base node outlives the modules that it serves.
        let node_stop = CancellationToken::new();
        let (read_node, submit_node) = start_node(&config, &life, &node_stop);

        let journal = Journal::new(store.clone());
        let logs = LogStore::new(&config.data_dir, clock.clone());
        let configurations = Configurations::new(store.clone(), key);
        let fleet = LateFleet::default();
        let control = Control::new(ControlParts {
            store: store.clone(),
            fleet: Arc::new(fleet.clone()),
            configurations: configurations.clone(),
            submit_node: submit_node.clone(),
            settings: control_settings(&config),
            tracker: life.tracker().clone(),
            soft: life.soft().clone(),
        });
        let api_parts = |supervisor| api::Parts {
            store: store.clone(),
            journal: journal.clone(),
            logs: logs.clone(),
            supervisor,
            control: control.clone(),
            node: read_node.clone(),
            auth,
            clock: clock.clone(),
            hosts: Arc::new(Hosts::new(config.http.allowed_hosts.clone())),
            data_dir: config.data_dir.clone(),
            modules_dir: config.modules.dir.clone(),
            max_streams: MAX_STREAMS,
            soft: life.soft().clone(),
        };
        let started = async {
            control.start().await?;
            let supervisor = Supervisor::start(supervisor::Parts {
                store: store.clone(),
                journal: journal.clone(),
                logs: logs.clone(),
                read_node: read_node.clone(),
                submit_node,
                clock: clock.clone(),
                configs: Arc::new(configurations),
                settings: supervisor_settings(&config),
                tracker: life.tracker().clone(),
                hard: life.hard().clone(),
            })
            .map_err(AppError::Supervisor)?;
            fleet.arrive(supervisor.clone());
            Ok(supervisor)
        };
        let served = match started.await {
            Ok(supervisor) => {
                let tracker = life.tracker();
                tracker.spawn(announcer::announce(store.clone(), read_node.clone(), life.soft().clone()));
                tracker.spawn(housekeeping::run(store.clone(), config.database.clone(), life.soft().clone()));
                tell_start(&journal).await;
                let api = Api::new(api_parts(supervisor.clone()));
                let router = api::router(&api, axum::Router::new());
                let served = serve(&life, listener.into(), socket.map(Into::into), &router).await;
                stop_modules(&supervisor, &config, &life).await;
                served
            }
            Err(error) => Err(error),
        };
        life.drain();
        node_stop.cancel();
        if !life.all_ended().await {
            tracing::warn!("some tasks did not end in time and were left behind");
        }
        store.close().await;
        served
    }
}

/// Serves until the soft token; an end before that is a crash.
async fn serve(life: &Lifecycle, listener: Listener, socket: Option<Listener>, router: &axum::Router) -> Result<(), AppError> {
    let serve = |listener| api::serve(listener, router.clone(), life.soft().clone(), life.hard().clone());
    if let Some(socket) = socket {
        life.tracker().spawn(serve(socket));
    }
    let tcp = life.tracker().spawn(serve(listener));
    life.set_ready();
    tokio::select! {
        () = life.soft().cancelled() => Ok(()),
        _ = tcp => if life.soft().is_cancelled() { Ok(()) } else { Err(AppError::Crashed("the HTTP server")) },
    }
}

async fn stop_modules(supervisor: &Supervisor, config: &Config, life: &Lifecycle) {
    life.drain();
    let report = supervisor.shutdown(config.limits.shutdown_deadline).await;
    if !report.killed.is_empty() {
        let killed: Vec<&str> = report.killed.iter().map(|name| name.as_str()).collect();
        tracing::warn!(modules = killed.join(", "), "modules did not end in time and were killed");
    }
    tracing::info!(modules = report.stopped.len(), duration_ms = report.took.as_millis(), "modules are stopped");
}

fn start_node(config: &Config, life: &Lifecycle, stop: &CancellationToken) -> Nodes {
    let program = std::env::current_exe();
    match (config.node.backend, program) {
        (Backend::Embedded, Ok(program)) => {
            let settings = EmbeddedSettings::new(program, config.node.dir.clone());
            let node = Arc::new(EmbeddedNode::start(settings, life.tracker(), stop.clone()));
            (node.clone(), node)
        }
        (Backend::Embedded, Err(error)) => {
            tracing::error!(%error, "could not find out which program this is, so there is no base node");
            none()
        }
        (Backend::None, _) => none(),
    }
}

fn none() -> Nodes {
    let node = Arc::new(NoNode::default());
    (node.clone(), node)
}

async fn tell_start(journal: &Journal) {
    let started = NewEvent::host(kinds::HOST_STARTED, json!({ "version": env!("CARGO_PKG_VERSION") }));
    if let Err(error) = journal.publish(vec![started]).await {
        tracing::error!(%error, "could not record that the node started");
    }
}

fn control_settings(config: &Config) -> ControlSettings {
    ControlSettings {
        places: Places {
            modules_dir: config.modules.dir.clone(),
            data_dir: config.data_dir.clone(),
            cargo_bins: config.modules.cargo_bin.iter().cloned().collect(),
        },
        entries: config.modules.by_name.clone(),
        call_deadline: config.limits.call_deadline,
        ..ControlSettings::new(&config.data_dir)
    }
}

fn supervisor_settings(config: &Config) -> SupervisorSettings {
    let modules = &config.modules;
    SupervisorSettings {
        launch: modules.launch.clone(),
        interpreters: modules.interpreters.clone(),
        hello_deadline: modules.hello_deadline,
        ready_deadline: modules.ready_deadline,
        drain_deadline: modules.drain_deadline,
        term_deadline: modules.term_deadline,
        heartbeat: modules.heartbeat,
        heartbeat_misses: modules.heartbeat_misses,
        call_deadline: config.limits.call_deadline,
        storage_quota: config.limits.module_storage,
        submissions_per_minute: config.limits.submissions_per_minute,
        ..SupervisorSettings::new(&config.data_dir)
    }
}

/// Files that are there as long as the node runs: others find it by them.
#[derive(Debug)]
struct RunFiles(Vec<PathBuf>);

impl RunFiles {
    fn write(config: &Config, address: &std::net::SocketAddr) -> Result<Self, AppError> {
        let path = config.data_dir.join(ADDRESS_FILE);
        let mut reachable = *address;
        if reachable.ip().is_unspecified() {
            reachable.set_ip([127, 0, 0, 1].into());
        }
        fs::write(&path, format!("http://{reachable}\n")).map_err(|source| AppError::Prepare {
            path: path.clone(),
            source,
        })?;
        Ok(Self(vec![path, config.data_dir.join(SOCKET_FILE)]))
    }
}

impl Drop for RunFiles {
    fn drop(&mut self) {
        for path in &self.0 {
            // The next start writes over whatever stays.
            let _ = fs::remove_file(path);
        }
    }
}
