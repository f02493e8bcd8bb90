//! Modules as the API shows them.

use std::collections::{BTreeMap, BTreeSet};

use bllvm_ipc::Capability;
use bllvm_ipc::types::{MethodDescription, StatusField, UiProgress, UiTask};
use bllvm_manifest::{Manifest, ModuleName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::sandbox::SandboxView;
use crate::model::{
    DesiredState, Grant, Health, Id, Module, ObservedState, Outgoing, RequiredLayer, Source,
    TrustClass, UtcTime,
};
use crate::supervisor::Observed;

/// A module: what is installed, what is wanted, what is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModuleView {
    /// Its name.
    #[schema(value_type = String, example = "block-clock")]
    pub name: ModuleName,
    /// Its title for people.
    pub title: String,
    /// Its version.
    pub version: String,
    /// What it does.
    pub description: Option<String>,
    /// Where it came from.
    pub source: Source,
    /// How far the host vouches for it.
    pub trust: TrustClass,
    /// SHA-256 of its program as found, with `sha256:` before it.
    pub digest: Option<String>,
    /// The digest that an operator confirmed; only this one runs.
    pub confirmed: Option<String>,
    /// Whether it waits for an operator's first load.
    pub waiting: bool,
    /// Whether it may be loaded at all.
    pub enabled: bool,
    /// Why it cannot be loaded as found.
    pub problem: Option<String>,
    /// Why its `config.toml` is not in force, although the module goes on as it was.
    pub config_problem: Option<String>,
    /// What an operator wants.
    pub desired: DesiredState,
    /// What is.
    pub state: ObservedState,
    /// How it is, while it runs.
    pub health: Health,
    /// Why it is not as it should be.
    pub reason: Option<String>,
    /// What a person can do about it.
    pub way_out: Option<String>,
    /// The present run.
    pub run: Option<Id>,
    /// The process id.
    pub pid: Option<u32>,
    /// Since when it is in this state.
    pub since: UtcTime,
    /// When it became running.
    pub ready_at: Option<UtcTime>,
    /// Restarts after a crash since the host started.
    pub restarts: u64,
    /// When it will be started again, while it backs off.
    pub next_start_at: Option<UtcTime>,
    /// Processor time in percent of one core.
    pub cpu_percent: f32,
    /// Resident memory.
    pub memory_bytes: u64,
    /// Durable events that it has not acknowledged yet.
    pub cursor_lag: u64,
    /// The sockets that the host holds for it.
    pub listeners: BTreeMap<String, String>,
    /// Status fields that it shows.
    pub status: Vec<StatusField>,
    /// Tasks that need a person.
    pub tasks: Vec<UiTask>,
    /// What it is busy with.
    pub progress: Vec<UiProgress>,
    /// The configuration revision that applies.
    pub revision: Option<u64>,
    /// The configuration revision that the process runs on.
    pub running_revision: Option<u64>,
}

impl ModuleView {
    /// A module, what the supervisor sees of it, and why its `config.toml` is not in force.
    pub fn new(
        module: &Module,
        observed: Option<&Observed>,
        config_problem: Option<String>,
    ) -> Self {
        let nothing = Observed::stopped(module.changed_at);
        let observed = observed.unwrap_or(&nothing);
        Self {
            name: module.name.clone(),
            title: module.manifest.title().to_owned(),
            version: module.manifest.version.to_string(),
            description: module.manifest.description.clone(),
            source: module.source,
            trust: module.trust,
            digest: module.digest.as_ref().map(ToString::to_string),
            confirmed: module.confirmed.as_ref().map(ToString::to_string),
            waiting: module.is_waiting(),
            enabled: module.enabled,
            problem: module.problem.clone(),
            config_problem,
            desired: module.desired,
            state: observed.state,
            health: observed.health.clone(),
            reason: observed.reason.clone(),
            way_out: observed.way_out.clone(),
            run: observed.run,
            pid: observed.pid,
            since: observed.since,
            ready_at: observed.ready_at,
            restarts: observed.restarts,
            next_start_at: observed.next_start_at,
            cpu_percent: observed.cpu_percent,
            memory_bytes: observed.memory_bytes,
            cursor_lag: observed.cursor_lag,
            listeners: observed
                .listeners
                .iter()
                .map(|(name, address)| (name.clone(), address.to_string()))
                .collect(),
            status: observed.status.clone(),
            tasks: observed.tasks.clone(),
            progress: observed.progress.clone(),
            revision: module.revision,
            running_revision: observed.revision,
        }
    }
}

/// A module with everything about it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ModuleDetail {
    /// What the list shows, too.
    #[serde(flatten)]
    pub module: ModuleView,
    /// Its directory.
    pub dir: String,
    /// Its author.
    pub author: Option<String>,
    /// Its licence.
    pub license: Option<String>,
    /// Its home page.
    pub homepage: Option<String>,
    /// Modules that it needs, and the versions that fit.
    pub dependencies: BTreeMap<String, String>,
    /// Modules that it uses where they are there.
    pub optional_dependencies: BTreeMap<String, String>,
    /// What it asks for, and what it was given.
    pub grants: GrantsView,
    /// The methods that it offers.
    pub methods: Vec<MethodDescription>,
    /// What it can and cannot do, and what sees to that.
    pub sandbox: SandboxView,
    /// When it was first found.
    pub found_at: UtcTime,
    /// When its row last changed.
    pub changed_at: UtcTime,
}

impl ModuleDetail {
    /// A module, its rights, what the supervisor sees of it, and why its `config.toml` is not in
    /// force.
    pub fn new(
        module: &Module,
        granted: Grant,
        waived: BTreeSet<RequiredLayer>,
        observed: Option<&Observed>,
        config_problem: Option<String>,
    ) -> Self {
        let layers = observed.map(|seen| seen.isolation.clone());
        let sandbox = SandboxView::new(&granted, layers.unwrap_or_default(), waived);
        let versions = |needs: &BTreeMap<ModuleName, semver::VersionReq>| {
            needs
                .iter()
                .map(|(name, fits)| (name.to_string(), fits.to_string()))
                .collect()
        };
        let manifest = &module.manifest;
        Self {
            module: ModuleView::new(module, observed, config_problem),
            dir: module.dir.display().to_string(),
            author: manifest.author.clone(),
            license: manifest.license.clone(),
            homepage: manifest.homepage.clone(),
            dependencies: versions(&manifest.dependencies),
            optional_dependencies: versions(&manifest.optional_dependencies),
            grants: GrantsView::new(manifest, granted),
            methods: observed
                .map(|seen| seen.methods.clone())
                .unwrap_or_default(),
            sandbox,
            found_at: module.found_at,
            changed_at: module.changed_at,
        }
    }
}

/// What a module asks for, and what it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GrantsView {
    /// What its manifest asks for.
    pub requested: Grant,
    /// What an operator gave.
    pub granted: Grant,
    /// Asked for and not given: methods that need it answer `denied`.
    pub missing: BTreeSet<Capability>,
}

impl GrantsView {
    /// Compares a manifest's wishes with a grant.
    pub fn new(manifest: &Manifest, granted: Grant) -> Self {
        let requested = requested(manifest);
        let missing = &requested.capabilities - &granted.capabilities;
        Self {
            requested,
            granted,
            missing,
        }
    }
}

/// What a manifest asks for, as a grant. Capabilities that this version does not know are left out.
pub fn requested(manifest: &Manifest) -> Grant {
    Grant {
        capabilities: manifest
            .capabilities
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect(),
        listeners: manifest
            .network
            .listeners
            .iter()
            .map(|(name, address)| (name.to_string(), *address))
            .collect(),
        outgoing: Outgoing::from(&manifest.network.outgoing),
        udp: manifest.network.udp,
        programs: manifest.sandbox.programs,
    }
}
