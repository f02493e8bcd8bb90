//! Packing: which files, with size and digest, written as `[package]` under a module's own text.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bllvm_manifest::{Digest, Manifest, ManifestError, RelativePath, layout};
use jiff::Timestamp;

use crate::listing::check_listing;
use crate::trust::check_name;
use crate::{PublisherError, Refusal};

/// What packing adds to what the module says.
#[derive(Clone, Debug)]
pub struct Release {
    /// Who signs.
    pub publisher: String,
    /// Grows with each release.
    pub release_seq: u64,
    /// The system that the program is for, or `any`.
    pub target: String,
    /// When it stops being current.
    pub expires: Option<Timestamp>,
}

/// Why nothing was packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// The module's own text is not valid.
    #[error("module.toml: {0}; {help}", help = .0.help())]
    Manifest(#[from] ManifestError),
    /// Somebody wrote what packing writes.
    #[error("module.toml has a [package] already: remove it, `package` writes it")]
    HasPackage,
    /// No publisher's name.
    #[error(transparent)]
    Publisher(#[from] PublisherError),
    /// A file that no package may have.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A package is there already.
    #[error("{} is there already: remove it, or name another folder with --out", .0.display())]
    Exists(PathBuf),
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// A package that was written, not signed yet.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// What it says now.
    pub manifest: Manifest,
    /// The exact bytes that are to be signed.
    pub manifest_bytes: Vec<u8>,
    /// Digest of these bytes.
    pub digest: Digest,
}

/// Writes a package into a new folder: the given files, copied, and the manifest that lists them.
///
/// # Errors
/// See [`AssembleError`]. Nothing is left where it fails.
pub fn assemble(
    manifest: &str,
    files: &[(RelativePath, PathBuf)],
    release: &Release,
    to: &Path,
) -> Result<Assembled, AssembleError> {
    let own = Manifest::parse(manifest)?;
    if own.package.is_some() {
        return Err(AssembleError::HasPackage);
    }
    check_name(&release.publisher)?;
    fs::create_dir(to).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => AssembleError::Exists(to.to_owned()),
        _ => io_at(to)(source),
    })?;
    let written = write(manifest, &own, files, release, to);
    if written.is_err() {
        // It was made a moment ago, by us.
        let _ = fs::remove_dir_all(to);
    }
    written
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> AssembleError + '_ {
    move |source| AssembleError::Io {
        path: path.to_owned(),
        source,
    }
}

fn write(
    text: &str,
    own: &Manifest,
    files: &[(RelativePath, PathBuf)],
    release: &Release,
    to: &Path,
) -> Result<Assembled, AssembleError> {
    let mut text = format!("{}\n\n[package]\n", text.trim_end());
    // Names were checked: none needs escapes. Writing to a text cannot fail.
    let _ = writeln!(text, "publisher = \"{}\"", release.publisher);
    let _ = writeln!(text, "release_seq = {}", release.release_seq);
    let _ = writeln!(text, "target = \"{}\"", release.target);
    if let Some(expires) = release.expires {
        let _ = writeln!(text, "expires = \"{expires}\"");
    }
    let program = layout::candidates(Path::new(""), &own.entry_point);
    for (path, from) in files {
        let is_program = program.iter().any(|one| one == Path::new(path.as_str()));
        let mode = if is_program { 0o755 } else { 0o644 };
        let (sha256, size) = copy(from, &to.join(path.as_str()), mode)?;
        let path = path.as_str().replace('\\', "\\\\").replace('"', "\\\"");
        let _ = write!(
            text,
            "\n[[package.files]]\npath = \"{path}\"\nsha256 = \"{sha256}\"\nsize = {size}\n"
        );
    }
    let manifest = Manifest::parse(&text)?;
    if let Some(package) = &manifest.package {
        check_listing(package)?;
    }
    let path = to.join(layout::MANIFEST_FILE);
    fs::write(&path, &text).map_err(io_at(&path))?;
    Ok(Assembled {
        manifest,
        digest: Digest::of(&text),
        manifest_bytes: text.into_bytes(),
    })
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<(Digest, u64), AssembleError> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(io_at(parent))?;
    }
    let mut source = File::open(from).map_err(io_at(from))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut target = options.open(to).map_err(io_at(to))?;
    let size = io::copy(&mut source, &mut target).map_err(io_at(from))?;
    // What is listed is what was written, whatever happened to the source meanwhile.
    let written = File::open(to)
        .and_then(Digest::of_reader)
        .map_err(io_at(to))?;
    Ok((written, size))
}
