//! A package, copied to this machine: file by file, each from where it broke off, each checked.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use bllvm_manifest::{Digest, RelativePath, layout};
use bllvm_package::{Listed, MAX_PACKAGE_BYTES, MAX_SIGNATURE_BYTES, check_listing};
use tokio::fs;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _, SeekFrom};

use crate::error::at;
use crate::source::{Part, signed};
use crate::{RegistryError, Source, manifest_of};

/// Copies a release into a folder, which is a package then. `moved` hears how many bytes of how many
/// are there. Dropped in the middle, it can be called again and goes on.
///
/// # Errors
/// Where no place has a file, or all have another than the listed one.
pub async fn download(
    sources: &[Source],
    listed: &Listed,
    folder: &Path,
    moved: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<(), RegistryError> {
    let (manifest, bytes) = manifest_of(sources, listed).await?;
    let place = |file: &str| format!("{}/{file}", listed.path);
    let package = manifest.package.ok_or_else(|| RegistryError::Manifest {
        path: place(layout::MANIFEST_FILE),
        why: "it has no [package], so that it is no package".to_owned(),
    })?;
    check_listing(&package)?;
    let sizes = package.files.iter().map(|file| file.size);
    let total = sizes.fold(0_u64, u64::saturating_add);
    if total > MAX_PACKAGE_BYTES {
        return Err(RegistryError::TooLarge {
            path: listed.path.clone(),
            limit: MAX_PACKAGE_BYTES,
        });
    }
    fs::create_dir_all(folder).await.map_err(at(folder))?;
    let done = AtomicU64::new(0);
    let heard = |change: i64| {
        let add = change.unsigned_abs();
        let now = if change < 0 {
            done.fetch_sub(add, Ordering::Relaxed).saturating_sub(add)
        } else {
            done.fetch_add(add, Ordering::Relaxed).saturating_add(add)
        };
        moved(now, total);
    };
    let programs = layout::candidates(Path::new(""), &manifest.entry_point);
    for file in &package.files {
        let path: &RelativePath = &file.path;
        let target = folder.join(path.as_str());
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).await.map_err(at(parent))?;
        }
        let from = place(path.as_str());
        copy(sources, &from, &target, (file.size, file.sha256), &heard).await?;
        // No registry tells of rights; a folder that is taken as unsigned needs its program's.
        if programs.iter().any(|one| one == Path::new(path.as_str())) {
            let runs = std::fs::Permissions::from_mode(0o755);
            fs::set_permissions(&target, runs)
                .await
                .map_err(at(&target))?;
        }
    }
    let signature = place(layout::SIGNATURE_FILE);
    let signature = first(sources, &signature, MAX_SIGNATURE_BYTES as u64).await?;
    write_whole(&folder.join(layout::SIGNATURE_FILE), &signature).await?;
    // Last: with it, the package is whole.
    write_whole(&folder.join(layout::MANIFEST_FILE), &bytes).await
}

/// Copies one file. As long as something comes, it goes on, from one place after the other; what is
/// whole and does not fit begins anew once.
async fn copy(
    sources: &[Source],
    from: &str,
    to: &Path,
    (size, digest): (u64, Digest),
    heard: &(dyn Fn(i64) + Send + Sync),
) -> Result<(), RegistryError> {
    let mut part = Part {
        file: open_part(to).await?,
        path: to,
        have: 0,
        size,
        moved: heard,
    };
    part.have = part.file.metadata().await.map_err(at(to))?.len();
    heard(signed(part.have));
    if part.have > size {
        part.begin_anew().await?;
    }
    let mut began_anew = false;
    loop {
        let before = part.have;
        let mut failed = None;
        let mut wrong = false;
        for source in sources {
            part.file
                .seek(SeekFrom::Start(part.have))
                .await
                .map_err(at(to))?;
            let came = if part.have < size {
                source.append(from, &mut part).await
            } else {
                Ok(())
            };
            part.file.flush().await.map_err(at(to))?;
            if let Err(error) = came {
                failed = failed.or(Some(error));
                continue;
            }
            part.file.sync_all().await.map_err(at(to))?;
            let found = digest_of(to).await?;
            if found == digest && part.have == size {
                return Ok(());
            }
            part.begin_anew().await?;
            wrong = true;
            failed = Some(RegistryError::FileDigest {
                path: from.to_owned(),
                expected: digest,
                found,
            });
        }
        let error = failed.unwrap_or(RegistryError::NoSource);
        let goes_on = error.broke_off() && part.have > before;
        if !goes_on && (!wrong || began_anew) {
            return Err(error);
        }
        began_anew |= wrong;
    }
}

async fn open_part(path: &Path) -> Result<fs::File, RegistryError> {
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    options.open(path).await.map_err(at(path))
}

async fn digest_of(path: &Path) -> Result<Digest, RegistryError> {
    let own = path.to_owned();
    let read =
        tokio::task::spawn_blocking(move || std::fs::File::open(own).and_then(Digest::of_reader));
    read.await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(at(path))
}

async fn first(sources: &[Source], path: &str, limit: u64) -> Result<Vec<u8>, RegistryError> {
    let mut first = None;
    for source in sources {
        match source.read(path, limit).await {
            Ok(bytes) => return Ok(bytes),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or(RegistryError::NoSource))
}

async fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = std::path::PathBuf::from(name);
    let mut file = fs::File::create(&beside).await.map_err(at(&beside))?;
    file.write_all(bytes).await.map_err(at(&beside))?;
    file.sync_all().await.map_err(at(&beside))?;
    fs::rename(&beside, path).await.map_err(at(path))
}
