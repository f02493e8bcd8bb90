//! Watches the `config.toml` files: what a person saves there is judged and becomes a revision, or is
//! refused with its reason while the module goes on as it was.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bllvm_manifest::{ConfigProblem, ModuleName};
use serde_json::json;

use super::config_file::{keep_aside, path_of, placed};
use super::handle::{blocking, lock};
use super::{Control, ControlError, FileProblem};
use crate::configuration::{Draft, FileIdentity};
use crate::model::{Actor, ConfigSource, Module, NewEvent, RevisionStatus, kinds};
use crate::store::commands::{AppendEvents, actions};
use crate::store::{PageRequest, StoreError};

/// What is known of each module's file.
#[derive(Debug, Default)]
pub(super) struct Files {
    known: Mutex<HashMap<ModuleName, Known>>,
    /// Counts the problems that came and went.
    problems: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    /// The last writing that was ours, or that we took over.
    ours: Option<FileIdentity>,
    /// The revision that `ours` shows.
    revision: Option<u64>,
    /// The last writing that was refused.
    refused: Option<FileIdentity>,
    /// Why.
    problem: Option<FileProblem>,
}

fn by_file() -> Actor {
    Actor::named("file")
}

impl Control {
    pub(super) fn file_problem(&self, name: &ModuleName) -> Option<FileProblem> {
        lock(&self.0.files.known)
            .get(name)
            .and_then(|known| known.problem.clone())
    }

    /// Why a module's `config.toml` is not in force, in a sentence; none where it is.
    pub fn config_problem(&self, name: &ModuleName) -> Option<String> {
        let problem = self.file_problem(name)?;
        let why = ControlError::Invalid {
            problems: problem.problems,
        };
        Some(format!("config.toml is not in force: {why}"))
    }

    /// Counts up whenever a [`Control::config_problem`] came or went.
    pub fn config_problems_seen(&self) -> u64 {
        self.0.files.problems.load(Ordering::Acquire)
    }

    fn count_problem(&self) {
        self.0.files.problems.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn known_identity(&self, name: &ModuleName) -> Option<FileIdentity> {
        lock(&self.0.files.known)
            .get(name)
            .and_then(|known| known.ours)
    }

    /// The file shows a revision now.
    pub(super) fn file_written(&self, name: &ModuleName, identity: FileIdentity, revision: u64) {
        let known = Known {
            ours: Some(identity),
            revision: Some(revision),
            refused: None,
            problem: None,
        };
        let before = lock(&self.0.files.known).insert(name.clone(), known);
        if before.is_some_and(|before| before.problem.is_some()) {
            self.count_problem();
        }
    }

    pub(super) fn forget_file(&self, name: &ModuleName) {
        lock(&self.0.files.known).remove(name);
        self.count_problem();
    }

    pub(super) fn spawn_watch(&self) {
        let control = self.clone();
        let (soft, every) = (self.soft().clone(), self.settings().watch_every);
        self.0.parts.tracker.spawn(async move {
            while soft
                .run_until_cancelled(tokio::time::sleep(every))
                .await
                .is_some()
            {
                control.look_at_files(false).await;
            }
        });
    }

    /// Looks at every module's file; the first look after a start tells old copies from edits.
    pub(super) async fn look_at_files(&self, first: bool) {
        let modules = match self.store().modules().await {
            Ok(modules) => modules,
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "could not look at the config.toml files");
                return;
            }
        };
        for module in modules {
            if let Some(revision) = module.revision
                && let Err(error) = self.look_at_file(&module, revision, first).await
            {
                match error {
                    // The next look finds it again.
                    ControlError::Conflict { .. } | ControlError::PreconditionFailed { .. } => {}
                    error => tracing::warn!(
                        module.name = %module.name,
                        %error,
                        "could not look at its config.toml"
                    ),
                }
            }
        }
    }

    async fn look_at_file(
        &self,
        module: &Module,
        revision: u64,
        first: bool,
    ) -> Result<(), ControlError> {
        let (name, path) = (&module.name, path_of(module));
        let look = path.clone();
        let identity = blocking(move || FileIdentity::of(&look).ok()).await?;
        let (ours, shows, refused) = {
            let files = lock(&self.0.files.known);
            let known = files.get(name);
            (
                known.and_then(|known| known.ours),
                known.and_then(|known| known.revision),
                known.and_then(|known| known.refused),
            )
        };
        if identity.is_some() && identity == refused {
            return Ok(());
        }
        if identity.is_some() && identity == ours {
            if shows != Some(revision) {
                self.show_revision(module, shows).await?;
            }
            return Ok(());
        }
        let Some(identity) = identity else {
            if module.dir.is_dir() {
                self.show_revision(module, None).await?;
            }
            return Ok(());
        };
        self.take_edit(module, identity, first && ours.is_none())
            .await
    }

    /// Writes what is in force over a copy of ours that shows something else. A copy of a revision
    /// that was rolled back is kept aside, to be mended.
    async fn show_revision(&self, module: &Module, shows: Option<u64>) -> Result<(), ControlError> {
        let Some(current) = self.store().current_revision(&module.name).await? else {
            return Ok(());
        };
        if let Some(number) = shows
            && let Some(shown) = self.store().revision(&module.name, number).await?
            && shown.status == RevisionStatus::RolledBack
        {
            self.keep_config_aside(module).await?;
        }
        self.write_config(module, current.number, &current.text)
            .await;
        Ok(())
    }

    async fn keep_config_aside(&self, module: &Module) -> Result<(), ControlError> {
        let path = path_of(module);
        blocking(move || keep_aside(&path)).await?.map_err(|error| {
            ControlError::files(format!(
                "config.toml of {} could not be kept aside: {error}",
                module.name
            ))
        })
    }

    async fn take_edit(
        &self,
        module: &Module,
        identity: FileIdentity,
        at_start: bool,
    ) -> Result<(), ControlError> {
        let name = &module.name;
        let path = path_of(module);
        let base = self.base(module).await?;
        let Some(current) = base.kept.as_ref().map(|kept| kept.revision.clone()) else {
            return Ok(());
        };
        let text = match self.read_config(&path).await {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(()),
            Err(ControlError::Invalid { problems }) => {
                return self.refuse_edit(module, identity, problems).await;
            }
            Err(error) => return Err(error),
        };
        if text == current.text.as_bytes() {
            self.file_written(name, identity, current.number);
            return Ok(());
        }
        if at_start && self.is_old_copy(module, &text, identity, &current).await? {
            return Ok(());
        }
        let draft = match base.draft(&text) {
            Ok(draft) => draft,
            Err(ControlError::Invalid { problems }) => {
                let problems = placed(problems, &path, &text);
                return self.refuse_edit(module, identity, problems).await;
            }
            Err(error) => return Err(error),
        };
        match self.judge(name, &draft).await {
            Err(ControlError::Invalid { problems }) => {
                let problems = placed(problems, &path, &text);
                return self.refuse_edit(module, identity, problems).await;
            }
            judged => judged?,
        }
        let number = if base.is(&draft) {
            current.number
        } else {
            let by = by_file();
            let recorded = self.record(module, &base, &draft, ConfigSource::File, &by);
            let (revision, _) = recorded.await?;
            tracing::info!(
                module.name = %name,
                revision = revision.number,
                "took over config.toml as it was edited by hand"
            );
            revision.number
        };
        // From here on the text that was read is ours; secrets typed into it leave the file.
        self.file_written(name, identity, number);
        if draft.text.as_bytes() != text {
            self.mask_file(module, identity, number, &draft).await;
        }
        self.fleet().wake(name);
        Ok(())
    }

    /// After a start: a copy of ours that shows an earlier revision, because we ended before we could
    /// write the new one, or because a new one was rolled back meanwhile.
    async fn is_old_copy(
        &self,
        module: &Module,
        text: &[u8],
        identity: FileIdentity,
        current: &crate::model::Revision,
    ) -> Result<bool, ControlError> {
        let recent = self
            .store()
            .revisions(&module.name, &PageRequest::of(50))
            .await?
            .items;
        let Some(shown) = recent
            .iter()
            .find(|revision| revision.text.as_bytes() == text)
        else {
            return Ok(false);
        };
        let rolled_back = shown.status == RevisionStatus::RolledBack;
        // Saved after the revision in force was made: then somebody wanted it back.
        if !rolled_back && identity.changed_ms() > current.created_at.unix_ms() {
            return Ok(false);
        }
        self.file_written(&module.name, identity, shown.number);
        self.show_revision(module, Some(shown.number)).await?;
        Ok(true)
    }

    async fn mask_file(&self, module: &Module, identity: FileIdentity, number: u64, draft: &Draft) {
        let path = path_of(module);
        // Saved once more meanwhile: the next look takes that.
        let unchanged = blocking(move || FileIdentity::of(&path).is_ok_and(|now| now == identity))
            .await
            .unwrap_or(false);
        if unchanged {
            self.write_config(module, number, &draft.text).await;
        }
    }

    async fn refuse_edit(
        &self,
        module: &Module,
        identity: FileIdentity,
        problems: Vec<ConfigProblem>,
    ) -> Result<(), ControlError> {
        let name = &module.name;
        let reason = ControlError::Invalid {
            problems: problems.clone(),
        };
        {
            let mut files = lock(&self.0.files.known);
            let known = files.entry(name.clone()).or_default();
            known.refused = Some(identity);
            known.problem = Some(FileProblem {
                path: path_of(module),
                problems: problems.clone(),
                seen_at: self.store().clock().now(),
            });
        }
        self.count_problem();
        tracing::warn!(module.name = %name, %reason, "config.toml was refused; the module goes on as it was");
        let keys: Vec<&str> = problems.iter().map(|problem| &*problem.key).collect();
        let data = json!({
            "module": name, "keys": keys, "reason": reason.to_string(), "path": path_of(module),
        });
        let event = NewEvent::host(kinds::MODULE_CONFIG_REFUSED, data);
        self.store().commit(AppendEvents(vec![event])).await?;
        let refused = async { Err::<(), _>(reason) };
        // The refusal itself is no failure of this look.
        let _ = self
            .audited(actions::SET_CONFIG, name, &by_file(), refused)
            .await;
        Ok(())
    }
}
