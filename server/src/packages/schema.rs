//! The schema of a module's configuration, as it lies in the module's folder.

use std::path::Path;

use bllvm_manifest::{ConfigSchema, Manifest, SchemaError};

/// Why a module's schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaProblem {
    /// The file is missing, damaged or no schema.
    #[error(
        "the schema of {module}, `config.schema = \"{path}\"` in module.toml, cannot be used: {source}"
    )]
    File {
        /// The module.
        module: String,
        /// The path as the manifest has it.
        path: String,
        /// What is wrong.
        source: SchemaError,
    },
    /// The link leads out of the folder.
    #[error(
        "the schema of {module}, `config.schema = \"{path}\"`, is a link that leads out of its folder: put the file itself there"
    )]
    Outside {
        /// The module.
        module: String,
        /// The path as the manifest has it.
        path: String,
    },
    /// The work ended by a bug of ours.
    #[error("the schema could not be read by a bug; the node's log has the cause")]
    Bug,
}

/// Reads the schema of a module; one without a schema has nothing to configure. Blocks.
///
/// # Errors
/// See [`SchemaProblem`].
pub fn read_schema(folder: &Path, manifest: &Manifest) -> Result<ConfigSchema, SchemaProblem> {
    let unusable = |path: &str, source| SchemaProblem::File {
        module: manifest.name.to_string(),
        path: path.to_owned(),
        source,
    };
    let Some(config) = &manifest.config else {
        return ConfigSchema::empty().map_err(|source| unusable("", source));
    };
    let named = config.schema.as_str();
    let path = folder.join(named);
    if let (Ok(real), Ok(folder)) = (path.canonicalize(), folder.canonicalize())
        && !real.starts_with(&folder)
    {
        return Err(SchemaProblem::Outside {
            module: manifest.name.to_string(),
            path: named.to_owned(),
        });
    }
    ConfigSchema::read(&path).map_err(|source| unusable(named, source))
}
