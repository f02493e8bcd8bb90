//! A configuration that was kept, read again: perhaps by the schema of another version.

use std::collections::BTreeMap;

use bllvm_manifest::{ConfigProblem, ConfigSchema, parse_config, toml_to_json};
use serde_json::Value;

use super::document::{set_mark, whole};

/// A kept configuration, read by the schema of the present version.
#[derive(Clone, PartialEq)]
pub struct Restored {
    /// What the schema describes, secrets masked.
    pub public: Value,
    /// What the schema describes, for the module alone.
    pub clear: Value,
    /// Keys that the schema does not describe any more, with their values.
    pub unrecognised: BTreeMap<String, Value>,
    /// What does not fit the schema.
    pub problems: Vec<ConfigProblem>,
}

impl std::fmt::Debug for Restored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Restored")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

impl Restored {
    /// Reads a kept text and puts its secrets back.
    ///
    /// # Errors
    /// Where the text is not TOML.
    pub fn read(
        schema: &ConfigSchema,
        text: &str,
        secrets: &BTreeMap<String, Value>,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let table =
            parse_config(text.as_bytes()).map_err(|error| vec![whole(error.to_string())])?;
        let (kept, unrecognised) =
            schema.set_aside_unrecognised(&toml_to_json(&toml::Value::Table(table)));
        let clear = schema.replace_secrets(&kept, |key, value| {
            secrets.get(key).unwrap_or(value).clone()
        });
        let public = schema.replace_secrets(&clear, |_, _| set_mark());
        let problems = schema.validate(&clear);
        Ok(Self {
            public,
            clear,
            unrecognised,
            problems,
        })
    }
}
