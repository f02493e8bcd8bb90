//! A signed module: a folder of plain files, never an archive.
//!
//! ```text
//! block-clock/
//!   module.toml          what the module says, and in [package] every file with digest and size
//!   module.sig           signatures over the exact bytes of module.toml
//!   block-clock          the program
//!   config.schema.json   and whatever else [package] lists; nothing else may lie there
//! ```
//!
//! Trust is the caller's: which keys speak for a publisher, and how many of them must sign, is a
//! [`Trust`] that the host keeps. Nothing in a package can add to it. This crate asks no clock, no
//! network and no database: [`verify`] looks at a folder and says [`Verified`] or names a
//! [`Refusal`], each with a code of its own.
//!
//! - [`SecretKey`], [`PublicKey`], [`KeyId`]: Ed25519, with texts and files.
//! - [`Signatures`] is `module.sig`; [`Purpose`] keeps signatures of one kind from passing as another.
//! - [`Publisher`] and [`KeySet`]: keys, threshold, and their rotation.
//! - [`Package`](bllvm_manifest::Package) is made by [`assemble`] and checked by [`verify`].
//!
//! ```
//! use bllvm_package::{Purpose, SecretKey, Signatures};
//!
//! let key = SecretKey::from_seed([7; 32]);
//! let mut signatures = Signatures::default();
//! signatures.add(&key, Purpose::Manifest, b"name = \"hello\"\n")?;
//!
//! let read = Signatures::parse(signatures.to_string().as_bytes())?;
//! assert!(read.verifies(&key.public(), Purpose::Manifest, b"name = \"hello\"\n"));
//! assert!(!read.verifies(&key.public(), Purpose::Manifest, b"name = \"hallo\"\n"));
//! # Ok::<(), bllvm_package::SignatureError>(())
//! ```
#![warn(missing_docs)]

mod assemble;
mod folder;
mod index;
mod key;
mod key_file;
mod key_set;
mod listing;
mod refusal;
mod signatures;
mod trust;
mod verify;

pub use assemble::{AssembleError, Assembled, Release, assemble};
pub use folder::Folder;
pub use index::{
    INDEX_FILE, INDEX_SIGNATURE_FILE, Index, IndexRefusal, IndexTrust, Listed, MAX_INDEX_BYTES,
    Revoked, verify_index,
};
pub use key::{KeyError, KeyId, PublicKey, SecretKey};
pub use key_file::{KeyFileError, SECRET_KEY_MODE, read_secret_key, write_secret_key};
pub use key_set::{KeySet, KeySetError};
pub use listing::check_listing;
pub use refusal::Refusal;
pub use signatures::{MAX_SIGNATURE_BYTES, MAX_SIGNATURES, Purpose, SignatureError, Signatures};
pub use trust::{Floor, Publisher, PublisherError, Trust};
pub use verify::{MAX_PACKAGE_BYTES, Verified, check_installed, verify};
