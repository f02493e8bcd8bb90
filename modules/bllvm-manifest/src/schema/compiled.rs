//! A configuration's schema, compiled, and the questions the host asks it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::fields::{self, Field};
use super::key::KeyPath;
use super::place::Place;
use super::problem::{ConfigProblem, explain};
use super::{defaults, secrets, tree, unrecognised};
use crate::file::{FileError, read_bounded};

/// A larger schema is refused before anything looks into it.
pub const MAX_SCHEMA_BYTES: usize = 256 * 1024;

/// More problems than anybody reads.
pub(super) const MAX_PROBLEMS: usize = 100;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Why a text is not a configuration's schema.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The file could not be read, or is larger than any schema.
    #[error(transparent)]
    File(#[from] FileError),
    /// Larger than any schema.
    #[error("the schema has {size} bytes; at most {MAX_SCHEMA_BYTES} are read")]
    TooLarge {
        /// The size of the text.
        size: usize,
    },
    /// Not JSON.
    #[error("the schema is not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// Written for another draft than 2020-12.
    #[error("the schema is written for `{0}`; only {DRAFT} is understood")]
    OtherDraft(String),
    /// It describes something that is no table of keys.
    #[error("the schema must describe an object: a configuration is a table of keys")]
    NotAnObject,
    /// JSON that is no schema, or refers to another document.
    #[error("the schema is wrong at `{at}`: {message}")]
    Invalid {
        /// A JSON pointer into the schema.
        at: String,
        /// What is wrong there.
        message: String,
    },
}

/// A JSON Schema 2020-12 that describes a module's configuration.
///
/// Beyond the standard: a key that the schema does not describe is refused even
/// where `additionalProperties` is forgotten, and a property with `"x-secret": true`
/// or `"writeOnly": true` is never shown. References lead nowhere outside the
/// document, and patterns are those of the `regex` crate, which take linear time.
pub struct ConfigSchema {
    root: Value,
    validator: Validator,
}

impl fmt::Debug for ConfigSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigSchema")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// Whether a schema is written for the one draft that is understood.
fn understood(root: &Value) -> Result<(), SchemaError> {
    match root.get("$schema") {
        None => Ok(()),
        Some(Value::String(draft)) if draft.trim_end_matches('#') == DRAFT => Ok(()),
        Some(other) => Err(SchemaError::OtherDraft(other.to_string())),
    }
}

/// Compiles a schema; references lead nowhere outside it.
pub(super) fn compile(root: &Value) -> Result<Validator, SchemaError> {
    understood(root)?;
    jsonschema::draft202012::options()
        .offline()
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex().size_limit(1 << 20))
        .build(root)
        .map_err(|error| SchemaError::Invalid {
            at: error.instance_path().as_str().to_owned(),
            message: error.to_string(),
        })
}

impl ConfigSchema {
    /// Compiles a schema from its text.
    ///
    /// # Errors
    /// See [`SchemaError`].
    pub fn parse(text: &[u8]) -> Result<Self, SchemaError> {
        if text.len() > MAX_SCHEMA_BYTES {
            return Err(SchemaError::TooLarge { size: text.len() });
        }
        Self::from_value(serde_json::from_slice(text)?)
    }

    /// Compiles a schema from a file.
    ///
    /// # Errors
    /// See [`SchemaError`].
    pub fn read(path: &Path) -> Result<Self, SchemaError> {
        Self::parse(&read_bounded(path, MAX_SCHEMA_BYTES as u64)?)
    }

    /// Compiles a schema that is JSON already.
    ///
    /// # Errors
    /// See [`SchemaError`].
    pub fn from_value(root: Value) -> Result<Self, SchemaError> {
        understood(&root)?;
        let place = Place::root(&root);
        let types = place.types();
        if !root.is_object() || (!types.is_empty() && types != ["object"]) {
            return Err(SchemaError::NotAnObject);
        }
        let validator = compile(&root)?;
        Ok(Self { root, validator })
    }

    /// The schema of a module that has nothing to configure: every key is refused.
    ///
    /// # Errors
    /// Never, unless the compiler of schemas is broken.
    pub fn empty() -> Result<Self, SchemaError> {
        Self::from_value(serde_json::json!({ "type": "object", "additionalProperties": false }))
    }

    /// The schema as JSON.
    pub fn as_value(&self) -> &Value {
        &self.root
    }

    /// The first `config.toml`: each default below its description; keys without a
    /// default, and sections that lack a required key, are comments to fill in.
    pub fn defaults(&self) -> String {
        defaults::render(&self.root)
    }

    /// Everything that is wrong with a configuration; nothing if it is valid.
    pub fn validate(&self, value: &Value) -> Vec<ConfigProblem> {
        let unknown = self.split(value).1.into_iter();
        let mut problems: Vec<ConfigProblem> = unknown
            .map(|(unknown, _)| ConfigProblem::unknown_key(unknown.path, unknown.help))
            .take(MAX_PROBLEMS)
            .collect();
        let unknown: Vec<String> = problems.iter().map(|one| one.pointer.clone()).collect();
        for error in self.validator.iter_errors(value) {
            for problem in explain(&self.root, value, &error) {
                // A key that is named already needs no second complaint about its value.
                let told = unknown.contains(&problem.pointer) || problems.contains(&problem);
                if !told && problems.len() < MAX_PROBLEMS {
                    problems.push(problem);
                }
            }
        }
        problems
    }

    /// Everything that is wrong with a configuration as TOML.
    pub fn validate_toml(&self, table: &toml::Table) -> Vec<ConfigProblem> {
        self.validate(&super::toml_to_json(&toml::Value::Table(table.clone())))
    }

    /// The keys of a configuration that the schema does not describe, dotted.
    pub fn unrecognised(&self, value: &Value) -> Vec<String> {
        self.split(value)
            .1
            .into_iter()
            .map(|(unknown, _)| unknown.path.dotted)
            .collect()
    }

    /// A configuration without the keys the schema does not describe, and those
    /// keys with their values: what an upgrade keeps aside and shows.
    pub fn set_aside_unrecognised(&self, value: &Value) -> (Value, BTreeMap<String, Value>) {
        let (kept, unknown) = self.split(value);
        let aside = unknown
            .into_iter()
            .map(|(unknown, value)| (unknown.path.dotted, value));
        (kept, aside.collect())
    }

    fn split(&self, value: &Value) -> (Value, Vec<(unrecognised::Unrecognised, Value)>) {
        let mut found = Vec::new();
        let place = Place::root(&self.root);
        let kept = unrecognised::split(&place, &KeyPath::default(), value, &mut found);
        (kept, found)
    }

    /// The dotted keys of all secrets; `*` stands for any entry of a list or map.
    pub fn secret_paths(&self) -> Vec<String> {
        secrets::paths(&self.root)
    }

    /// A copy fit to be shown: `[redacted]` stands for every secret.
    #[must_use]
    pub fn redact(&self, value: &Value) -> Value {
        self.replace_secrets(value, |_, _| Value::from(secrets::REDACTED))
    }

    /// A copy in which the caller chose what stands for each secret, given its dotted
    /// key (`peers[0].token`) and value: to encrypt, to put back, to mark as set.
    #[must_use]
    pub fn replace_secrets(
        &self,
        value: &Value,
        mut replacement: impl FnMut(&str, &Value) -> Value,
    ) -> Value {
        secrets::replace(
            &Place::root(&self.root),
            &KeyPath::default(),
            value,
            &mut replacement,
        )
    }

    /// The configuration as form fields, nested ones with dotted keys.
    pub fn fields(&self) -> Vec<Field> {
        let mut fields = Vec::new();
        fields::flatten(&tree::nodes(&self.root), &mut fields);
        fields
    }
}
