//! `load`: the first one confirms a module as it was found, gives it its rights and writes its
//! configuration; later ones ask for it to run.

use bllvm_manifest::{Digest, MAX_SCHEMA_BYTES, Manifest, ModuleName};

use super::config::FirstConfig;
use super::handle::blocking;
use super::life::Wish;
use super::rights::{beyond, check_grant, requested};
use super::{Control, ControlCode, ControlError, LoadRequest};
use crate::clock;
use crate::model::{
    Actor, ConfigSource, DesiredState, Module, ObservedState, Operation, OperationKind, Source,
    TrustClass,
};
use crate::packages::{self, CargoScanner, prints_its_schema};
use crate::store::commands::{AddRevision, Confirm, Want, actions};
use crate::store::{Command, StoreError, Tx};

impl Control {
    /// Asks for a module to run, also after the host's restart.
    ///
    /// # Errors
    /// Where it is not known, disabled or broken; where its program is not the one that was named or
    /// confirmed; where its configuration is not valid; or while another operation on it is open.
    pub async fn load(
        &self,
        name: &ModuleName,
        request: LoadRequest,
        by: &Actor,
    ) -> Result<Operation, ControlError> {
        let verb = self.load_module(name, request, by);
        self.audited(actions::LOAD_MODULE, name, by, verb).await
    }

    async fn load_module(
        &self,
        name: &ModuleName,
        request: LoadRequest,
        by: &Actor,
    ) -> Result<Operation, ControlError> {
        let module = self.loadable(name).await?;
        self.check_dependencies_of(&module.manifest).await?;
        if let Some(grant) = &request.grant {
            check_grant(&module.manifest, grant)?;
        }
        if let Some(open) = self.store().open_operation(name).await? {
            return Err(StoreError::Conflict {
                operation: open.id,
                kind: open.kind,
            }
            .into());
        }
        self.bring_from_cargo(&module, request.digest).await?;
        let digest = self.agreed_digest(&module, request.digest).await?;
        let observed = self.fleet().observed(name).map(|seen| seen.state);
        let runs = module.desired == DesiredState::Running
            && observed == Some(ObservedState::Running)
            && module.confirmed == Some(digest);
        let grant = match (request.grant, module.is_waiting()) {
            (None, true) => Some(requested(&module.manifest)?),
            (None, false) if module.confirmed != Some(digest) => {
                self.stop_for_more(&module).await?;
                None
            }
            (grant, _) => grant,
        };
        self.ask_for_schema(&module, digest).await?;
        let first = if module.revision.is_none() {
            Some(self.first_config(&module).await?)
        } else {
            None
        };
        let load = Load {
            confirm: Confirm {
                name: name.clone(),
                digest,
                grant,
                by: by.clone(),
            },
            revision: first
                .as_ref()
                .map(|first| first.revision(self.configurations(), &module, by)),
            wish: Wish {
                want: Want {
                    name: name.clone(),
                    desired: DesiredState::Running,
                    kind: OperationKind::Load,
                    params: serde_json::Value::Null,
                    by: by.clone(),
                },
                already: runs.then_some("running"),
            },
        };
        let operation = self.store().commit(load).await?;
        if let Some(FirstConfig { draft, source }) = first {
            if source == ConfigSource::File {
                self.adopt_file(&module, 1).await;
            }
            self.write_config(&module, 1, &draft.text).await;
        }
        if matches!(
            observed,
            Some(ObservedState::Failed | ObservedState::BackingOff)
        ) {
            self.fleet().reset_backoff(name);
        }
        self.fleet().wake(name);
        Ok(operation)
    }

    /// A module that nothing but its digest keeps from being loaded.
    pub(super) async fn loadable(&self, name: &ModuleName) -> Result<Module, ControlError> {
        let module = self.module(name).await?;
        if !module.enabled {
            return Err(ControlError::conflict(
                ControlCode::ModuleDisabled,
                format!("`{name}` is disabled: enable it first"),
            ));
        }
        match &module.problem {
            Some(problem) => Err(ControlError::conflict(
                ControlCode::ModuleBroken,
                format!("`{name}` cannot be loaded as it was found: {problem}"),
            )),
            None => Ok(module),
        }
    }

    /// The digest of the program as it is now, if it is what the operator named, or what was
    /// confirmed, or the first one there is.
    pub(super) async fn agreed_digest(
        &self,
        module: &Module,
        named: Option<Digest>,
    ) -> Result<Digest, ControlError> {
        self.check_signed(module).await?;
        let (dir, manifest) = (module.dir.clone(), module.manifest.clone());
        let found = blocking(move || packages::digest_of(&dir, &manifest))
            .await?
            .map_err(|problem| ControlError::conflict(ControlCode::ModuleBroken, problem))?;
        let mismatch =
            |detail: String| Err(ControlError::conflict(ControlCode::DigestMismatch, detail));
        let name = &module.name;
        match (named, module.confirmed) {
            (Some(named), _) if named != found => mismatch(format!(
                "the program of `{name}` is {found}, and {named} was named: look again, and name the \
                 digest that you mean"
            )),
            (None, Some(confirmed)) if confirmed != found => mismatch(format!(
                "the program of `{name}` is {found}, and {confirmed} was confirmed: name the digest \
                 {found} to confirm the new one"
            )),
            (None, None) if module.digest.is_some_and(|shown| shown != found) => mismatch(format!(
                "the program of `{name}` has just changed to {found}: look again, then load it"
            )),
            _ => Ok(found),
        }
    }

    /// A changed program that asks for more than the module has waits for an operator's word about that,
    /// too; what runs meanwhile goes on.
    pub(super) async fn stop_for_more(&self, module: &Module) -> Result<(), ControlError> {
        let granted = self.store().grant(&module.name).await?;
        let more = beyond(&requested(&module.manifest)?, &granted);
        if more.is_empty() {
            return Ok(());
        }
        Err(ControlError::conflict(
            ControlCode::GrantExceeded,
            format!(
                "the changed program of `{0}` asks for more than it has: {1}; look at it, then load it with \
                 `module load {0} --grant requested`, or with `--grant kept` to give it no more than before",
                module.name,
                more.join(", ")
            ),
        ))
    }

    /// A signed module is still, file by file, what was signed.
    async fn check_signed(&self, module: &Module) -> Result<(), ControlError> {
        let releases = self.store().releases().await?;
        let Some(release) = releases
            .get(&module.name)
            .filter(|release| release.installed && module.trust == TrustClass::Signed)
        else {
            return Ok(());
        };
        // After a rollback, the newest release is not the one that is in place.
        let kept = self.versions_of(&module.name).await?.current;
        let kept = kept.filter(|kept| module.confirmed == Some(kept.program));
        let digest = kept.and_then(|kept| kept.package).unwrap_or(release.digest);
        let dir = module.dir.clone();
        blocking(move || bllvm_package::check_installed(&dir, digest))
            .await?
            .map_err(|refusal| ControlError::Package {
                reason: refusal.code(),
                detail: format!("`{}` is not what was signed: {refusal}", module.name),
            })
    }

    /// What a manifest cannot do without is installed, in versions that fit.
    pub(super) async fn check_dependencies_of(
        &self,
        manifest: &Manifest,
    ) -> Result<(), ControlError> {
        for (name, wanted) in &manifest.dependencies {
            let missing =
                |detail: String| ControlError::conflict(ControlCode::DependencyMissing, detail);
            let Some(found) = self.store().module(name).await? else {
                return Err(missing(format!(
                    "`{}` needs the module `{name}` ({wanted}), which is not installed: install it first",
                    manifest.name
                )));
            };
            if !wanted.matches(&found.manifest.version) {
                return Err(missing(format!(
                    "`{}` needs `{name}` {wanted}, and {} is installed: install a version that fits",
                    manifest.name, found.manifest.version
                )));
            }
        }
        Ok(())
    }

    /// Copies a program from cargo's bin folder to where modules are, at its first load.
    async fn bring_from_cargo(
        &self,
        module: &Module,
        named: Option<Digest>,
    ) -> Result<(), ControlError> {
        if module.source != Source::Cargo || module.dir.is_dir() {
            return Ok(());
        }
        let (places, id) = (
            self.places().clone(),
            clock::new_id(&**self.store().clock()),
        );
        let (name, shown) = (module.name.clone(), named.or(module.digest));
        blocking(move || {
            let found = CargoScanner::default().scan(&places.cargo_bins);
            let Some(candidate) = found.get(&name) else {
                return Err(ControlError::conflict(
                    ControlCode::ModuleBroken,
                    format!("the program of `{name}` is gone from cargo's bin folder: install it again"),
                ));
            };
            if let Some(shown) = shown
                && shown != candidate.digest
            {
                return Err(ControlError::conflict(
                    ControlCode::DigestMismatch,
                    format!(
                        "the program of `{name}` is {}, and {shown} was shown: look again, then load it",
                        candidate.digest
                    ),
                ));
            }
            packages::materialise(&places, candidate, id)
                .map_err(|error| ControlError::files(error.to_string()))
        })
        .await?
    }

    /// A program that carries its manifest prints its schema, too. It is asked only here, because an
    /// operator has just confirmed it, and in the sandbox.
    pub(super) async fn ask_for_schema(
        &self,
        module: &Module,
        confirmed: Digest,
    ) -> Result<(), ControlError> {
        let Some(config) = &module.manifest.config else {
            return Ok(());
        };
        let target = module.dir.join(config.schema.as_str());
        let (dir, manifest) = (module.dir.clone(), module.manifest.clone());
        let path = target.clone();
        let asks = blocking(move || !path.exists() && prints_its_schema(&dir, &manifest)).await?;
        if !asks {
            return Ok(());
        }
        let refused = |why: String| {
            ControlError::conflict(
                ControlCode::ModuleBroken,
                format!(
                    "`{}` did not print its schema when asked with --config-schema ({why}): put the file \
                     {} there",
                    module.name,
                    target.display()
                ),
            )
        };
        let asker = &self.0.parts.asker;
        let printed = asker.ask(
            module,
            confirmed,
            "--config-schema",
            MAX_SCHEMA_BYTES as u64,
        );
        let output = printed.await.map_err(|error| refused(error.to_string()))?;
        bllvm_manifest::ConfigSchema::parse(&output).map_err(|error| refused(error.to_string()))?;
        blocking(move || crate::configuration::write_atomically(&target, &output, 0o644))
            .await?
            .map_err(|error| {
                ControlError::files(format!("the schema could not be written: {error}"))
            })
    }
}

/// A load, in one transaction.
struct Load {
    confirm: Confirm,
    revision: Option<AddRevision>,
    wish: Wish,
}

impl Command for Load {
    type Output = Operation;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Operation, StoreError> {
        let name = &self.confirm.name;
        // Looked at once more: it may have been disabled since.
        if !tx.module(name).await?.enabled {
            return Err(StoreError::Refused {
                code: ControlCode::ModuleDisabled.as_str(),
                detail: format!("`{name}` is disabled: enable it first"),
            });
        }
        let module = self.confirm.apply(tx).await?;
        if let Some(revision) = self.revision
            && module.revision.is_none()
        {
            revision.apply(tx).await?;
        }
        self.wish.apply(tx).await
    }
}
