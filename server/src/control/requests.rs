//! What the verbs are given and what they answer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use bllvm_manifest::{ConfigProblem, Digest, Field, ModuleName};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::configuration::DiffLine;
use crate::model::{ConfigSource, Grant, Operation, ReloadMode, Revision, Scopes, UtcTime};
use crate::store::Token;

/// Asks for a module to run. The first load confirms the module as it was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadRequest {
    /// The digest that the operator saw; another one that is found is refused.
    pub digest: Option<Digest>,
    /// The rights; none gives what the manifest asks for at the first load, and keeps what there
    /// is later, unless a changed program asks for more.
    pub grant: Option<Grant>,
}

/// Takes a module in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallRequest {
    /// A folder with `module.toml`, or a program that carries its manifest. A full path.
    pub path: PathBuf,
    /// Takes a package in on the operator's own word, as a module that nobody signed.
    pub as_local: bool,
}

/// How much of a module goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// What was installed. Its data, stored values and log stay.
    #[default]
    Program,
    /// Its data and stored values, too, with the copies that upgrades made of them.
    Data,
    /// Everything: also its log, its kept versions, and what of it lies in the trash.
    Everything,
}

impl Extent {
    /// By two words of an operator; the second includes the first.
    pub fn of(delete_data: bool, purge: bool) -> Self {
        match (delete_data, purge) {
            (_, true) => Self::Everything,
            (true, false) => Self::Data,
            (false, false) => Self::Program,
        }
    }

    /// Whether its data goes.
    pub fn deletes_data(self) -> bool {
        self != Self::Program
    }
}

/// Removes a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UninstallRequest {
    /// How much of it goes.
    pub extent: Extent,
    /// The module's name, typed once more.
    pub confirm_name: String,
}

/// A new configuration, in one of three forms.
#[derive(Clone, PartialEq)]
pub enum ConfigInput {
    /// The whole text.
    Toml(String),
    /// The whole configuration; the comments of the present text stay. `{ "secret": "set" }` stands
    /// for a stored secret.
    Json(Value),
    /// A JSON merge patch (RFC 7396) of the present one.
    MergePatch(Value),
}

impl std::fmt::Debug for ConfigInput {
    /// Without what is in it: it may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Toml(_) => "Toml([redacted])",
            Self::Json(_) => "Json([redacted])",
            Self::MergePatch(_) => "MergePatch([redacted])",
        })
    }
}

/// Asks for a new configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct SetConfig {
    /// The configuration.
    pub input: ConfigInput,
    /// The entity tag of the configuration it was made from.
    pub if_match: Option<String>,
    /// How it came about: API or form.
    pub source: ConfigSource,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// What a change of a configuration does, or would do.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ConfigChange {
    /// The revision that was recorded; none after a dry run, and where nothing changed.
    pub revision: Option<Revision>,
    /// The operation that brings it to the running module.
    pub operation: Option<Operation>,
    /// The changed keys; secrets show as set.
    pub diff: Vec<DiffLine>,
    /// How a running module takes it over; none where it does not run.
    pub mode_hint: Option<ReloadMode>,
    /// What happens now, in one sentence.
    pub note: String,
    /// The entity tag that holds now.
    pub etag: String,
}

/// A `config.toml` that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FileProblem {
    /// The file.
    #[schema(value_type = String)]
    pub path: PathBuf,
    /// What is wrong with it, with key and way out.
    pub problems: Vec<ConfigProblem>,
    /// When it was seen.
    pub seen_at: UtcTime,
}

/// A module's configuration as it is shown: no secret is in it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ConfigView {
    /// The text.
    pub toml: String,
    /// The same as a value; `{ "secret": "set" }` where a secret is stored.
    #[schema(value_type = Object)]
    pub json: Value,
    /// The entity tag, to be sent as `If-Match` with a change.
    pub etag: String,
    /// The revision; none before the first load, when the defaults are shown.
    pub revision: Option<Revision>,
    /// The JSON Schema.
    #[schema(value_type = Object)]
    pub schema: Value,
    /// The schema as form fields.
    pub fields: Vec<Field>,
    /// Keys that the schema does not know any more, kept aside with their values.
    #[schema(value_type = Object)]
    pub unrecognised: BTreeMap<String, Value>,
    /// Why the `config.toml` that is there is not in force.
    pub file_problem: Option<FileProblem>,
}

/// Asks for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The modules that it is bound to; none where it is not bound.
    pub modules: BTreeSet<ModuleName>,
    /// How long it is good; none for ever.
    pub expires_in: Option<Duration>,
}

/// A token that was made. The secret is shown this once.
#[derive(Clone, PartialEq)]
pub struct NewToken {
    /// Its row.
    pub token: Token,
    /// What its holder sends.
    pub secret: String,
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// A one-time login code.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginCode {
    /// The code.
    pub code: String,
    /// When it ends.
    pub expires_at: UtcTime,
}

impl std::fmt::Debug for LoginCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginCode")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A module that discovery cannot name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stray {
    /// Where it lies.
    #[schema(value_type = String)]
    pub path: PathBuf,
    /// What is wrong and the way out.
    pub problem: String,
}

/// What is sought by name.
pub(super) fn no_module(name: &ModuleName) -> super::ControlError {
    super::ControlError::NotFound {
        what: format!("module `{name}`"),
    }
}
