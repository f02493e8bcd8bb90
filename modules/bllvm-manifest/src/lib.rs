//! module.toml, configuration schemas and package descriptions.
