//! A registry, read: its index checked against keys and what was seen before, its packages copied so
//! that what broke off goes on where it was. The node and `cargo bllvm-module` both read by this.
//!
//! Only addresses that the operator gave are connected to: mirrors that an index names, and redirects,
//! are not followed, so that no registry can point the node at a machine of its choice. Everything that
//! comes is checked by signatures and digests, so that any way of carrying it will do.
#![warn(missing_docs)]

mod authorities;
mod download;
mod error;
mod source;
mod web;

pub use authorities::Authorities;
pub use download::download;
pub use error::RegistryError;
pub use source::Source;

use bllvm_manifest::{Manifest, layout};
use bllvm_package::{
    INDEX_FILE, INDEX_SIGNATURE_FILE, Index, IndexTrust, Listed, MAX_INDEX_BYTES,
    MAX_SIGNATURE_BYTES, verify_index,
};

/// A `module.toml` is not larger.
const MAX_MANIFEST: u64 = 1 << 20;

/// An index that was checked, with the bytes that were signed.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What the registry has.
    pub index: Index,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
}

/// Fetches the index and checks it, from the first of these places that has one that is believed.
///
/// # Errors
/// Why the first place's was not taken, where no other's was either.
pub async fn open(sources: &[Source], trust: &IndexTrust) -> Result<Opened, RegistryError> {
    let mut first = None;
    for source in sources {
        match open_one(source, trust).await {
            Ok(opened) => return Ok(opened),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or(RegistryError::NoSource))
}

async fn open_one(source: &Source, trust: &IndexTrust) -> Result<Opened, RegistryError> {
    let bytes = source.read(INDEX_FILE, MAX_INDEX_BYTES).await?;
    let limit = MAX_SIGNATURE_BYTES as u64;
    let signatures = source.read(INDEX_SIGNATURE_FILE, limit).await?;
    let index = verify_index(&bytes, &signatures, trust)?;
    Ok(Opened { index, bytes })
}

/// Fetches a listed release's `module.toml`, and reads it; it is the one that the index lists.
///
/// # Errors
/// Where no place has it.
pub async fn manifest_of(
    sources: &[Source],
    listed: &Listed,
) -> Result<(Manifest, Vec<u8>), RegistryError> {
    let path = format!("{}/{}", listed.path, layout::MANIFEST_FILE);
    let mut first = None;
    for source in sources {
        let read = source.read(&path, MAX_MANIFEST).await;
        let checked = read.and_then(|bytes| {
            listed.check(&bytes)?;
            let manifest =
                Manifest::parse_bytes(&bytes).map_err(|error| RegistryError::Manifest {
                    path: path.clone(),
                    why: error.to_string(),
                })?;
            Ok((manifest, bytes))
        });
        match checked {
            Ok(found) => return Ok(found),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or(RegistryError::NoSource))
}
