//! What a module says about itself: `module.toml`, its configuration schema,
//! and where its files lie.
//!
//! This crate reads and checks text; it decides nothing. Whether a capability
//! is granted, a digest trusted or an interpreter allowed is the host's
//! business. It knows nothing of the wire either: capabilities are names here,
//! checked for their spelling only, and compared with the host's list by
//! [`Manifest::unknown_capabilities`].
//!
//! - [`Manifest`] is `module.toml`; `MANIFEST.md` beside this crate lists every key.
//! - [`ConfigSchema`] is a module's configuration: defaults, checks, form fields, secrets.
//! - [`layout`] finds the program in a module's folder.
//! - [`embedded`] finds a manifest in a program without running it.
//!
//! ```
//! use bllvm_manifest::Manifest;
//!
//! let manifest = Manifest::parse(
//!     "name = \"block-clock\"\nversion = \"0.1.0\"\nentry_point = \"block-clock\"\n",
//! )?;
//! assert_eq!(manifest.name.as_str(), "block-clock");
//!
//! let error = Manifest::parse("name = \"Block Clock\"\nversoin = \"1\"").unwrap_err();
//! assert!(error.to_string().contains("did you mean `version`"));
//! # Ok::<(), bllvm_manifest::ManifestError>(())
//! ```
#![warn(missing_docs)]

mod digest;
pub mod embedded;
mod error;
mod file;
pub mod layout;
mod manifest;
mod name;
mod schema;
mod suggest;

pub use digest::{Digest, DigestError};
pub use embedded::EmbeddedError;
pub use error::{ManifestError, Problem};
pub use file::{FileError, read_bounded};
pub use layout::LayoutError;
pub use manifest::{
    BackupMode, ByteSize, ByteSizeError, ConfigFile, MAX_MANIFEST_BYTES, Manifest, ModuleData,
    Network, Outgoing, Package, PackageFile, ProtocolRange, Reload, ReloadMode, Resources, Restart,
    Runtime, SandboxWishes, Ui, UiPage, known_keys,
};
pub use name::{EntryPoint, ListenerName, ModuleName, NameError, RelativePath};
pub use schema::{
    ConfigError, ConfigProblem, ConfigSchema, Field, FieldKind, MAX_CONFIG_BYTES, MAX_SCHEMA_BYTES,
    ParamsSchema, SchemaError, dotted_key, json_to_toml, parse_config, toml_to_json,
};
pub use suggest::nearest;
