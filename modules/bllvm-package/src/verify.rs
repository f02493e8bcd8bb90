//! Whether a folder is a package that the host may take: the one decision, without side effects.

use std::io::{Read, Write};
use std::path::Path;

use bllvm_manifest::{
    Digest, MAX_MANIFEST_BYTES, Manifest, ManifestError, Package, PackageFile, layout,
};
use sha2::{Digest as _, Sha256};

use crate::folder::Folder;
use crate::listing::{check_complete, check_listing};
use crate::signatures::{MAX_SIGNATURE_BYTES, Purpose, Signatures};
use crate::{PublicKey, Refusal, Trust};

/// All files of a package together.
pub const MAX_PACKAGE_BYTES: u64 = 2 << 30;

/// A package whose description is signed as the host demands. Its files are checked while they are
/// read, by [`Verified::check_files`] and [`Verified::copy`].
#[derive(Debug)]
pub struct Verified {
    /// What it says.
    pub manifest: Manifest,
    /// What it says about itself as a package.
    pub package: Package,
    /// The exact bytes of `module.toml`.
    pub manifest_bytes: Vec<u8>,
    /// The exact bytes of `module.sig`.
    pub signature_bytes: Vec<u8>,
    /// Digest of `module.toml`: as it lists every file with its digest, it stands for the package.
    pub digest: Digest,
    /// The keys whose signatures count.
    pub signed_by: Vec<PublicKey>,
    folder: Folder,
    program: usize,
}

/// Checks a folder: its description, who signed it, whether it is for here and not older than what
/// was here, and every byte of every file.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(path: &Path, trust: &Trust) -> Result<Verified, Refusal> {
    let verified = read(path, trust)?;
    verified.check_files(&|| false)?;
    Ok(verified)
}

/// Checks that a package which was taken in is still what it was: its `module.toml` is the one of that
/// digest, and every file that it lists is as listed. Files beside them, such as the configuration,
/// are the host's.
///
/// # Errors
/// The first file that is not as it was.
pub fn check_installed(path: &Path, digest: Digest) -> Result<(), Refusal> {
    let folder = Folder::open(path)?;
    let bytes = folder
        .read(layout::MANIFEST_FILE, MAX_MANIFEST_BYTES)?
        .unwrap_or_default();
    let found = Digest::of(&bytes);
    if found != digest {
        return Err(Refusal::ManifestChanged {
            expected: digest,
            found,
        });
    }
    let manifest = Manifest::parse_bytes(&bytes).map_err(manifest_refusal)?;
    let package = manifest.package.ok_or(Refusal::NotAPackage)?;
    package
        .files
        .iter()
        .try_for_each(|file| copy(&folder, file, &mut std::io::sink(), &|| false))
}

/// As [`verify`], without reading the files that the manifest lists.
fn read(path: &Path, trust: &Trust) -> Result<Verified, Refusal> {
    let folder = Folder::open(path)?;
    let found = folder.files()?;
    if !found.contains(layout::MANIFEST_FILE) {
        return Err(Refusal::ManifestMissing);
    }
    let manifest_bytes = folder
        .read(layout::MANIFEST_FILE, MAX_MANIFEST_BYTES)?
        .ok_or(Refusal::ManifestInvalid {
            source: ManifestError::TooLarge {
                size: MAX_MANIFEST_BYTES + 1,
                limit: MAX_MANIFEST_BYTES,
            },
        })?;
    let manifest = Manifest::parse_bytes(&manifest_bytes).map_err(manifest_refusal)?;
    let package = manifest.package.clone().ok_or(Refusal::NotAPackage)?;
    check_listing(&package)?;
    check_complete(&package, &found)?;
    let program = find_program(&manifest, &package)?;
    if !found.contains(layout::SIGNATURE_FILE) {
        return Err(Refusal::SignatureMissing);
    }
    let signature_bytes = folder
        .read(layout::SIGNATURE_FILE, MAX_SIGNATURE_BYTES)?
        .unwrap_or_else(|| vec![0; MAX_SIGNATURE_BYTES + 1]);
    let signatures = Signatures::parse(&signature_bytes)
        .map_err(|source| Refusal::SignatureMalformed { source })?;
    let signed_by = check_signatures(&package, &signatures, &manifest_bytes, trust)?;
    let digest = Digest::of(&manifest_bytes);
    check_fit(&manifest, &package, trust)?;
    check_release(&manifest, &package, digest, trust)?;
    Ok(Verified {
        manifest,
        package,
        manifest_bytes,
        signature_bytes,
        digest,
        signed_by,
        folder,
        program,
    })
}

/// A path that breaks the manifest's own rules is told apart from other mistakes.
fn manifest_refusal(source: ManifestError) -> Refusal {
    if let ManifestError::Invalid { problems } = &source
        && let Some(problem) = problems.iter().find(|problem| {
            problem.key.starts_with("package.files") && problem.key.ends_with("path")
        })
    {
        return Refusal::PathForbidden {
            path: problem.problem.clone(),
            reason: "a path lies inside the package and is spelled plainly",
        };
    }
    Refusal::ManifestInvalid { source }
}

fn find_program(manifest: &Manifest, package: &Package) -> Result<usize, Refusal> {
    let places = layout::candidates(Path::new(""), &manifest.entry_point);
    let found: Vec<usize> = (0..package.files.len())
        .filter(|at| {
            let path = Path::new(package.files[*at].path.as_str());
            places.iter().any(|place| place == path)
        })
        .collect();
    match found[..] {
        [one] => Ok(one),
        _ => Err(Refusal::ProgramNotListed {
            entry_point: manifest.entry_point.to_string(),
            found: found.len(),
        }),
    }
}

/// Distinct keys of the named publisher are counted, and only the host says which those are.
fn check_signatures(
    package: &Package,
    signatures: &Signatures,
    manifest: &[u8],
    trust: &Trust,
) -> Result<Vec<PublicKey>, Refusal> {
    let name = &package.publisher;
    let Some(publisher) = trust.publishers.get(name) else {
        return Err(Refusal::PublisherUnknown {
            publisher: name.clone(),
        });
    };
    let (good, bad) = publisher.judge(signatures, Purpose::Manifest, manifest);
    // A trusted key's wrong signature is no accident, even where enough others are right.
    if let Some(key) = bad.first() {
        return Err(Refusal::SignatureInvalid { key: *key });
    }
    if good.is_empty() {
        return Err(Refusal::KeyUnknown {
            publisher: name.clone(),
            keys: signatures.keys().collect(),
        });
    }
    if good.len() < publisher.threshold() {
        return Err(Refusal::ThresholdNotMet {
            publisher: name.clone(),
            signed: good.len(),
            threshold: publisher.threshold(),
        });
    }
    Ok(good.into_iter().collect())
}

/// Whether it is what was asked for, and can run here.
fn check_fit(manifest: &Manifest, package: &Package, trust: &Trust) -> Result<(), Refusal> {
    if let Some(expected) = &trust.name
        && *expected != manifest.name
    {
        return Err(Refusal::WrongName {
            expected: expected.clone(),
            found: manifest.name.clone(),
        });
    }
    if !runs_on(&package.target, &trust.target) {
        return Err(Refusal::WrongTarget {
            expected: trust.target.clone(),
            found: package.target.clone(),
        });
    }
    if !manifest.protocol.contains(trust.protocol) {
        return Err(Refusal::WrongProtocol {
            min: manifest.protocol.min,
            max: manifest.protocol.max,
            spoken: trust.protocol,
        });
    }
    Ok(())
}

/// A statically linked program runs beside any C library.
pub(crate) fn runs_on(target: &str, host: &str) -> bool {
    target == "any" || target == host || target.replace("-musl", "-gnu") == host
}

/// Whether it is current, and no step back.
fn check_release(
    manifest: &Manifest,
    package: &Package,
    digest: Digest,
    trust: &Trust,
) -> Result<(), Refusal> {
    let moment = trust.moment();
    if let Some(expires) = package.expires.filter(|expires| *expires <= moment) {
        return Err(Refusal::Expired { expires, moment });
    }
    let module = manifest.name.clone();
    let Some(floor) = trust.floors.get(&module) else {
        return Ok(());
    };
    if floor.publisher != package.publisher {
        return Err(Refusal::PublisherChanged {
            module,
            expected: floor.publisher.clone(),
            found: package.publisher.clone(),
        });
    }
    let found = package.release_seq;
    match found.cmp(&floor.release_seq) {
        std::cmp::Ordering::Less if floor.installed => Err(Refusal::Rollback {
            module,
            floor: floor.release_seq,
            found,
        }),
        std::cmp::Ordering::Less => Err(Refusal::BelowFloor {
            module,
            floor: floor.release_seq,
            found,
        }),
        std::cmp::Ordering::Equal if floor.digest != digest => Err(Refusal::ReleaseConflict {
            module,
            release_seq: found,
            expected: floor.digest,
            found: digest,
        }),
        _ => Ok(()),
    }
}

impl Verified {
    /// The program, or the script, among its files.
    pub fn program(&self) -> &PackageFile {
        &self.package.files[self.program]
    }

    /// Reads every listed file and compares size and digest; `cancelled` is asked often.
    ///
    /// # Errors
    /// The first file that is not what is listed.
    pub fn check_files(&self, cancelled: &dyn Fn() -> bool) -> Result<(), Refusal> {
        let size = self
            .package
            .files
            .iter()
            .fold(0_u64, |sum, file| sum.saturating_add(file.size));
        if size > MAX_PACKAGE_BYTES {
            return Err(Refusal::TooLarge {
                size,
                limit: MAX_PACKAGE_BYTES,
            });
        }
        self.package
            .files
            .iter()
            .try_for_each(|file| self.copy(file, &mut std::io::sink(), cancelled))
    }

    /// Copies one of its files while checking it. What was written of a file that is refused must
    /// not be used.
    ///
    /// # Errors
    /// Where size or digest are not as listed, or the system refuses.
    pub fn copy(
        &self,
        file: &PackageFile,
        to: &mut dyn Write,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), Refusal> {
        copy(&self.folder, file, to, cancelled)
    }
}

/// Copies a listed file while checking it.
fn copy(
    folder: &Folder,
    file: &PackageFile,
    to: &mut dyn Write,
    cancelled: &dyn Fn() -> bool,
) -> Result<(), Refusal> {
    let path = file.path.as_str();
    let io = |source| Refusal::Io {
        path: folder.path().join(path),
        source,
    };
    let source = folder.open_file(path)?;
    // One byte more than listed tells a larger file, however large it is.
    let mut source = source.take(file.size.saturating_add(1));
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    let mut size = 0;
    loop {
        if cancelled() {
            return Err(Refusal::Cancelled);
        }
        let count = source.read(&mut buffer).map_err(io)?;
        if count == 0 {
            break;
        }
        size += count as u64;
        hasher.update(&buffer[..count]);
        to.write_all(&buffer[..count]).map_err(io)?;
    }
    if size != file.size {
        return Err(Refusal::SizeMismatch {
            path: path.to_owned(),
            expected: file.size,
            found: size,
        });
    }
    let found = Digest::from_bytes(hasher.finalize().into());
    if found != file.sha256 {
        return Err(Refusal::FileChanged {
            path: path.to_owned(),
            expected: file.sha256,
            found,
        });
    }
    Ok(())
}
