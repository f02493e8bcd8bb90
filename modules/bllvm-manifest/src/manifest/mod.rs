//! `module.toml`: one file per group of sections, all read through [`reader`],
//! with the list of allowed keys in [`keys`].

mod document;
mod keys;
mod lifecycle;
mod network;
mod package;
mod protocol;
mod reader;
mod resources;
mod ui;

pub use document::{MAX_MANIFEST_BYTES, Manifest};
pub use keys::known_keys;
pub use lifecycle::{
    BackupMode, ConfigFile, ModuleData, Reload, ReloadMode, Restart, Runtime, SandboxWishes,
};
pub use network::{Network, Outgoing};
pub use package::{Package, PackageFile};
pub use protocol::ProtocolRange;
pub use resources::{ByteSize, ByteSizeError, Resources};
pub use ui::{Ui, UiPage};

#[cfg(test)]
mod tests;
