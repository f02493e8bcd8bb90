//! A listed package fetched, with progress, and taken in: an operation that a restart takes up where
//! it was, down to the byte.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bllvm_manifest::{Digest, ModuleName, layout};
use bllvm_package::{IndexRefusal, Listed, Trust};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::folders::{Begin, failure_of, interrupted};
use super::handle::blocking;
use super::registries::{not_read, refused};
use super::{Control, ControlCode, ControlError};
use crate::model::{Actor, Id, KnownRegistry, Operation, OperationKind, Source};
use crate::packages::PackageError;
use crate::store::commands::{Done, StartOperation, actions};

/// Between two looks at how much has come.
const TELL: Duration = Duration::from_millis(300);

/// Asks for a listed module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRequest {
    /// Which registry.
    pub registry: String,
    /// The module.
    pub module: ModuleName,
    /// Its version; without, the newest that runs here.
    pub version: Option<semver::Version>,
    /// Takes a package whose publisher is not trusted here, as a module that nobody signed.
    pub as_local: bool,
}

/// What is to be fetched.
struct Wish {
    registry: KnownRegistry,
    listed: Listed,
    install: bool,
    as_local: bool,
}

impl Control {
    /// Fetches a listed package, and changes nothing yet; the operation's result says where it lies.
    ///
    /// # Errors
    /// Where it is not listed, was taken back, or another operation on the module is open.
    pub async fn fetch_listed(
        &self,
        request: ListedRequest,
        by: &Actor,
    ) -> Result<Operation, ControlError> {
        self.begin_listed(request, false, by).await
    }

    /// Fetches a listed package and takes it in. Nothing of it runs before its first load.
    ///
    /// # Errors
    /// Where it is not listed, was taken back, is installed, or another operation on it is open.
    pub async fn install_listed(
        &self,
        request: ListedRequest,
        by: &Actor,
    ) -> Result<Operation, ControlError> {
        self.begin_listed(request, true, by).await
    }

    async fn begin_listed(
        &self,
        request: ListedRequest,
        install: bool,
        by: &Actor,
    ) -> Result<Operation, ControlError> {
        let (kind, action) = if install {
            (OperationKind::Install, actions::INSTALL_LISTED)
        } else {
            (OperationKind::Fetch, actions::FETCH_PACKAGE)
        };
        let name = request.module.clone();
        let verb = async {
            let registry = self.registry(&request.registry).await?;
            let listed = self.listed(&registry, &request).await?;
            if install {
                self.refuse_installed(&name, &listed).await?;
            }
            let begin = Begin {
                start: StartOperation {
                    kind,
                    module: Some(name.clone()),
                    about: None,
                    params: json!({
                        "registry": registry.name, "digest": listed.digest,
                        "as_local": request.as_local,
                    }),
                    by: by.clone(),
                },
                done: Done {
                    action: action.to_owned(),
                    target: name.to_string(),
                    detail: format!(
                        "{} from the registry {}, module.toml {}",
                        listed.version, registry.name, listed.digest
                    ),
                    by: by.clone(),
                },
            };
            let operation = self.store().commit(begin).await?;
            let wish = Wish {
                registry,
                listed,
                install,
                as_local: request.as_local,
            };
            self.spawn_listed(operation.id, wish, by.clone());
            Ok(operation)
        };
        self.audited(action, &name, by, verb).await
    }

    /// The release that is meant. An index that is too old says nothing any more.
    async fn listed(
        &self,
        registry: &KnownRegistry,
        request: &ListedRequest,
    ) -> Result<Listed, ControlError> {
        let index = self.index_of(registry).await?;
        let moment = self.trust().await?.moment();
        if index.expires <= moment {
            let expires = index.expires;
            let old = IndexRefusal::Expired { expires, moment };
            return Err(refused(old.code(), &old));
        }
        let version = request.version.as_ref();
        index
            .find(&request.module, version, &Trust::own_target())
            .cloned()
            .map_err(|error| refused(error.code(), &error))
    }

    async fn refuse_installed(
        &self,
        name: &ModuleName,
        listed: &Listed,
    ) -> Result<(), ControlError> {
        let known = self.store().module(name).await?;
        let waits_at_cargo = known
            .as_ref()
            .is_some_and(|module| module.source == Source::Cargo && !module.dir.is_dir());
        if known.is_none() || waits_at_cargo {
            return Ok(());
        }
        Err(ControlError::conflict(
            ControlCode::ModuleExists,
            format!(
                "`{name}` is installed: `bllvm-node catalog upgrade {name}` puts {} in its place",
                listed.version
            ),
        ))
    }

    /// Goes on with what our own end cut short.
    pub(super) async fn resume_listed(&self, operation: &Operation, params: &Value) {
        let by = Actor::named(operation.by.clone());
        let found = async {
            let registry = params["registry"].as_str().unwrap_or_default();
            let registry = self.registry(registry).await?;
            let index = self.index_of(&registry).await?;
            let digest: Option<Digest> = params["digest"].as_str().and_then(|d| d.parse().ok());
            let mut releases = index.releases.into_iter();
            let listed = releases.find(|one| Some(one.digest) == digest);
            Ok::<_, ControlError>(listed.map(|listed| (registry, listed)))
        };
        match found.await {
            Ok(Some((_, listed)))
                if operation.kind == OperationKind::Install && self.lies_there(&listed).await =>
            {
                let ended = self.record_listed(&listed, params, &by).await;
                self.end(operation.id, ended.map_err(|error| failure_of(&error)))
                    .await;
            }
            Ok(Some((registry, listed))) => {
                let wish = Wish {
                    registry,
                    listed,
                    install: operation.kind == OperationKind::Install,
                    as_local: params["as_local"].as_bool().unwrap_or(false),
                };
                self.spawn_listed(operation.id, wish, by);
            }
            Ok(None) => {
                let failure = interrupted("the registry does not list it any more");
                self.end(operation.id, Err(failure)).await;
            }
            Err(error) => self.end(operation.id, Err(failure_of(&error))).await,
        }
    }

    /// Whether its folder got its name already, so that only what follows was missing.
    async fn lies_there(&self, listed: &Listed) -> bool {
        let manifest = self.places().module(&listed.module);
        let manifest = manifest.join(layout::MANIFEST_FILE);
        let read = blocking(move || fs::read(manifest)).await;
        matches!(read, Ok(Ok(bytes)) if Digest::of(&bytes) == listed.digest)
    }

    async fn record_listed(
        &self,
        listed: &Listed,
        params: &Value,
        by: &Actor,
    ) -> Result<Value, ControlError> {
        let as_local = params["as_local"].as_bool().unwrap_or(false);
        let trust = self.trust_for(as_local).await?;
        let folder = self.places().module(&listed.module);
        let taken = self.look_at(&folder, trust).await?;
        let result = self.record_install(&taken, taken.digest, by).await?;
        self.drop_download(listed).await?;
        Ok(result)
    }

    /// A leftover only takes room.
    async fn drop_download(&self, listed: &Listed) -> Result<(), ControlError> {
        let folder = self.places().download(listed.digest);
        let _ = blocking(move || fs::remove_dir_all(folder)).await?;
        Ok(())
    }

    fn spawn_listed(&self, id: Id, wish: Wish, by: Actor) {
        let control = self.clone();
        self.spawn_operation(id, |cancel| async move {
            let outcome = control.bring(id, &wish, &by, cancel).await;
            match outcome {
                // The node stops: the operation stays open, and the next start goes on.
                Err(_) if control.soft().is_cancelled() => {}
                outcome => {
                    let ended = outcome.map_err(|error| failure_of(&error));
                    control.end(id, ended).await;
                }
            }
        });
    }

    async fn bring(
        &self,
        id: Id,
        wish: &Wish,
        by: &Actor,
        cancel: CancellationToken,
    ) -> Result<Value, ControlError> {
        let folder = self.places().download(wish.listed.digest);
        self.download(id, wish, &cancel).await?;
        if !wish.install {
            let listed = &wish.listed;
            return Ok(json!({
                "module": listed.module, "version": listed.version, "path": folder,
                "next": "look at what it would change, and upgrade to it",
            }));
        }
        self.step(id, "checking signatures", 0, 0).await?;
        let trust = self.trust_for(wish.as_local).await?;
        let taken = self.look_at(&folder, trust.clone()).await?;
        if taken.manifest.name != wish.listed.module {
            let why = format!(
                "the package is `{}`, and `{}` is listed: ask who runs the registry",
                taken.manifest.name, wish.listed.module
            );
            return Err(refused("package_not_as_listed", &why));
        }
        let result = self.install_now(id, &taken, trust, by, cancel).await?;
        self.drop_download(&wish.listed).await?;
        Ok(result)
    }

    async fn download(
        &self,
        id: Id,
        wish: &Wish,
        cancel: &CancellationToken,
    ) -> Result<(), ControlError> {
        let sources = self.sources_of(&wish.registry)?;
        let folder = self.places().download(wish.listed.digest);
        let (done, total) = (AtomicU64::new(0), AtomicU64::new(wish.listed.bytes));
        let moved = |now: u64, all: u64| {
            done.store(now, Ordering::Relaxed);
            total.store(all, Ordering::Relaxed);
        };
        let coming = bllvm_registry::download(&sources, &wish.listed, &folder, &moved);
        let mut coming = std::pin::pin!(coming);
        let mut told = tokio::time::interval(TELL);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    return Err(ControlError::files(PackageError::Cancelled.to_string()));
                }
                came = &mut coming => return came.map_err(|error| not_read(&error)),
                _ = told.tick() => {
                    let (now, all) =
                        (done.load(Ordering::Relaxed), total.load(Ordering::Relaxed));
                    self.step(id, "downloading", now, all).await?;
                }
            }
        }
    }
}
