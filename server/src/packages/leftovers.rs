//! What nothing refers to any more: the trash, downloads that nobody went on with, logs and copies of
//! modules and versions that are gone. It is kept for a while, and then swept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bllvm_manifest::{Digest, ModuleName};

use super::Places;

/// How many letters an operation's id has.
const ID_LETTERS: usize = 26;

/// What something refers to.
#[derive(Clone, Debug, Default)]
pub struct Referred {
    /// Installed modules, each with the versions whose data may have to come back.
    pub modules: BTreeMap<ModuleName, BTreeSet<String>>,
    /// Kept versions.
    pub versions: BTreeSet<Digest>,
    /// Packages that an operation fetches.
    pub downloads: BTreeSet<Digest>,
    /// Indexes of registries.
    pub indexes: BTreeSet<Digest>,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Folders and files.
    pub entries: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Removes what nothing refers to and what has not changed its name or place for so long. Blocks.
pub fn sweep_leftovers(
    places: &Places,
    referred: &Referred,
    kept_for: Duration,
    now_ms: i64,
) -> Swept {
    let kept_ms = i64::try_from(kept_for.as_millis()).unwrap_or(i64::MAX);
    let mut swept = Swept::default();
    for path in leftovers(places, referred) {
        let Ok(found) = path.symlink_metadata() else {
            continue;
        };
        // A folder that was moved here keeps its time of change; its inode's does not stay.
        let since_ms = found.ctime().saturating_mul(1000);
        if now_ms.saturating_sub(since_ms) < kept_ms {
            continue;
        }
        let bytes = size_of(&path);
        match remove(&path) {
            Ok(()) => {
                swept.entries += 1;
                swept.bytes += bytes;
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a leftover cannot be removed");
            }
        }
    }
    swept
}

fn leftovers(places: &Places, referred: &Referred) -> Vec<PathBuf> {
    let data = &places.data_dir;
    let named =
        |set: &BTreeSet<Digest>| -> BTreeSet<String> { set.iter().map(Digest::to_hex).collect() };
    let mut found = below(&places.trash(), |_| true);
    // What could not be moved to the trash of another file system.
    let hidden = |name: &str| name.starts_with(".trash-");
    found.extend(below(&places.modules_dir, hidden));
    found.extend(below(&data.join("module-data"), hidden));
    let downloads = named(&referred.downloads);
    found.extend(below(&data.join("downloads"), |name| {
        !downloads.contains(name)
    }));
    let versions = named(&referred.versions);
    found.extend(below(&places.versions(), |name| !versions.contains(name)));
    let indexes = named(&referred.indexes);
    found.extend(below(&data.join("registries"), |name| {
        !indexes.contains(name.trim_end_matches(".json"))
    }));
    let installed = |name: &str| {
        referred
            .modules
            .iter()
            .find(|(own, _)| own.as_str() == name)
    };
    found.extend(below(&data.join("logs"), |name| installed(name).is_none()));
    for folder in below(&data.join("snapshots"), |_| true) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        match installed(&name) {
            None => found.push(folder),
            Some((_, versions)) => {
                found.extend(below(&folder, |version| !versions.contains(version)));
            }
        }
    }
    found
}

fn below(folder: &Path, is_left: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| is_left(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect()
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_dir() && !path.is_symlink() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

fn size_of(path: &Path) -> u64 {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => below(path, |_| true).iter().map(|one| size_of(one)).sum(),
        Ok(found) => found.len(),
        Err(_) => 0,
    }
}

/// Removes what of a removed module lies in the trash. Blocks.
///
/// # Errors
/// What the system says.
pub fn empty_trash_of(places: &Places, name: &ModuleName) -> std::io::Result<()> {
    let prefix = format!("{name}-");
    let is_its = |text: &str| {
        let text = text.trim_start_matches(".trash-");
        let rest = text.strip_prefix(&prefix).unwrap_or_default();
        // Another module's name may begin with this one's.
        rest.trim_end_matches(".data").len() == ID_LETTERS && !rest.contains('-')
    };
    let mut all = below(&places.trash(), is_its);
    let hidden = |text: &str| text.starts_with(".trash-") && is_its(text);
    all.extend(below(&places.modules_dir, hidden));
    all.extend(below(&places.data_dir.join("module-data"), hidden));
    all.iter().try_for_each(|path| remove(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    fn places(dir: &Path) -> Places {
        Places {
            modules_dir: dir.join("modules"),
            data_dir: dir.to_owned(),
            cargo_bins: Vec::new(),
        }
    }

    fn make(dir: &Path, paths: &[&str]) {
        for path in paths {
            fs::create_dir_all(dir.join(path)).unwrap();
            fs::write(dir.join(path).join("file"), "12345").unwrap();
        }
    }

    fn now_ms() -> i64 {
        let dir = tempfile::tempdir().unwrap();
        fs::metadata(dir.path()).unwrap().ctime() * 1000
    }

    #[test]
    fn what_something_refers_to_stays_and_the_rest_goes_when_it_is_old() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, gone) = (Digest::of("kept").to_hex(), Digest::of("gone").to_hex());
        let stays = [
            &format!("downloads/{kept}"),
            &format!("store/sha256/{kept}"),
            "logs/in",
            "snapshots/in/1.0.0",
            "module-data/out",
            "modules/in",
        ]
        .map(|path: &str| path.to_owned());
        let goes = [
            &format!("trash/in-{ID}"),
            &format!("modules/.trash-in-{ID}"),
            &format!("downloads/{gone}"),
            &format!("store/sha256/{gone}"),
            "logs/out",
            "snapshots/in/0.9.0",
            "snapshots/out",
        ]
        .map(|path: &str| path.to_owned());
        for path in stays.iter().chain(&goes) {
            make(dir.path(), &[path]);
        }
        let digests = BTreeSet::from([Digest::of("kept")]);
        let referred = Referred {
            modules: BTreeMap::from([(
                "in".parse().unwrap(),
                BTreeSet::from(["1.0.0".to_owned()]),
            )]),
            versions: digests.clone(),
            downloads: digests.clone(),
            indexes: digests,
        };
        let (places, hour) = (places(dir.path()), Duration::from_hours(1));

        let young = sweep_leftovers(&places, &referred, hour, now_ms());
        assert_eq!(young, Swept::default());
        let old = sweep_leftovers(&places, &referred, hour, now_ms() + 3_700_000);

        assert_eq!(
            (old.entries, old.bytes),
            (goes.len(), 5 * goes.len() as u64)
        );
        assert!(stays.iter().all(|path| dir.path().join(path).exists()));
        assert!(!goes.iter().any(|path| dir.path().join(path).exists()));
    }

    #[test]
    fn the_trash_of_one_module_is_emptied_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let (own, data, other) = (
            format!("trash/a-{ID}"),
            format!("trash/a-{ID}.data"),
            format!("trash/a-b-{ID}"),
        );
        make(dir.path(), &[&own, &data, &other]);
        empty_trash_of(&places(dir.path()), &"a".parse().unwrap()).unwrap();
        let left: Vec<_> = fs::read_dir(dir.path().join("trash")).unwrap().collect();
        assert_eq!(left.len(), 1);
        assert!(dir.path().join(other).exists());
    }
}
