//! Starts the parts in the order in which they need each other.

use std::sync::Arc;

use axum::Router;
use bllvm_registry::Authorities;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::build::{App, AppError};
use super::housekeeping;
use super::late::LateFleet;
use super::memory;
use super::mempool;
use super::run_files::RunFiles;
use super::running::Running;
use crate::api::auth::origin::Hosts;
use crate::api::{self, Api, Listener};
use crate::config::{Backend, Config};
use crate::configuration::Configurations;
use crate::control::{BackupSettings, Control, ControlParts, ControlSettings};
use crate::dashboard;
use crate::face::Face;
use crate::journal::Journal;
use crate::lifecycle::Lifecycle;
use crate::logs::LogStore;
use crate::model::{NewEvent, kinds};
use crate::node::{
    CoreNode, EmbeddedNode, EmbeddedSettings, NoNode, ReadNode, SubmitNode, announce,
};
use crate::packages::Places;
use crate::supervisor::{self, Asker, Supervisor, SupervisorSettings};
use crate::webhooks::Webhooks;

/// Event streams that may be open at the same time.
const MAX_STREAMS: usize = 256;

/// The base node's two faces.
type Nodes = (Arc<dyn ReadNode>, Arc<dyn SubmitNode>);

impl App {
    /// Starts every part. From here on requests are answered and modules run.
    ///
    /// # Errors
    /// When a part cannot be started; those before it are stopped again.
    pub async fn start(self) -> Result<Running, AppError> {
        let (life, store) = (self.life.clone(), self.store.clone());
        // The base node outlives the modules that it serves.
        let node_stop = CancellationToken::new();
        match self.start_parts(&node_stop).await {
            Ok(running) => Ok(running),
            Err(error) => {
                life.drain();
                node_stop.cancel();
                life.all_ended().await;
                store.close().await;
                Err(error)
            }
        }
    }

    async fn start_parts(self, node_stop: &CancellationToken) -> Result<Running, AppError> {
        let url = self.url();
        let Self {
            config,
            clock,
            life,
            listener,
            socket,
            face,
            store,
            key,
            auth,
            ..
        } = self;
        let clock = clock.0;
        let face_url = face
            .as_ref()
            .and_then(|face| Some(format!("http://{}", face.local_addr().ok()?)));
        let files = RunFiles::write(&config.data_dir, &url, face_url.as_deref())?;
        let (read_node, submit_node) = start_node(&config, &life, node_stop);
        let journal = Journal::new(store.clone());
        let logs = LogStore::new(&config.data_dir, clock.clone());
        let configurations = Configurations::new(store.clone(), key.clone());
        let webhooks = Webhooks::new(
            store.clone(),
            key,
            config.limits.webhook_body,
            config.webhooks.allowed.clone(),
        );
        webhooks.reload().await?;

        let fleet = LateFleet::default();
        let control = Control::new(ControlParts {
            store: store.clone(),
            fleet: Arc::new(fleet.clone()),
            logs: logs.clone(),
            asker: Asker::new(
                store.clone(),
                supervisor_settings(&config),
                life.tracker().clone(),
            ),
            configurations: configurations.clone(),
            read_node: read_node.clone(),
            webhooks: webhooks.clone(),
            submit_node: submit_node.clone(),
            settings: control_settings(&config).await?,
            tracker: life.tracker().clone(),
            soft: life.soft().clone(),
        });
        // What the last run left is taken up before any module starts.
        control.start().await?;
        let supervisor = Supervisor::start(supervisor::Parts {
            store: store.clone(),
            journal: journal.clone(),
            logs: logs.clone(),
            read_node: read_node.clone(),
            submit_node: submit_node.clone(),
            clock: clock.clone(),
            configs: Arc::new(configurations),
            settings: supervisor_settings(&config),
            tracker: life.tracker().clone(),
            hard: life.hard().clone(),
        })
        .map_err(AppError::Supervisor)?;
        fleet.arrive(supervisor.clone());

        let tracker = life.tracker();
        let announced = announce(
            store.clone(),
            journal.clone(),
            read_node.clone(),
            life.soft().clone(),
        );
        tracker.spawn(announced);
        tracker.spawn(mempool::announce(
            journal.clone(),
            read_node.clone(),
            life.soft().clone(),
        ));
        let cleaned =
            housekeeping::run(store.clone(), config.database.clone(), life.soft().clone());
        tracker.spawn(cleaned);
        tracker.spawn(memory::run(life.soft().clone()));
        tracker.spawn(webhooks.clone().reconcile_due(life.soft().clone()));
        Box::pin(webhooks.outgoing().start(tracker, life.soft())).await?;
        tell_start(&journal).await;

        let api = Api::new(api::Parts {
            store: store.clone(),
            journal,
            logs,
            supervisor: supervisor.clone(),
            control: control.clone(),
            webhooks,
            node: read_node,
            auth,
            clock,
            hosts: Arc::new(Hosts::new(config.http.allowed_hosts.clone())),
            data_dir: config.data_dir.clone(),
            modules_dir: config.modules.dir.clone(),
            max_streams: MAX_STREAMS,
            soft: life.soft().clone(),
        });
        let router = api::router(&api, dashboard::router(&api));
        let serve = |listener: Listener, router: &Router| {
            let (soft, hard) = (life.soft().clone(), life.hard().clone());
            api::serve(listener, router.clone(), soft, hard)
        };
        if let Some(listener) = face {
            let face = Face::new(api.clone(), submit_node, config.face.open_rest);
            tracker.spawn(serve(listener.into(), &face.router()));
        }
        if let Some(socket) = socket {
            tracker.spawn(serve(socket.into(), &router));
        }
        let server = tracker.spawn(serve(listener.into(), &router));
        life.set_ready();
        Ok(Running {
            config,
            url,
            life,
            store,
            control,
            supervisor,
            node_stop: node_stop.clone(),
            server,
            _files: files,
        })
    }
}

fn start_node(config: &Config, life: &Lifecycle, stop: &CancellationToken) -> Nodes {
    match (config.node.backend, std::env::current_exe()) {
        (Backend::Embedded, Ok(program)) => {
            let settings = EmbeddedSettings {
                chain: config.node.chain.clone(),
                peers: config.node.peers.clone(),
                ..EmbeddedSettings::new(program, config.node.dir.clone())
            };
            let node = Arc::new(EmbeddedNode::start(settings, life.tracker(), stop.clone()));
            (node.clone(), node)
        }
        (Backend::Embedded, Err(error)) => {
            tracing::error!(%error, "could not find out which program this is, so there is no base node");
            no_node()
        }
        (Backend::Core, _) => match config.node.core.clone() {
            Some(settings) => {
                let node = Arc::new(CoreNode::start(settings, life.tracker(), stop.clone()));
                (node.clone(), node)
            }
            None => no_node(),
        },
        (Backend::None, _) => no_node(),
    }
}

fn no_node() -> Nodes {
    let node = Arc::new(NoNode::default());
    (node.clone(), node)
}

async fn tell_start(journal: &Journal) {
    let version = env!("CARGO_PKG_VERSION");
    let started = NewEvent::host(kinds::HOST_STARTED, json!({ "version": version }));
    if let Err(error) = journal.publish(vec![started]).await {
        tracing::error!(%error, "could not record that the node started");
    }
}

async fn control_settings(config: &Config) -> Result<ControlSettings, AppError> {
    let authorities = match config.catalog.ca_file.clone() {
        Some(file) => {
            let read = tokio::task::spawn_blocking(move || Authorities::with_file(&file)).await;
            let read = read.unwrap_or_else(|error| Err(error.to_string()));
            Some(read.map_err(AppError::Authorities)?)
        }
        None => None,
    };
    Ok(ControlSettings {
        places: Places {
            modules_dir: config.modules.dir.clone(),
            data_dir: config.data_dir.clone(),
            cargo_bins: config.modules.cargo_bin.iter().cloned().collect(),
        },
        entries: config.modules.by_name.clone(),
        call_deadline: config.limits.call_deadline,
        keep_leftovers: config.limits.keep_leftovers,
        refresh_every: config.catalog.refresh,
        authorities,
        backups: BackupSettings {
            dir: config.backup.dir.clone(),
            recipients: config.backup.recipients.clone(),
            config_file: config.file.clone(),
        },
        ..ControlSettings::new(&config.data_dir)
    })
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
