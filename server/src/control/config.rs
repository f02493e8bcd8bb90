//! A module's configuration: shown, changed, brought back. Judged by its schema and, where the
//! module runs, by the module; recorded in one commit; copied to `config.toml`; taken over by reload.

use std::collections::BTreeMap;

use bllvm_manifest::{ConfigProblem, ConfigSchema, ModuleName};
use serde_json::Value;

use super::{ConfigChange, ConfigInput, ConfigView, Control, ControlCode, ControlError, SetConfig};
use crate::configuration::{
    ConfigurationError, Configurations, DiffLine, Draft, Kept, diff, etag_of, merge_patch,
    with_values,
};
use crate::model::{Actor, ConfigSource, Module, ObservedState, Operation, ReloadMode, Revision};
use crate::store::commands::{AddRevision, actions};

/// The configuration that a change starts from.
pub(super) struct Base {
    pub(super) schema: ConfigSchema,
    pub(super) text: String,
    pub(super) etag: String,
    pub(super) public: Value,
    pub(super) unrecognised: BTreeMap<String, Value>,
    /// None before the first load.
    pub(super) kept: Option<Kept>,
}

impl Base {
    fn secrets(&self) -> BTreeMap<String, Value> {
        self.kept
            .as_ref()
            .map(|kept| kept.secrets.0.clone())
            .unwrap_or_default()
    }

    /// Whether a draft is what is in force already.
    pub(super) fn is(&self, draft: &Draft) -> bool {
        self.kept
            .as_ref()
            .is_some_and(|kept| kept.revision.text == draft.text && kept.secrets.0 == draft.secrets)
    }

    /// Reads and judges a new text by the schema.
    pub(super) fn draft(&self, text: &[u8]) -> Result<Draft, ControlError> {
        Draft::read(&self.schema, text, &self.secrets())
            .map_err(|problems| ControlError::Invalid { problems })
    }

    fn draft_of(&self, input: &ConfigInput) -> Result<Draft, ControlError> {
        let wanted = match input {
            ConfigInput::Toml(text) => return self.draft(text.as_bytes()),
            ConfigInput::Json(value) => value.clone(),
            ConfigInput::MergePatch(patch) => merge_patch(&self.public, patch),
        };
        let Value::Object(wanted) = wanted else {
            return Err(invalid("must be an object of keys and values"));
        };
        let text = with_values(&self.text, &wanted).map_err(|error| invalid(&error))?;
        self.draft(text.as_bytes())
    }

    /// The changed keys. A secret that changed shows that it did, and nothing else.
    fn diff(&self, draft: &Draft) -> Vec<DiffLine> {
        let mut lines = diff(&self.public, &draft.public);
        let before = self.secrets();
        for (key, secret) in &draft.secrets {
            let shown = lines.iter().any(|line| line.key == *key);
            if !shown && before.get(key).is_some_and(|old| old != secret) {
                lines.push(DiffLine {
                    key: key.clone(),
                    before: Some("[redacted]".to_owned()),
                    after: Some("[redacted, changed]".to_owned()),
                });
            }
        }
        lines.sort_by(|a, b| a.key.cmp(&b.key));
        lines
    }
}

pub(super) fn invalid(message: &str) -> ControlError {
    ControlError::Invalid {
        problems: vec![ConfigProblem {
            pointer: String::new(),
            key: String::new(),
            message: message.to_owned(),
            help: "the configuration in force is untouched".to_owned(),
        }],
    }
}

impl From<ConfigurationError> for ControlError {
    fn from(error: ConfigurationError) -> Self {
        match error {
            ConfigurationError::Store(error) => error.into(),
            ConfigurationError::Unfit { problems, .. } => Self::Invalid { problems },
            other => Self::conflict(ControlCode::ModuleBroken, other.to_string()),
        }
    }
}

/// The configuration of a first load.
pub(super) struct FirstConfig {
    pub(super) draft: Draft,
    pub(super) source: ConfigSource,
}

impl FirstConfig {
    pub(super) fn revision(
        &self,
        configurations: &Configurations,
        module: &Module,
        by: &Actor,
    ) -> AddRevision {
        let secrets = configurations.seal(&module.name, &self.draft);
        AddRevision {
            module: module.name.clone(),
            text: self.draft.text.clone(),
            etag: etag_of(&self.draft.text, &secrets),
            source: self.source,
            secrets,
            expect_etag: Some(String::new()),
            by: by.clone(),
        }
    }
}

impl Control {
    /// A module's configuration as it may be shown.
    ///
    /// # Errors
    /// Where the module is not known or its schema cannot be read.
    pub async fn config(&self, name: &ModuleName) -> Result<ConfigView, ControlError> {
        let module = self.module(name).await?;
        let base = self.base(&module).await?;
        Ok(ConfigView {
            schema: base.schema.as_value().clone(),
            fields: base.schema.fields(),
            toml: base.text,
            json: base.public,
            etag: base.etag,
            revision: base.kept.map(|kept| kept.revision),
            unrecognised: base.unrecognised,
            file_problem: self.file_problem(name),
        })
    }

    /// Judges a configuration without recording it; nothing comes back where it is valid.
    ///
    /// # Errors
    /// Where the module is not known or its schema cannot be read.
    pub async fn validate_config(
        &self,
        name: &ModuleName,
        input: ConfigInput,
    ) -> Result<Vec<ConfigProblem>, ControlError> {
        let module = self.module(name).await?;
        let base = self.base(&module).await?;
        let judged = match base.draft_of(&input) {
            Ok(draft) => self.judge(name, &draft).await,
            Err(error) => Err(error),
        };
        match judged {
            Ok(()) => Ok(Vec::new()),
            Err(ControlError::Invalid { problems }) => Ok(problems),
            Err(other) => Err(other),
        }
    }

    /// Changes a module's configuration.
    ///
    /// # Errors
    /// Where it is not valid, or was not made from the configuration that holds now.
    pub async fn set_config(
        &self,
        name: &ModuleName,
        request: SetConfig,
        by: &Actor,
    ) -> Result<ConfigChange, ControlError> {
        if request.dry_run {
            return self.change_config(name, request, by).await;
        }
        let verb = self.change_config(name, request, by);
        self.audited(actions::SET_CONFIG, name, by, verb).await
    }

    async fn change_config(
        &self,
        name: &ModuleName,
        request: SetConfig,
        by: &Actor,
    ) -> Result<ConfigChange, ControlError> {
        let module = self.module(name).await?;
        let base = self.base(&module).await?;
        match request.if_match.as_deref() {
            None if !request.dry_run => return Err(ControlError::PreconditionRequired),
            Some(tag) if tag != "*" && tag != base.etag => {
                return Err(ControlError::PreconditionFailed { current: base.etag });
            }
            _ => {}
        }
        let draft = base.draft_of(&request.input)?;
        self.judge(name, &draft).await?;
        self.take_draft(&module, &base, draft, request.source, request.dry_run, by)
            .await
    }

    /// Brings an earlier revision back, as a new one.
    ///
    /// # Errors
    /// Where there is none of this number, or it does not fit the present schema.
    pub async fn rollback_config(
        &self,
        name: &ModuleName,
        number: u64,
        by: &Actor,
    ) -> Result<ConfigChange, ControlError> {
        let verb = async {
            let module = self.module(name).await?;
            let base = self.base(&module).await?;
            let earlier = self.store().revision(name, number).await?;
            let earlier = earlier.ok_or_else(|| ControlError::NotFound {
                what: format!("revision `{number}` of module `{name}`"),
            })?;
            let earlier = self.configurations().opened(earlier).await?;
            let text = earlier.revision.text.as_bytes();
            let draft = Draft::read(&base.schema, text, &earlier.secrets.0)
                .map_err(|problems| ControlError::Invalid { problems })?;
            self.judge(name, &draft).await?;
            self.take_draft(&module, &base, draft, ConfigSource::Rollback, false, by)
                .await
        };
        self.audited(actions::ROLLBACK_CONFIG, name, by, verb).await
    }

    async fn take_draft(
        &self,
        module: &Module,
        base: &Base,
        draft: Draft,
        source: ConfigSource,
        dry_run: bool,
        by: &Actor,
    ) -> Result<ConfigChange, ControlError> {
        let mode_hint = self.mode_hint(module);
        let mut change = ConfigChange {
            revision: None,
            operation: None,
            diff: base.diff(&draft),
            mode_hint,
            note: String::new(),
            etag: base.etag.clone(),
        };
        let how = match mode_hint {
            Some(mode) => format!("the running module takes it over by reload ({mode})"),
            None => "it applies when the module is loaded".to_owned(),
        };
        if base.is(&draft) {
            "nothing changes: it is what is in force".clone_into(&mut change.note);
            return Ok(change);
        }
        if dry_run {
            change.note = format!("dry run: nothing was recorded; {how}");
            return Ok(change);
        }
        let (revision, operation) = self.record(module, base, &draft, source, by).await?;
        self.write_config(module, revision.number, &draft.text)
            .await;
        self.fleet().wake(&module.name);
        change.note = format!("revision {} is recorded; {how}", revision.number);
        change.etag.clone_from(&revision.etag);
        change.revision = Some(revision);
        change.operation = operation;
        Ok(change)
    }

    /// Records a draft as the next revision, if what it was made from still holds.
    pub(super) async fn record(
        &self,
        module: &Module,
        base: &Base,
        draft: &Draft,
        source: ConfigSource,
        by: &Actor,
    ) -> Result<(Revision, Option<Operation>), ControlError> {
        let secrets = self.configurations().seal(&module.name, draft);
        let expected = match &base.kept {
            Some(kept) => kept.revision.etag.clone(),
            None => String::new(),
        };
        let add = AddRevision {
            module: module.name.clone(),
            text: draft.text.clone(),
            etag: etag_of(&draft.text, &secrets),
            source,
            secrets,
            expect_etag: Some(expected),
            by: by.clone(),
        };
        Ok(self.store().commit(add).await?)
    }

    /// What holds now, or would hold at the first load.
    pub(super) async fn base(&self, module: &Module) -> Result<Base, ControlError> {
        if module.source == crate::model::Source::Cargo && !module.dir.is_dir() {
            return Err(ControlError::conflict(
                ControlCode::ModuleWaiting,
                format!(
                    "`{}` waits in cargo's bin folder: its configuration is known after its first load",
                    module.name
                ),
            ));
        }
        let schema = self.configurations().schema(module).await?;
        let Some(kept) = self.configurations().kept(&module.name).await? else {
            let draft = match self.first_draft(module, &schema).await {
                Ok((draft, _)) => draft,
                Err(_) => Draft::unjudged(&schema, &schema.defaults()),
            };
            return Ok(Base {
                etag: etag_of(&draft.text, &[]),
                text: draft.text,
                public: draft.public,
                unrecognised: BTreeMap::new(),
                kept: None,
                schema,
            });
        };
        let restored = Configurations::restore(&schema, &kept)?;
        Ok(Base {
            text: kept.revision.text.clone(),
            etag: kept.revision.etag.clone(),
            public: restored.public,
            unrecognised: restored.unrecognised,
            kept: Some(kept),
            schema,
        })
    }

    /// Asks the module, where it runs, what it thinks of a configuration.
    pub(super) async fn judge(&self, name: &ModuleName, draft: &Draft) -> Result<(), ControlError> {
        let Some(verdict) = self.fleet().validate(name, &draft.clear).await else {
            return Ok(());
        };
        if verdict.problems.is_empty() {
            return Ok(());
        }
        let problems = verdict.problems.into_iter().map(|problem| ConfigProblem {
            pointer: pointer(&problem.key),
            key: problem.key,
            // The module saw the secrets, and its words are shown and kept.
            message: without_secrets(problem.message, &draft.secrets),
            help: "the module itself refused it; the one in force is untouched".to_owned(),
        });
        Err(ControlError::Invalid {
            problems: problems.collect(),
        })
    }

    fn mode_hint(&self, module: &Module) -> Option<ReloadMode> {
        let state = self.fleet().observed(&module.name)?.state;
        (state == ObservedState::Running)
            .then(|| ReloadMode::from_word(module.manifest.reload.mode.as_str()))
            .flatten()
    }
}

/// The JSON pointer of a dotted key that a module named; plain keys, as modules write them.
fn pointer(key: &str) -> String {
    let parts = key.split('.').filter(|part| !part.is_empty());
    parts.fold(String::new(), |pointer, part| {
        pointer + "/" + &part.replace('~', "~0").replace('/', "~1")
    })
}

fn without_secrets(mut text: String, secrets: &BTreeMap<String, Value>) -> String {
    for secret in secrets.values().filter_map(Value::as_str) {
        if !secret.is_empty() {
            text = text.replace(secret, "[redacted]");
        }
    }
    text
}
