//! A module's folder, taken in or put away: copied under another name, fsynced, renamed. A crash
//! leaves the old state or the new one, and at worst a leftover that the next start sweeps.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bllvm_manifest::{
    Digest, EmbeddedError, LayoutError, Manifest, ManifestError, ModuleName, embedded, layout,
    read_bounded,
};
use bllvm_package::{KeyId, PublicKey, Refusal, Trust};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sha2::{Digest as _, Sha256};

use super::scan::unknown_capabilities;
use super::schema::read_schema;
use super::{Candidate, Places, SchemaProblem};
use crate::model::Id;

pub(super) const INCOMING: &str = ".incoming-";
/// A README, licence or configuration that is larger stays behind.
const MAX_COMPANION_BYTES: u64 = 1 << 20;

/// Who signed a module that was looked at, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedAs {
    /// The publisher.
    pub publisher: String,
    /// The release's number.
    pub release_seq: u64,
    /// Digest of `module.toml`, which lists every other file's.
    pub digest: Digest,
    /// The keys that signed.
    pub keys: Vec<KeyId>,
}

/// Why a module was not taken in or put away; nothing is half-done.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The manifest cannot be used.
    #[error("{}: {source}; {}", path.display(), source.help())]
    Manifest {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong.
        source: ManifestError,
    },
    /// The program carries no usable manifest.
    #[error("{}: {source}; name a folder with a module.toml instead", path.display())]
    Embedded {
        /// The program.
        path: PathBuf,
        /// What is wrong.
        source: EmbeddedError,
    },
    /// It says that it is a package, and is not one that is taken here.
    #[error("{}: {source}", path.display())]
    Refused {
        /// The folder.
        path: PathBuf,
        /// Why, with a code of its own.
        source: Refusal,
    },
    /// The program is missing or not fit to run.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The schema cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaProblem),
    /// It asks for rights that nobody knows.
    #[error("{}: {problem}", path.display())]
    Capabilities {
        /// The folder or program.
        path: PathBuf,
        /// Which ones.
        problem: String,
    },
    /// Something has its name already.
    #[error("{} is there already: uninstall the module first, or move the folder away", .0.display())]
    Exists(PathBuf),
    /// The program changed while it was taken in.
    #[error(
        "the program changed while it was copied: {expected} was read first, {found} then; ask again"
    )]
    Changed {
        /// What was looked at.
        expected: Digest,
        /// What was copied.
        found: Digest,
    },
    /// An operator ended it.
    #[error("it was cancelled; nothing was taken in")]
    Cancelled,
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

pub(super) fn io_at(path: &Path) -> impl Fn(io::Error) -> PackageError + '_ {
    move |source| PackageError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Where a module's files come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A folder with a `module.toml`.
    Folder(PathBuf),
    /// A program that carries its manifest.
    Program(PathBuf),
    /// A signed package.
    Package(PathBuf),
}

/// A module that was looked at and can be taken in.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// Where its files are.
    pub origin: Origin,
    /// What its manifest says.
    pub manifest: Manifest,
    /// Digest of its program.
    pub digest: Digest,
    /// Who signed it; none where nobody whom the operator trusts did.
    pub signed: Option<SignedAs>,
    program: PathBuf,
}

impl From<&Candidate> for Taken {
    fn from(candidate: &Candidate) -> Self {
        Self {
            origin: Origin::Program(candidate.path.clone()),
            manifest: candidate.manifest.clone(),
            digest: candidate.digest,
            signed: None,
            program: candidate.path.clone(),
        }
    }
}

/// Looks at a folder or program that shall be taken in. Blocks.
///
/// A folder that is a package must be signed as the trust demands; without a trust, an operator
/// takes it on their own word, as they take a module that nobody packed.
///
/// # Errors
/// See [`PackageError`].
pub fn look_at(path: &Path, trust: Option<&Trust>) -> Result<Taken, PackageError> {
    let found = fs::metadata(path).map_err(io_at(path))?;
    if let Some(trust) = trust
        && found.is_dir()
        && is_package(path)
    {
        return look_at_package(path, trust);
    }
    let (origin, manifest, program) = if found.is_dir() {
        let manifest = Manifest::read(&path.join(layout::MANIFEST_FILE)).map_err(|source| {
            PackageError::Manifest {
                path: path.join(layout::MANIFEST_FILE),
                source,
            }
        })?;
        let program = layout::find_program(path, &manifest)?;
        read_schema(path, &manifest)?;
        (Origin::Folder(path.to_owned()), manifest, program)
    } else {
        let manifest = embedded::read(path).map_err(|source| PackageError::Embedded {
            path: path.to_owned(),
            source,
        })?;
        (Origin::Program(path.to_owned()), manifest, path.to_owned())
    };
    if let Some(problem) = unknown_capabilities(&manifest) {
        return Err(PackageError::Capabilities {
            path: path.to_owned(),
            problem,
        });
    }
    let digest = File::open(&program)
        .and_then(Digest::of_reader)
        .map_err(io_at(&program))?;
    Ok(Taken {
        origin,
        manifest,
        digest,
        signed: None,
        program,
    })
}

/// Whether a folder says that it is a package. A manifest that cannot be read is looked at by those
/// who say what is wrong with it.
fn is_package(path: &Path) -> bool {
    path.join(layout::SIGNATURE_FILE).symlink_metadata().is_ok()
        || Manifest::read(&path.join(layout::MANIFEST_FILE))
            .is_ok_and(|manifest| manifest.package.is_some())
}

fn refused_at(path: &Path) -> impl Fn(Refusal) -> PackageError + '_ {
    move |source| match source {
        Refusal::Cancelled => PackageError::Cancelled,
        source => PackageError::Refused {
            path: path.to_owned(),
            source,
        },
    }
}

fn look_at_package(path: &Path, trust: &Trust) -> Result<Taken, PackageError> {
    let verified = bllvm_package::verify(path, trust).map_err(refused_at(path))?;
    if let Some(problem) = unknown_capabilities(&verified.manifest) {
        return Err(PackageError::Capabilities {
            path: path.to_owned(),
            problem,
        });
    }
    Ok(Taken {
        origin: Origin::Package(path.to_owned()),
        digest: verified.program().sha256,
        program: path.join(verified.program().path.as_str()),
        signed: Some(SignedAs {
            publisher: verified.package.publisher.clone(),
            release_seq: verified.package.release_seq,
            digest: verified.digest,
            keys: verified.signed_by.iter().map(PublicKey::id).collect(),
        }),
        manifest: verified.manifest,
    })
}

/// Copies a module into the modules directory, all or nothing. Blocks; `cancelled` is asked often.
///
/// # Errors
/// See [`PackageError`].
pub fn take_in(
    places: &Places,
    taken: &Taken,
    trust: Option<&Trust>,
    id: Id,
    cancelled: &dyn Fn() -> bool,
) -> Result<PathBuf, PackageError> {
    let name = &taken.manifest.name;
    let target = places.module(name);
    if target.symlink_metadata().is_ok() {
        return Err(PackageError::Exists(target));
    }
    // A person may have removed the whole folder while the node ran.
    fs::create_dir_all(&places.modules_dir).map_err(io_at(&places.modules_dir))?;
    let incoming = places.modules_dir.join(format!("{INCOMING}{name}-{id}"));
    let done = copy_all(taken, trust, &incoming, cancelled).and_then(|()| {
        renameat_with(CWD, &incoming, CWD, &target, RenameFlags::NOREPLACE).map_err(|error| {
            match error {
                rustix::io::Errno::EXIST => PackageError::Exists(target.clone()),
                other => io_at(&target)(other.into()),
            }
        })?;
        sync_dir(&places.modules_dir)
    });
    if done.is_err() {
        // What stays is swept at the next start.
        let _ = fs::remove_dir_all(&incoming);
    }
    done.map(|()| target)
}

/// As [`take_in`] for a program in cargo's bin folder, unless its folder is there already.
///
/// # Errors
/// See [`PackageError`].
pub fn materialise(places: &Places, candidate: &Candidate, id: Id) -> Result<(), PackageError> {
    if places.module(&candidate.manifest.name).is_dir() {
        return Ok(());
    }
    take_in(places, &Taken::from(candidate), None, id, &|| false).map(drop)
}

pub(super) fn copy_all(
    taken: &Taken,
    trust: Option<&Trust>,
    incoming: &Path,
    cancelled: &dyn Fn() -> bool,
) -> Result<(), PackageError> {
    // Left over from a crash under the same operation.
    let _ = fs::remove_dir_all(incoming);
    fs::create_dir(incoming).map_err(io_at(incoming))?;
    match &taken.origin {
        Origin::Package(folder) => {
            let (Some(trust), Some(signed)) = (trust, &taken.signed) else {
                return Err(refused_at(folder)(Refusal::SignatureMissing));
            };
            return copy_package(folder, trust, signed, incoming, cancelled);
        }
        Origin::Folder(folder) => copy_companions(taken, folder, incoming)?,
        Origin::Program(program) => {
            let bytes = embedded::read_bytes(program).map_err(|source| PackageError::Embedded {
                path: program.clone(),
                source,
            })?;
            write(&incoming.join(layout::MANIFEST_FILE), &bytes, 0o644)?;
        }
    }
    let program = incoming.join(&taken.manifest.entry_point);
    let found = copy(&taken.program, &program, 0o755, cancelled)?;
    if found != taken.digest {
        return Err(PackageError::Changed {
            expected: taken.digest,
            found,
        });
    }
    sync_dir(incoming)
}

/// Checked once more while it is copied: what arrives is what was signed, whatever happened to the
/// folder since it was looked at.
fn copy_package(
    folder: &Path,
    trust: &Trust,
    signed: &SignedAs,
    incoming: &Path,
    cancelled: &dyn Fn() -> bool,
) -> Result<(), PackageError> {
    let verified = bllvm_package::verify(folder, trust).map_err(refused_at(folder))?;
    if verified.digest != signed.digest {
        return Err(PackageError::Changed {
            expected: signed.digest,
            found: verified.digest,
        });
    }
    let mut folders = BTreeSet::from([incoming.to_owned()]);
    for file in &verified.package.files {
        let path = incoming.join(file.path.as_str());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io_at(parent))?;
            let own = parent.ancestors().take_while(|one| *one != incoming);
            folders.extend(own.map(Path::to_owned));
        }
        let is_program = file.path == verified.program().path;
        let mut target = create(&path, if is_program { 0o755 } else { 0o644 })?;
        verified
            .copy(file, &mut target, cancelled)
            .map_err(refused_at(folder))?;
        target.sync_all().map_err(io_at(&path))?;
    }
    let own = [
        (layout::MANIFEST_FILE, &verified.manifest_bytes),
        (layout::SIGNATURE_FILE, &verified.signature_bytes),
    ];
    for (name, bytes) in own {
        write(&incoming.join(name), bytes, 0o644)?;
    }
    folders.iter().try_for_each(|folder| sync_dir(folder))
}

/// Everything beside the program: manifest, schema, configuration, README, licence.
fn copy_companions(taken: &Taken, folder: &Path, incoming: &Path) -> Result<(), PackageError> {
    let manifest = folder.join(layout::MANIFEST_FILE);
    let bytes = Manifest::read_bytes(&manifest).map_err(|source| PackageError::Manifest {
        path: manifest.clone(),
        source,
    })?;
    write(&incoming.join(layout::MANIFEST_FILE), &bytes, 0o644)?;
    if let Some(config) = &taken.manifest.config {
        let schema = Path::new(config.schema.as_str());
        if let Some(parent) = schema.parent() {
            fs::create_dir_all(incoming.join(parent)).map_err(io_at(incoming))?;
        }
        copy_small(&folder.join(schema), &incoming.join(schema), 0o644)?;
        for part in schema.ancestors().skip(1) {
            sync_dir(&incoming.join(part))?;
        }
    }
    for entry in fs::read_dir(folder).map_err(io_at(folder))?.flatten() {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let mode = match &*text {
            layout::CONFIG_FILE => 0o600,
            layout::SIGNATURE_FILE => 0o644,
            other if other.starts_with("README") || other.starts_with("LICENSE") => 0o644,
            _ => continue,
        };
        let plain = entry
            .metadata()
            .is_ok_and(|found| found.is_file() && found.len() <= MAX_COMPANION_BYTES);
        if plain {
            copy_small(&entry.path(), &incoming.join(&name), mode)?;
        }
    }
    Ok(())
}

fn copy_small(from: &Path, to: &Path, mode: u32) -> Result<(), PackageError> {
    let bytes = read_bounded(from, MAX_COMPANION_BYTES).map_err(|error| PackageError::Io {
        path: from.to_owned(),
        source: io::Error::other(error),
    })?;
    write(to, &bytes, mode)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), PackageError> {
    let mut file = create(path, mode)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(io_at(path))
}

fn create(path: &Path, mode: u32) -> Result<File, PackageError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    options.open(path).map_err(io_at(path))
}

pub(super) fn copy(
    from: &Path,
    to: &Path,
    mode: u32,
    cancelled: &dyn Fn() -> bool,
) -> Result<Digest, PackageError> {
    let mut source = File::open(from).map_err(io_at(from))?;
    let mut target = create(to, mode)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        if cancelled() {
            return Err(PackageError::Cancelled);
        }
        let count = source.read(&mut buffer).map_err(io_at(from))?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        target.write_all(&buffer[..count]).map_err(io_at(to))?;
    }
    target.sync_all().map_err(io_at(to))?;
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

pub(super) fn sync_dir(dir: &Path) -> Result<(), PackageError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(io_at(dir))
}

/// Moves a module's folder into the trash, and its data where it shall go. Gives where the folder is
/// now, and the data, which the caller deletes after its commit. Blocks.
///
/// # Errors
/// See [`PackageError`].
pub fn put_away(
    places: &Places,
    name: &ModuleName,
    id: Id,
    with_data: bool,
) -> Result<(Option<PathBuf>, Option<PathBuf>), PackageError> {
    let trash = places.trash();
    fs::create_dir_all(&trash).map_err(io_at(&trash))?;
    let folder = move_to(
        &places.module(name),
        &trash.join(format!("{name}-{id}")),
        // Another file system than the data directory's: a hidden name beside it does, too.
        &places.modules_dir.join(format!(".trash-{name}-{id}")),
    )?;
    let data = if with_data {
        let data = places.data(name);
        let hidden = format!(".trash-{name}-{id}");
        let beside = data.with_file_name(hidden);
        move_to(&data, &trash.join(format!("{name}-{id}.data")), &beside)?
    } else {
        None
    };
    sync_dir(&trash)?;
    Ok((folder, data))
}

fn move_to(from: &Path, to: &Path, otherwise: &Path) -> Result<Option<PathBuf>, PackageError> {
    let moved = match fs::rename(from, to) {
        Ok(()) => to,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            fs::rename(from, otherwise).map_err(io_at(from))?;
            otherwise
        }
        Err(error) => return Err(io_at(from)(error)),
    };
    if let Some(parent) = from.parent() {
        sync_dir(parent)?;
    }
    Ok(Some(moved.to_owned()))
}

/// Makes the modules directory and removes what a crash left half-done. Blocks.
///
/// # Errors
/// Where the directory cannot be made or read.
pub fn sweep(places: &Places) -> Result<(), PackageError> {
    let dir = &places.modules_dir;
    fs::create_dir_all(dir).map_err(io_at(dir))?;
    for entry in fs::read_dir(dir).map_err(io_at(dir))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(INCOMING) {
            fs::remove_dir_all(entry.path()).map_err(io_at(&entry.path()))?;
        }
    }
    // Data that an operator wanted gone, and whose deletion was cut short.
    for entry in fs::read_dir(places.trash()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().ends_with(".data") {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}
