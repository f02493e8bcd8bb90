//! Reads an archive to its end, believing nothing: whoever has the public key can make one.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tar::{Archive, Entry, EntryType};

use super::archive::{CONTENTS, FORMAT, HEADER, Listed, MEMBER_DATA};
use super::error::at;
use super::keys::Payload;
use super::{BackupError, Header, Opener};
use crate::store::newest_migration;

const MAX_HEADER: u64 = 4 << 20;
const MAX_CONTENTS: u64 = 256 << 20;
/// Only what modules wrote belongs to modules' users.
const OWNED_BY_MODULES: [&str; 2] = ["module-data", "snapshots"];

/// A backup that was read to its end, every file of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// What it says of itself.
    pub header: Header,
    /// Files in it.
    pub files: u64,
    /// Bytes of these.
    pub bytes: u64,
}

/// Reads a whole backup and compares each file with its digest. Blocks.
///
/// # Errors
/// See [`BackupError`].
pub fn verify(path: &Path, opener: &Opener) -> Result<Verified, BackupError> {
    read_all(path, opener, None)
}

/// Reads a whole backup; where a folder is given, which must be new and empty, the data goes there.
pub(super) fn read_all(
    path: &Path,
    opener: &Opener,
    into: Option<&Path>,
) -> Result<Verified, BackupError> {
    let mut archive = Archive::new(opener.open(path)?);
    let mut reading = Reading {
        path,
        into,
        kinds: BTreeMap::new(),
        listed: Vec::new(),
        links: Vec::new(),
        modes: Vec::new(),
        files: 0,
        bytes: 0,
    };
    let mut header = None;
    let mut is_whole = false;
    for entry in archive.entries().map_err(|error| broken(path, &error))? {
        let mut entry = entry.map_err(|error| match (&header, error.kind()) {
            // Decrypted well, and no archive.
            (None, io::ErrorKind::Other) => BackupError::NotABackup {
                path: path.to_owned(),
                why: error.to_string(),
            },
            _ => broken(path, &error),
        })?;
        let name = PathBuf::from(OsStr::from_bytes(&entry.path_bytes()));
        if header.is_none() {
            if name != Path::new(HEADER) {
                return Err(BackupError::NotABackup {
                    path: path.to_owned(),
                    why: format!("it does not begin with {HEADER}"),
                });
            }
            header = Some(read_header(path, &mut entry)?);
        } else if is_whole {
            return Err(corrupt(path, format!("something follows {CONTENTS}")));
        } else if name == Path::new(CONTENTS) {
            reading.compare(&small(path, &mut entry, MAX_CONTENTS)?)?;
            is_whole = true;
        } else {
            reading.take(&mut entry, &name)?;
        }
    }
    // The end is checked as well as what comes before it.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(|error| broken(path, &error))?;
    let Some(header) = header.filter(|_| is_whole) else {
        return Err(BackupError::Truncated {
            path: path.to_owned(),
            why: format!("{CONTENTS} is missing, its last entry"),
        });
    };
    reading.finish()?;
    Ok(Verified {
        header,
        files: reading.files,
        bytes: reading.bytes,
    })
}

/// What every form of archive has.
#[derive(Deserialize)]
struct AnyHeader {
    format: u32,
    #[serde(default)]
    made_by: String,
}

fn read_header(path: &Path, entry: &mut Entry<'_, Payload>) -> Result<Header, BackupError> {
    let bytes = small(path, entry, MAX_HEADER)?;
    let odd = |error: serde_json::Error| BackupError::NotABackup {
        path: path.to_owned(),
        why: format!("{HEADER}: {error}"),
    };
    let any: AnyHeader = serde_json::from_slice(&bytes).map_err(odd)?;
    if any.format > FORMAT {
        return Err(BackupError::Newer {
            path: path.to_owned(),
            found: format!("{}, form {}", any.made_by, any.format),
            known: format!("form {FORMAT}"),
        });
    }
    let header: Header = serde_json::from_slice(&bytes).map_err(odd)?;
    if header.database.migration > newest_migration() {
        return Err(BackupError::Newer {
            path: path.to_owned(),
            found: format!("{}, database {}", header.made_by, header.database.migration),
            known: format!("database {}", newest_migration()),
        });
    }
    Ok(header)
}

fn small(path: &Path, entry: &mut Entry<'_, Payload>, limit: u64) -> Result<Vec<u8>, BackupError> {
    if entry.size() > limit {
        return Err(corrupt(
            path,
            format!("an entry has {} bytes", entry.size()),
        ));
    }
    let mut bytes = Vec::new();
    entry
        .read_to_end(&mut bytes)
        .map_err(|error| broken(path, &error))?;
    Ok(bytes)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Folder,
    Other,
}

struct Reading<'a> {
    path: &'a Path,
    into: Option<&'a Path>,
    kinds: BTreeMap<PathBuf, Kind>,
    listed: Vec<Listed>,
    /// Made last, so that nothing is ever written through one.
    links: Vec<(PathBuf, PathBuf, Owner)>,
    /// Folders get theirs last, so that they can be written to before.
    modes: Vec<(PathBuf, u32, Owner)>,
    files: u64,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Reading<'_> {
    fn take(&mut self, entry: &mut Entry<'_, Payload>, name: &Path) -> Result<(), BackupError> {
        let place = self.place(name)?;
        let head = entry.header();
        let odd = |error: io::Error| corrupt(self.path, error.to_string());
        let mode = head.mode().map_err(odd)? & 0o777;
        let number = |value: io::Result<u64>| {
            value
                .map_err(odd)
                .map(|id| u32::try_from(id).unwrap_or(u32::MAX))
        };
        let owner = Owner {
            uid: number(head.uid())?,
            gid: number(head.gid())?,
        };
        let mut listed = Listed {
            path: name.to_string_lossy().into_owned(),
            size: 0,
            sha256: None,
        };
        let kind = head.entry_type();
        match kind {
            EntryType::Directory => {
                if let Some(to) = self.target(&place) {
                    let made = DirBuilder::new().mode(0o700).recursive(true).create(&to);
                    made.map_err(at(&to))?;
                    self.modes.push((to, mode, owner));
                }
            }
            EntryType::Symlink => {
                let led = entry.link_name_bytes();
                let led = led.ok_or_else(|| corrupt(self.path, "a link leads nowhere"))?;
                listed.sha256 = Some(hex::encode(Sha256::digest(&led)));
                if let Some(to) = self.target(&place) {
                    let led = PathBuf::from(OsStr::from_bytes(&led));
                    self.links.push((to, led, owner));
                }
            }
            EntryType::Regular => {
                listed.size = entry.size();
                listed.sha256 = Some(self.file(entry, &place, mode, owner)?);
                self.files += 1;
                self.bytes += listed.size;
            }
            other => {
                return Err(corrupt(
                    self.path,
                    format!("`{}` is of kind {other:?}", listed.path.escape_debug()),
                ));
            }
        }
        let kind = if kind == EntryType::Directory {
            Kind::Folder
        } else {
            Kind::Other
        };
        self.kinds.insert(place, kind);
        self.listed.push(listed);
        Ok(())
    }

    /// Where an entry belongs, below the data directory: in a folder that came before it.
    fn place(&self, name: &Path) -> Result<PathBuf, BackupError> {
        let refused = |why: &str| {
            let name = name.to_string_lossy();
            corrupt(self.path, format!("`{}` {why}", name.escape_debug()))
        };
        let mut parts = name.components();
        if parts.next() != Some(Component::Normal(OsStr::new(MEMBER_DATA))) {
            return Err(refused("lies outside of the data"));
        }
        let place: PathBuf = parts.clone().collect();
        if !parts.all(|part| matches!(part, Component::Normal(_))) {
            return Err(refused("leaves the data directory"));
        }
        if self.kinds.contains_key(&place) {
            return Err(refused("comes twice"));
        }
        match place.parent() {
            Some(parent) if self.kinds.get(parent) != Some(&Kind::Folder) => {
                Err(refused("lies in no folder"))
            }
            _ => Ok(place),
        }
    }

    fn target(&self, place: &Path) -> Option<PathBuf> {
        self.into.map(|into| into.join(place))
    }

    fn file(
        &self,
        entry: &mut Entry<'_, Payload>,
        place: &Path,
        mode: u32,
        owner: Owner,
    ) -> Result<String, BackupError> {
        let mut hash = Sha256::new();
        let mut file = match self.target(place) {
            Some(to) => {
                let made = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&to);
                Some((made.map_err(at(&to))?, to))
            }
            None => None,
        };
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = entry
                .read(&mut buffer)
                .map_err(|error| broken(self.path, &error))?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            if let Some((file, to)) = &mut file {
                file.write_all(&buffer[..read]).map_err(at(&*to))?;
            }
        }
        if let Some((file, to)) = file {
            file.set_permissions(Permissions::from_mode(mode))
                .and_then(|()| file.sync_all())
                .map_err(at(&to))?;
            self.give(&to, owner)?;
        }
        Ok(hex::encode(hash.finalize()))
    }

    /// Modules' users get back what is theirs, where we may give it.
    fn give(&self, to: &Path, owner: Owner) -> Result<(), BackupError> {
        let inside = self.into.and_then(|into| to.strip_prefix(into).ok());
        let theirs = inside
            .and_then(|place| place.components().next())
            .is_some_and(|first| {
                OWNED_BY_MODULES
                    .iter()
                    .any(|name| first.as_os_str() == *name)
            });
        if theirs && rustix::process::geteuid().is_root() {
            lchown(to, Some(owner.uid), Some(owner.gid)).map_err(at(to))?;
        }
        Ok(())
    }

    /// Compares what came with what the archive says was put in.
    fn compare(&self, bytes: &[u8]) -> Result<(), BackupError> {
        let said: Vec<Listed> = serde_json::from_slice(bytes)
            .map_err(|error| corrupt(self.path, format!("{CONTENTS}: {error}")))?;
        if let Some((said, found)) = said.iter().zip(&self.listed).find(|(a, b)| a != b) {
            return Err(corrupt(
                self.path,
                format!(
                    "`{}` is not what {CONTENTS} says of `{}`",
                    found.path.escape_debug(),
                    said.path.escape_debug()
                ),
            ));
        }
        if said.len() != self.listed.len() {
            let (said, found) = (said.len(), self.listed.len());
            return Err(corrupt(
                self.path,
                format!("{CONTENTS} lists {said} entries, and {found} came"),
            ));
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BackupError> {
        for (to, led, owner) in std::mem::take(&mut self.links) {
            symlink(led, &to).map_err(at(&to))?;
            self.give(&to, owner)?;
        }
        // Deepest first: a folder that may not be entered comes after what lies in it.
        for (to, mode, owner) in std::mem::take(&mut self.modes).into_iter().rev() {
            fs::File::open(&to)
                .and_then(|folder| folder.sync_all())
                .and_then(|()| fs::set_permissions(&to, Permissions::from_mode(mode)))
                .map_err(at(&to))?;
            self.give(&to, owner)?;
        }
        Ok(())
    }
}

fn corrupt(path: &Path, why: impl Into<String>) -> BackupError {
    BackupError::Corrupt {
        path: path.to_owned(),
        why: why.into(),
    }
}

/// What reading ran into: the end, or something that does not fit.
fn broken(path: &Path, error: &io::Error) -> BackupError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return BackupError::Truncated {
            path: path.to_owned(),
            why: error.to_string(),
        };
    }
    corrupt(path, error.to_string())
}
