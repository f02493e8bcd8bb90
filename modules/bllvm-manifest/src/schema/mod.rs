//! A module's configuration: the text people edit, the schema that describes
//! it, and everything the host derives from the schema. [`place`] is the one
//! reader of JSON Schema's structure; the other files ask it.

mod compiled;
mod convert;
mod defaults;
mod fields;
mod key;
mod params;
mod place;
mod problem;
mod secrets;
mod tree;
mod unrecognised;

pub use compiled::{ConfigSchema, MAX_SCHEMA_BYTES, SchemaError};
pub use convert::{ConfigError, MAX_CONFIG_BYTES, json_to_toml, parse_config, toml_to_json};
pub use fields::{Field, FieldKind};
pub use key::dotted_key;
pub use params::ParamsSchema;
pub use problem::ConfigProblem;

#[cfg(test)]
mod tests;
