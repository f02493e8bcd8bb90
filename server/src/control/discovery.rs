//! Looks at the modules directory and cargo's bin folder, and records what is there: new modules wait
//! for an operator, changed and broken ones say it, removed ones are marked gone. What the node's
//! configuration names is loaded as if an operator had asked.

use std::collections::{BTreeMap, BTreeSet};

use bllvm_manifest::{Digest, Manifest, ModuleName, toml_to_json};

use super::handle::{blocking, lock};
use super::requests::Stray;
use super::rights::requested;
use super::{ConfigInput, Control, ControlError, LoadRequest, ModuleEntry, SetConfig};
use crate::model::{Actor, ConfigSource, DesiredState, Module, Source, TrustClass};
use crate::packages::{Candidate, CargoScanner, Scanner, Seen};
use crate::store::StoreError;
use crate::store::commands::{FoundModule, MarkGone};

/// What discovery remembers between two looks.
#[derive(Default)]
pub(super) struct Eyes {
    folders: Scanner,
    programs: CargoScanner,
    /// What was asked for once on behalf of the node's configuration.
    asked: BTreeSet<(ModuleName, Option<Digest>)>,
}

/// What one look saw.
struct Look {
    eyes: Eyes,
    folders: std::io::Result<Vec<Seen>>,
    programs: BTreeMap<ModuleName, Candidate>,
}

impl Control {
    /// The first look. What it remembers goes on to [`Self::spawn_discovery`], so that nothing is
    /// hashed twice.
    pub(super) async fn discover_at_start(&self) -> Result<Eyes, ControlError> {
        let mut eyes = Eyes::default();
        self.discover(&mut eyes).await?;
        self.follow_entries(&mut eyes, true).await?;
        Ok(eyes)
    }

    /// Somebody who asks for a module may have put it there, or mended it, since the last look.
    ///
    /// # Errors
    /// As [`Self::rescan`].
    pub async fn look_for(&self, name: &ModuleName) -> Result<(), ControlError> {
        let known = self.store().module(name).await?;
        if known.is_none_or(|module| module.problem.is_some()) {
            self.rescan().await?;
        }
        Ok(())
    }

    /// Looks once, outside its rhythm.
    ///
    /// # Errors
    /// Where the modules directory or the database cannot be read.
    pub async fn rescan(&self) -> Result<(), ControlError> {
        self.discover(&mut Eyes::default()).await
    }

    pub(super) fn spawn_discovery(&self, mut eyes: Eyes) {
        let control = self.clone();
        let (soft, every) = (self.soft().clone(), self.settings().scan_every);
        self.0.parts.tracker.spawn(async move {
            while soft
                .run_until_cancelled(tokio::time::sleep(every))
                .await
                .is_some()
            {
                let looked = async {
                    control.discover(&mut eyes).await?;
                    control.follow_entries(&mut eyes, false).await
                };
                match looked.await {
                    Ok(()) => {}
                    Err(ControlError::Store(StoreError::Closed)) => break,
                    Err(error) => tracing::warn!(%error, "could not look for modules"),
                }
            }
        });
    }

    pub(super) async fn discover(&self, eyes: &mut Eyes) -> Result<(), ControlError> {
        let _alone = self.0.folders.lock().await;
        let places = self.places().clone();
        let mut taken = std::mem::take(eyes);
        let look = blocking(move || {
            let folders = taken.folders.scan(&places.modules_dir);
            let programs = taken.programs.scan(&places.cargo_bins);
            Look {
                eyes: taken,
                folders,
                programs,
            }
        })
        .await?;
        *eyes = look.eyes;
        let folders = look.folders.map_err(|error| {
            ControlError::files(format!(
                "the modules directory {} could not be read: {error}",
                self.places().modules_dir.display()
            ))
        })?;
        self.record_strays(&folders);
        let known: BTreeMap<ModuleName, Module> = self
            .store()
            .modules()
            .await?
            .into_iter()
            .map(|module| (module.name.clone(), module))
            .collect();
        let mut present = BTreeSet::new();
        for seen in folders {
            let Some(name) = seen.name.clone() else {
                continue;
            };
            self.record_folder(known.get(&name), &name, seen).await?;
            present.insert(name);
        }
        for (name, candidate) in look.programs {
            if !present.contains(&name) {
                self.record_program(known.get(&name), &name, candidate)
                    .await?;
                present.insert(name);
            }
        }
        for (name, module) in known {
            // Looked at once more: an install may have put it there meanwhile.
            if !present.contains(&name) && !is_marked_gone(&module) && !module.dir.is_dir() {
                tracing::info!(module.name = %name, "a module's files are gone");
                let gone = MarkGone {
                    name: name.clone(),
                    by: Actor::host(),
                };
                ignore_missing(self.store().commit(gone).await)?;
                self.fleet().wake(&name);
            }
        }
        Ok(())
    }

    fn record_strays(&self, folders: &[Seen]) {
        let strays: Vec<Stray> = folders
            .iter()
            .filter(|seen| seen.name.is_none())
            .map(|seen| Stray {
                path: seen.dir.clone(),
                problem: seen.problem.clone().unwrap_or_default(),
            })
            .collect();
        let mut known = lock(&self.0.strays);
        if *known != strays {
            for stray in &strays {
                tracing::warn!(problem = %stray.problem, "a folder in the modules directory is no module");
            }
            *known = strays;
        }
    }

    async fn record_folder(
        &self,
        known: Option<&Module>,
        name: &ModuleName,
        seen: Seen,
    ) -> Result<(), ControlError> {
        // Uninstalled between the look and now.
        if known.is_none() && seen.dir.symlink_metadata().is_err() {
            return Ok(());
        }
        let source = match known.map(|module| module.source) {
            Some(source @ (Source::Folder | Source::Cargo)) => source,
            _ => Source::Directory,
        };
        // A broken manifest still shows a row; what it said last stays.
        let manifest = seen
            .manifest
            .or_else(|| known.map(|module| module.manifest.clone()))
            .or_else(|| nameless(name));
        let Some(manifest) = manifest else {
            return Ok(());
        };
        let found = FoundModule {
            manifest,
            dir: seen.dir,
            source,
            trust: TrustClass::Local,
            digest: seen.digest,
            problem: seen.problem,
            by: Actor::host(),
        };
        self.record_found(known, found).await
    }

    async fn record_program(
        &self,
        known: Option<&Module>,
        name: &ModuleName,
        candidate: Candidate,
    ) -> Result<(), ControlError> {
        // One that was loaded and whose folder was removed since is gone, not waiting anew.
        if known.is_some_and(|module| !module.is_waiting()) {
            return Ok(());
        }
        let found = FoundModule {
            manifest: candidate.manifest,
            dir: self.places().module(name),
            source: Source::Cargo,
            trust: TrustClass::Local,
            digest: Some(candidate.digest),
            problem: candidate.problem,
            by: Actor::host(),
        };
        self.record_found(known, found).await
    }

    async fn record_found(
        &self,
        known: Option<&Module>,
        found: FoundModule,
    ) -> Result<(), ControlError> {
        let name = found.manifest.name.clone();
        let same = known.is_some_and(|module| {
            module.manifest == found.manifest
                && module.dir == found.dir
                && module.source == found.source
                && module.digest == found.digest
                && module.problem == found.problem
        });
        if same {
            return Ok(());
        }
        if let Some(problem) = &found.problem {
            tracing::warn!(module.name = %name, %problem, "found a module that cannot be loaded");
        } else {
            let (version, new) = (&found.manifest.version, known.is_none());
            tracing::info!(module.name = %name, module.version = %version, new, "found a module");
        }
        self.store().commit(found).await?;
        self.fleet().wake(&name);
        Ok(())
    }

    /// Does what the node's configuration says of modules: at the start all of it, later what it says
    /// of modules that wait.
    async fn follow_entries(&self, eyes: &mut Eyes, start: bool) -> Result<(), ControlError> {
        for (name, entry) in &self.settings().entries {
            let Some(module) = self.store().module(name).await? else {
                continue;
            };
            if let Err(error) = self.follow_entry(eyes, &module, entry, start).await {
                if matches!(error, ControlError::Store(_)) {
                    return Err(error);
                }
                tracing::warn!(
                    module.name = %name,
                    %error,
                    "could not do what the node's configuration says of a module"
                );
            }
        }
        Ok(())
    }

    async fn follow_entry(
        &self,
        eyes: &mut Eyes,
        module: &Module,
        entry: &ModuleEntry,
        start: bool,
    ) -> Result<(), ControlError> {
        let (name, host) = (&module.name, Actor::host());
        if start {
            match entry.enabled {
                Some(true) if !module.enabled => drop(self.enable(name, &host).await?),
                Some(false) if module.enabled => {
                    self.disable(name, &host).await?;
                    return Ok(());
                }
                _ => {}
            }
        }
        if entry.enabled == Some(true)
            && entry.grant_requested
            && module.problem.is_none()
            && (module.is_waiting() || start)
            && eyes.asked.insert((name.clone(), module.digest))
        {
            let changed = module.confirmed != module.digest;
            if changed || module.desired != DesiredState::Running {
                // The entry's `grant = "requested"` is the word about a changed program, too.
                let grant = (changed && !module.is_waiting())
                    .then(|| requested(&module.manifest))
                    .transpose()?;
                let request = LoadRequest {
                    digest: module.digest,
                    grant,
                };
                self.load(name, request, &host).await?;
            }
        }
        if start && !entry.config.is_empty() && module.revision.is_some() {
            let patch = toml_to_json(&toml::Value::Table(entry.config.clone()));
            let set = SetConfig {
                input: ConfigInput::MergePatch(patch),
                if_match: Some("*".to_owned()),
                source: ConfigSource::File,
                dry_run: false,
            };
            self.set_config(name, set, &host).await?;
        }
        Ok(())
    }
}

/// Whether its row says already that its files are gone, in the words of `MarkGone`.
fn is_marked_gone(module: &Module) -> bool {
    module
        .problem
        .as_deref()
        .is_some_and(|problem| problem.starts_with("its files are gone"))
}

fn ignore_missing(outcome: Result<(), StoreError>) -> Result<(), StoreError> {
    match outcome {
        Err(StoreError::NotFound { .. }) => Ok(()),
        other => other,
    }
}

/// What stands in for a manifest that could never be read, so that the module has a row.
fn nameless(name: &ModuleName) -> Option<Manifest> {
    let text = format!("name = \"{name}\"\nversion = \"0.0.0\"\nentry_point = \"{name}\"\n");
    Manifest::parse(&text).ok()
}

/// Whether a confirmed module's program is another one now, in words for an operator.
pub fn changed_program(module: &Module) -> Option<String> {
    let (confirmed, found) = (module.confirmed?, module.digest?);
    (confirmed != found).then(|| {
        format!(
            "its program changed: {confirmed} was confirmed, {found} is there now; a reload needs the \
             confirmation of digest {found}"
        )
    })
}
