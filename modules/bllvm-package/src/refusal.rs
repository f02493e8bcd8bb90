//! Why a package is not taken, each reason with a code that never changes: what was checked, what
//! was expected and found, and the way out.

use std::io;
use std::path::PathBuf;

use bllvm_manifest::{Digest, ManifestError, ModuleName};
use jiff::Timestamp;

use crate::{KeyId, SignatureError};

macro_rules! refusals {
    ($( $(#[doc = $doc:literal])+ #[error($($text:tt)+)] $code:literal =>
        $variant:ident $( { $( $(#[doc = $fdoc:literal])+ $field:ident: $type:ty, )+ } )? ; )+) => {
        /// Why a package is not taken.
        #[derive(Debug, thiserror::Error)]
        #[non_exhaustive]
        pub enum Refusal { $(
            $(#[doc = $doc])+ #[error($($text)+)]
            $variant $( { $( $(#[doc = $fdoc])+ $field: $type, )+ } )?,
        )+ }

        impl Refusal {
            /// Every code.
            pub const CODES: &'static [&'static str] = &[$($code),+];

            /// Its code: a word that never changes.
            pub const fn code(&self) -> &'static str {
                match self { $( Self::$variant { .. } => $code, )+ }
            }
        }
    };
}

refusals! {
    /// Not a folder, or a link to one.
    #[error("{} is not a folder; a package is a folder of plain files, and links are not followed", path.display())]
    "not_a_folder" => NotAFolder {
        /// What is there.
        path: PathBuf,
    };
    /// A folder without a description.
    #[error("the package has no module.toml: is it the right folder?")]
    "manifest_missing" => ManifestMissing;
    /// A description that cannot be read.
    #[error("the package's module.toml cannot be used: {source}; ask the publisher for a new release")]
    "manifest_invalid" => ManifestInvalid {
        /// What is wrong.
        source: ManifestError,
    };
    /// A module, but not packed.
    #[error("module.toml has no [package]: pack the module with `cargo bllvm-module package`")]
    "not_a_package" => NotAPackage;
    /// Nobody signed.
    #[error("the package has no module.sig: sign it with `cargo bllvm-module sign`, or install it as a local one, which nobody vouches for")]
    "signature_missing" => SignatureMissing;
    /// Signatures that cannot be read.
    #[error("module.sig cannot be read: {source}; get the package again")]
    "signature_malformed" => SignatureMalformed {
        /// What is wrong.
        source: SignatureError,
    };
    /// Nobody that the operator knows.
    #[error("the publisher `{publisher}` is not trusted here: after checking its keys with the publisher, add it with `bllvm-node trust add {publisher} --key …`")]
    "publisher_unknown" => PublisherUnknown {
        /// As the package names it.
        publisher: String,
    };
    /// Other keys than the operator knows.
    #[error("none of the keys that signed ({}) is one that `{publisher}` has here: `bllvm-node trust list` shows them; if the publisher changed its keys, take them over with `bllvm-node trust rotate`", ids(keys))]
    "key_unknown" => KeyUnknown {
        /// The publisher.
        publisher: String,
        /// The keys named in `module.sig`.
        keys: Vec<KeyId>,
    };
    /// A signature that does not fit.
    #[error("the signature of key {key} does not fit module.toml: one of the two was changed; get the package again")]
    "signature_invalid" => SignatureInvalid {
        /// The key.
        key: KeyId,
    };
    /// Too few signatures.
    #[error("{signed} of the keys of `{publisher}` signed, and {threshold} must: ask the publisher for the other signatures")]
    "threshold_not_met" => ThresholdNotMet {
        /// The publisher.
        publisher: String,
        /// How many distinct keys signed.
        signed: usize,
        /// How many must.
        threshold: usize,
    };
    /// Too old.
    #[error("the package expired at {expires}, and it is {moment} (the latest time that this node has seen): get a newer release")]
    "package_expired" => Expired {
        /// When it expired.
        expires: Timestamp,
        /// What it was measured by.
        moment: Timestamp,
    };
    /// Older than what is installed.
    #[error("release {found} of `{module}` is older than release {floor}, which is installed: get release {floor} or a newer one")]
    "release_rollback" => Rollback {
        /// The module.
        module: ModuleName,
        /// The release that is there.
        floor: u64,
        /// The package's.
        found: u64,
    };
    /// Older than what was installed once.
    #[error("release {found} of `{module}` is older than release {floor}, which was installed here before: get release {floor} or a newer one")]
    "release_below_floor" => BelowFloor {
        /// The module.
        module: ModuleName,
        /// The release that was there.
        floor: u64,
        /// The package's.
        found: u64,
    };
    /// The same number twice.
    #[error("release {release_seq} of `{module}` was seen here with module.toml {expected}, and this one is {found}: one number stands for one release; ask the publisher for a new one")]
    "release_conflict" => ReleaseConflict {
        /// The module.
        module: ModuleName,
        /// The number.
        release_seq: u64,
        /// The first one's.
        expected: Digest,
        /// This one's.
        found: Digest,
    };
    /// A name taken over by somebody else.
    #[error("`{module}` came from the publisher `{expected}` before, and this package is by `{found}`: if that is meant, run `bllvm-node trust forget {module}` first")]
    "publisher_changed" => PublisherChanged {
        /// The module.
        module: ModuleName,
        /// Whose it was.
        expected: String,
        /// Whose it says it is.
        found: String,
    };
    /// Built for another system.
    #[error("the package is for {found}, and this machine is {expected}: get the package for {expected}")]
    "wrong_target" => WrongTarget {
        /// This machine.
        expected: String,
        /// The package's.
        found: String,
    };
    /// Another module than was asked for.
    #[error("the package is `{found}`, and `{expected}` was asked for: name `{found}`, or get the other package")]
    "wrong_name" => WrongName {
        /// What was asked for.
        expected: ModuleName,
        /// What it is.
        found: ModuleName,
    };
    /// Speaks with other hosts only.
    #[error("the module speaks the protocol's versions {min} to {max}, and this node speaks {spoken}: get a release for this node")]
    "wrong_protocol" => WrongProtocol {
        /// The oldest.
        min: u16,
        /// The newest.
        max: u16,
        /// This node's.
        spoken: u16,
    };
    /// A path that no package may have.
    #[error("the path `{path}` is not allowed in a package: {reason}")]
    "path_forbidden" => PathForbidden {
        /// The path, made printable.
        path: String,
        /// The rule.
        reason: &'static str,
    };
    /// Two paths that are one elsewhere.
    #[error("the paths `{path}` and `{twin}` are the same on some systems: rename one")]
    "path_twin" => PathTwin {
        /// One.
        path: String,
        /// The other.
        twin: String,
    };
    /// A link.
    #[error("`{path}` is or passes through a link: a package has plain files only")]
    "link" => Link {
        /// Where.
        path: String,
    };
    /// A pipe, socket or device.
    #[error("`{path}` is not a regular file: a package has plain files only")]
    "special_file" => SpecialFile {
        /// Where.
        path: String,
    };
    /// More than any package has.
    #[error("the folder holds more than {limit} entries or {depth} levels: is it the right one?")]
    "too_many_files" => TooManyFiles {
        /// The most entries.
        limit: usize,
        /// The most levels.
        depth: usize,
    };
    /// Not there.
    #[error("`{path}` is listed in module.toml, and not there: get the package again")]
    "file_missing" => FileMissing {
        /// Which.
        path: String,
    };
    /// There, and not vouched for.
    #[error("`{path}` is not listed in module.toml, so nobody vouches for it: remove it, or get the package again")]
    "file_unlisted" => FileUnlisted {
        /// Which.
        path: String,
    };
    /// Another size.
    #[error("`{path}` has {found} bytes, and module.toml says {expected}: get the package again")]
    "size_mismatch" => SizeMismatch {
        /// Which.
        path: String,
        /// As listed.
        expected: u64,
        /// As found; at least so many.
        found: u64,
    };
    /// More than anybody would install.
    #[error("the package lists {size} bytes, and at most {limit} are taken")]
    "package_too_large" => TooLarge {
        /// All files together.
        size: u64,
        /// The most.
        limit: u64,
    };
    /// Other bytes.
    #[error("`{path}` is {found}, and module.toml says {expected}: the file was changed; get the package again")]
    "file_digest_mismatch" => FileChanged {
        /// Which.
        path: String,
        /// As listed.
        expected: Digest,
        /// As found.
        found: Digest,
    };
    /// Another description than the one that was taken in.
    #[error("module.toml is {found}, and {expected} was taken in: it was changed since; uninstall the module and install the package again")]
    "manifest_changed" => ManifestChanged {
        /// As it was taken in.
        expected: Digest,
        /// As it is now.
        found: Digest,
    };
    /// No program, or more than one.
    #[error("the package lists {found} files for the entry point `{entry_point}`, and one is needed")]
    "program_not_listed" => ProgramNotListed {
        /// As the manifest names it.
        entry_point: String,
        /// How many.
        found: usize,
    };
    /// Ended on request.
    #[error("it was cancelled")]
    "cancelled" => Cancelled;
    /// The system refused.
    #[error("{}: {source}", path.display())]
    "unreadable" => Io {
        /// Which.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    };
}

fn ids(keys: &[KeyId]) -> String {
    let texts: Vec<String> = keys.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
