//! The store of versions: each lies in a folder that is named by the digest of all its files, and is
//! never changed. A version is put in place by one exchange of folders, so that a crash leaves the
//! old one or the new one there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bllvm_manifest::{Digest, Manifest, ModuleName, layout};
use bllvm_package::Trust;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::folder::{INCOMING, copy, copy_all, io_at, sync_dir};
use super::{PackageError, Places, Taken, look_at};
use crate::model::Id;

/// What the key of a version begins with, so that it is no other digest.
const TAG: &str = "bllvm-version-v1\n";
/// A module's folders are not deeper.
const MAX_DEPTH: usize = 16;

impl Places {
    /// Where versions are kept.
    pub fn versions(&self) -> PathBuf {
        self.data_dir.join("store").join("sha256")
    }

    /// A kept version's folder.
    pub fn version(&self, key: Digest) -> PathBuf {
        self.versions().join(key.to_hex())
    }
}

/// Keeps a version that is not in place yet, and gives its key. Blocks; `cancelled` is asked often.
///
/// # Errors
/// See [`PackageError`].
pub fn keep(
    places: &Places,
    taken: &Taken,
    trust: Option<&Trust>,
    id: Id,
    cancelled: &dyn Fn() -> bool,
) -> Result<Digest, PackageError> {
    let versions = places.versions();
    fs::create_dir_all(&versions).map_err(io_at(&versions))?;
    let incoming = versions.join(format!("{INCOMING}{id}"));
    let kept = copy_all(taken, trust, &incoming, cancelled)
        .and_then(|()| without_configuration(&incoming))
        .and_then(|()| settle(places, &incoming));
    if kept.is_err() {
        // What stays is swept at the next start.
        let _ = fs::remove_dir_all(&incoming);
    }
    kept
}

/// Keeps the version that is in place. Blocks.
///
/// # Errors
/// See [`PackageError`].
pub fn keep_installed(
    places: &Places,
    name: &ModuleName,
    id: Id,
    cancelled: &dyn Fn() -> bool,
) -> Result<Digest, PackageError> {
    let versions = places.versions();
    fs::create_dir_all(&versions).map_err(io_at(&versions))?;
    let incoming = versions.join(format!("{INCOMING}{id}"));
    let kept =
        copy_installed(places, name, &incoming, cancelled).and_then(|()| settle(places, &incoming));
    if kept.is_err() {
        let _ = fs::remove_dir_all(&incoming);
    }
    kept
}

/// Copies the version that is in place, without its configuration, to a new folder. Blocks.
///
/// # Errors
/// See [`PackageError`].
pub fn copy_installed(
    places: &Places,
    name: &ModuleName,
    to: &Path,
    cancelled: &dyn Fn() -> bool,
) -> Result<(), PackageError> {
    let folder = places.module(name);
    let read = Manifest::read(&folder.join(layout::MANIFEST_FILE));
    let package = read.ok().and_then(|manifest| manifest.package);
    let Some(package) = package else {
        let taken = look_at(&folder, None)?;
        return copy_all(&taken, None, to, cancelled).and_then(|()| without_configuration(to));
    };
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).map_err(io_at(to))?;
    let own = [layout::MANIFEST_FILE, layout::SIGNATURE_FILE];
    let listed = package.files.iter().map(|file| file.path.as_str());
    let mut all: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in own.into_iter().chain(listed) {
        all.insert(path.to_owned(), folder.join(path));
    }
    copy_files(&all, to, cancelled)
}

/// A module's configuration belongs to the module, not to a version.
fn without_configuration(folder: &Path) -> Result<(), PackageError> {
    match fs::remove_file(folder.join(layout::CONFIG_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_at(folder)(error)),
        _ => sync_dir(folder),
    }
}

/// Gives a whole folder its name in the store.
fn settle(places: &Places, incoming: &Path) -> Result<Digest, PackageError> {
    let key = key_of(incoming)?;
    let target = places.version(key);
    if target.is_dir() && key_of(&target).is_ok_and(|found| found == key) {
        fs::remove_dir_all(incoming).map_err(io_at(incoming))?;
        return Ok(key);
    }
    // One that somebody changed is no version any more.
    let _ = fs::remove_dir_all(&target);
    fs::rename(incoming, &target).map_err(io_at(&target))?;
    sync_dir(&places.versions())?;
    Ok(key)
}

/// Puts a kept version in the place of the one that is there; the configuration stays. Blocks.
///
/// # Errors
/// See [`PackageError`]; the old version is in place then.
pub fn put_in_place(
    places: &Places,
    name: &ModuleName,
    key: Digest,
    id: Id,
    cancelled: &dyn Fn() -> bool,
) -> Result<(), PackageError> {
    let (source, target) = (places.version(key), places.module(name));
    let incoming = places.modules_dir.join(format!("{INCOMING}{name}-{id}"));
    let _ = fs::remove_dir_all(&incoming);
    fs::create_dir(&incoming).map_err(io_at(&incoming))?;
    let prepared = (|| {
        copy_files(&files_of(&source)?, &incoming, cancelled)?;
        let found = key_of(&incoming)?;
        if found != key {
            return Err(PackageError::Changed {
                expected: key,
                found,
            });
        }
        let config = target.join(layout::CONFIG_FILE);
        if config.is_file() {
            copy(
                &config,
                &incoming.join(layout::CONFIG_FILE),
                0o600,
                cancelled,
            )?;
        }
        sync_dir(&incoming)
    })();
    let exchanged = prepared.and_then(|()| {
        renameat_with(CWD, &incoming, CWD, &target, RenameFlags::EXCHANGE)
            .map_err(|error| io_at(&target)(error.into()))?;
        sync_dir(&places.modules_dir)
    });
    // After the exchange this is the old version, which the store keeps.
    let _ = fs::remove_dir_all(&incoming);
    exchanged
}

/// Which version is in place, as far as its files tell; none where it is like no kept one.
pub fn is_in_place(places: &Places, name: &ModuleName, key: Digest) -> bool {
    let Ok(wanted) = files_of(&places.version(key)) else {
        return false;
    };
    let folder = places.module(name);
    wanted.iter().all(|(path, kept)| {
        let digest = |path: &Path| File::open(path).and_then(Digest::of_reader).ok();
        let there = digest(&folder.join(path));
        there.is_some() && there == digest(kept)
    })
}

/// Removes versions that no module needs any more, and what a crash left half-done. Blocks.
///
/// # Errors
/// Where the store cannot be read.
pub fn sweep_versions(places: &Places, used: &BTreeSet<Digest>) -> Result<(), PackageError> {
    let versions = places.versions();
    let keep: BTreeSet<String> = used.iter().map(Digest::to_hex).collect();
    let entries = match fs::read_dir(&versions) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io_at(&versions))?,
    };
    for entry in entries.flatten() {
        if !keep.contains(&*entry.file_name().to_string_lossy()) {
            fs::remove_dir_all(entry.path()).map_err(io_at(&entry.path()))?;
        }
    }
    Ok(())
}

/// The digest of all files of a folder but the configuration: names, contents, and which of them
/// are programs.
fn key_of(folder: &Path) -> Result<Digest, PackageError> {
    let mut text = TAG.to_owned();
    for (name, path) in files_of(folder)? {
        if name == layout::CONFIG_FILE {
            continue;
        }
        let file = File::open(&path).map_err(io_at(&path))?;
        let runs = file.metadata().map_err(io_at(&path))?.mode() & 0o111 != 0;
        let digest = Digest::of_reader(file).map_err(io_at(&path))?;
        // A name with a line break would be another list.
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{digest} {} {name:?}", u8::from(runs));
    }
    Ok(Digest::of(&text))
}

/// Every plain file below a folder, by its name there. Anything else has no place in a version.
fn files_of(folder: &Path) -> Result<BTreeMap<String, PathBuf>, PackageError> {
    let mut found = BTreeMap::new();
    let mut open = vec![(String::new(), folder.to_owned(), 0)];
    while let Some((prefix, dir, depth)) = open.pop() {
        for entry in fs::read_dir(&dir).map_err(io_at(&dir))? {
            let entry = entry.map_err(io_at(&dir))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().map_err(io_at(&dir))?;
            if kind.is_dir() && depth < MAX_DEPTH {
                open.push((format!("{name}/"), entry.path(), depth + 1));
            } else if kind.is_file() {
                found.insert(name, entry.path());
            } else {
                let odd = io::Error::other("neither a file nor a folder");
                return Err(io_at(&entry.path())(odd));
            }
        }
    }
    Ok(found)
}

fn copy_files(
    files: &BTreeMap<String, PathBuf>,
    to: &Path,
    cancelled: &dyn Fn() -> bool,
) -> Result<(), PackageError> {
    let mut folders = BTreeSet::from([to.to_owned()]);
    for (name, from) in files {
        let path = to.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io_at(parent))?;
            let own = parent.ancestors().take_while(|one| *one != to);
            folders.extend(own.map(Path::to_owned));
        }
        let mode = fs::metadata(from)
            .map_err(io_at(from))?
            .permissions()
            .mode();
        let mode = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
        copy(from, &path, mode, cancelled)?;
    }
    folders.iter().try_for_each(|folder| sync_dir(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        dir: tempfile::TempDir,
        places: Places,
        name: ModuleName,
        id: Id,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let places = Places {
                modules_dir: dir.path().join("modules"),
                data_dir: dir.path().to_owned(),
                cargo_bins: Vec::new(),
            };
            fs::create_dir(&places.modules_dir).unwrap();
            let world = Self {
                dir,
                places,
                name: "m".parse().unwrap(),
                id: Id(ulid::Ulid::from_parts(1, 1)),
            };
            Self::write(&world.places.module(&world.name), "1.0.0", b"one");
            world
        }

        fn write(folder: &Path, version: &str, program: &[u8]) {
            fs::create_dir_all(folder).unwrap();
            let manifest = format!("name = \"m\"\nversion = \"{version}\"\nentry_point = \"m\"\n");
            fs::write(folder.join("module.toml"), manifest).unwrap();
            fs::write(folder.join("m"), program).unwrap();
            fs::set_permissions(folder.join("m"), fs::Permissions::from_mode(0o755)).unwrap();
        }

        fn other(&self) -> Taken {
            let folder = self.dir.path().join("new");
            Self::write(&folder, "2.0.0", b"two");
            fs::write(folder.join("config.toml"), "theirs = 1\n").unwrap();
            look_at(&folder, None).unwrap()
        }

        fn program(&self) -> Vec<u8> {
            fs::read(self.places.module(&self.name).join("m")).unwrap()
        }
    }

    #[test]
    fn versions_change_places_and_the_configuration_stays() {
        let world = World::new();
        let (places, name) = (&world.places, &world.name);
        let config = places.module(name).join("config.toml");
        fs::write(&config, "mine = 1\n").unwrap();
        let never = || false;
        let old = keep_installed(places, name, world.id, &never).unwrap();
        let new = keep(places, &world.other(), None, world.id, &never).unwrap();
        assert_ne!(old, new);
        assert!(is_in_place(places, name, old) && !is_in_place(places, name, new));

        put_in_place(places, name, new, world.id, &never).unwrap();
        assert_eq!(world.program(), b"two");
        assert_eq!(fs::read(&config).unwrap(), b"mine = 1\n");
        assert!(is_in_place(places, name, new) && !is_in_place(places, name, old));

        put_in_place(places, name, old, world.id, &never).unwrap();
        assert_eq!(world.program(), b"one");
        let again = keep_installed(places, name, world.id, &never).unwrap();
        assert_eq!(again, old, "the same files have the same key");

        sweep_versions(places, &BTreeSet::from([old])).unwrap();
        assert!(places.version(old).is_dir() && !places.version(new).exists());
        assert_eq!(fs::read_dir(&places.modules_dir).unwrap().count(), 1);
    }

    #[test]
    fn a_kept_version_that_somebody_changed_is_not_put_in_place() {
        let world = World::new();
        let never = || false;
        let new = keep(&world.places, &world.other(), None, world.id, &never).unwrap();
        fs::write(world.places.version(new).join("m"), b"evil").unwrap();
        let refused = put_in_place(&world.places, &world.name, new, world.id, &never);
        assert!(matches!(refused, Err(PackageError::Changed { .. })));
        assert_eq!(world.program(), b"one");
        // Taken in once more, it is whole again.
        assert_eq!(
            keep(&world.places, &world.other(), None, world.id, &never).unwrap(),
            new
        );
        put_in_place(&world.places, &world.name, new, world.id, &never).unwrap();
        assert_eq!(world.program(), b"two");
    }
}
