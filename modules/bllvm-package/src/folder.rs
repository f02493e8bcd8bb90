//! Looking into a folder that a stranger filled: no link is followed, no pipe is waited for, and
//! what was looked at stays the same folder even if its name is given to another.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;

use crate::Refusal;

/// More files and folders than this are not looked at.
const MAX_ENTRIES: usize = 1024;
/// As a path in a manifest may have.
const MAX_DEPTH: usize = 16;

const LOOK: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    // A pipe would wait for its writer.
    .union(OFlags::NONBLOCK);

/// A folder, held open.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens a folder.
    ///
    /// # Errors
    /// Where it is none, or a link.
    pub fn open(path: &Path) -> Result<Self, Refusal> {
        let opened = openat(
            rustix::fs::CWD,
            path,
            LOOK | OFlags::DIRECTORY,
            Mode::empty(),
        );
        let fd = opened.map_err(|error| match error {
            Errno::LOOP | Errno::NOTDIR => Refusal::NotAFolder {
                path: path.to_owned(),
            },
            other => io(path, other),
        })?;
        Ok(Self {
            fd,
            path: path.to_owned(),
        })
    }

    /// Where it was when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every file in it, at any depth, by its path with `/`.
    ///
    /// # Errors
    /// Where anything in it is neither file nor folder, or there is more than any package has.
    pub fn files(&self) -> Result<BTreeSet<String>, Refusal> {
        let mut files = BTreeSet::new();
        let mut entries = 0;
        self.walk(&self.fd, "", 0, &mut entries, &mut files)?;
        Ok(files)
    }

    fn walk(
        &self,
        fd: &OwnedFd,
        prefix: &str,
        depth: usize,
        entries: &mut usize,
        files: &mut BTreeSet<String>,
    ) -> Result<(), Refusal> {
        let path = self.path.join(prefix);
        for entry in Dir::read_from(fd).map_err(|error| io(&path, error))? {
            let entry = entry.map_err(|error| io(&path, error))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            *entries += 1;
            if *entries > MAX_ENTRIES || depth >= MAX_DEPTH {
                return Err(Refusal::TooManyFiles {
                    limit: MAX_ENTRIES,
                    depth: MAX_DEPTH,
                });
            }
            let Ok(name) = std::str::from_utf8(name) else {
                return Err(Refusal::PathForbidden {
                    path: String::from_utf8_lossy(name).escape_debug().to_string(),
                    reason: "it is not UTF-8",
                });
            };
            let relative = format!("{prefix}{name}");
            let found = statat(fd, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| io(&self.path.join(&relative), error))?;
            match FileType::from_raw_mode(found.st_mode) {
                FileType::RegularFile => drop(files.insert(relative)),
                FileType::Directory => {
                    let inner = openat(fd, name, LOOK | OFlags::DIRECTORY, Mode::empty())
                        .map_err(|error| self.refused(&relative, error))?;
                    self.walk(&inner, &format!("{relative}/"), depth + 1, entries, files)?;
                }
                FileType::Symlink => return Err(Refusal::Link { path: relative }),
                _ => return Err(Refusal::SpecialFile { path: relative }),
            }
        }
        Ok(())
    }

    /// Opens a regular file in it; no part of its path may be a link.
    ///
    /// # Errors
    /// Where it is missing, a link, or anything but a file.
    pub fn open_file(&self, path: &str) -> Result<File, Refusal> {
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut inner: Option<OwnedFd> = None;
        for part in parents.split('/').filter(|part| !part.is_empty()) {
            let at = inner.as_ref().unwrap_or(&self.fd);
            let next = openat(at, part, LOOK | OFlags::DIRECTORY, Mode::empty())
                .map_err(|error| self.refused(path, error))?;
            inner = Some(next);
        }
        let at = inner.as_ref().unwrap_or(&self.fd);
        let fd = openat(at.as_fd(), name, LOOK, Mode::empty())
            .map_err(|error| self.refused(path, error))?;
        let found = fstat(&fd).map_err(|error| self.refused(path, error))?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Ok(File::from(fd)),
            _ => Err(Refusal::SpecialFile {
                path: path.to_owned(),
            }),
        }
    }

    /// Reads a small file; `None` where there is more than `limit`.
    pub(crate) fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, Refusal> {
        let mut bytes = Vec::new();
        let file = self.open_file(path)?;
        file.take(limit as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| Refusal::Io {
                path: self.path.join(path),
                source,
            })?;
        Ok((bytes.len() <= limit).then_some(bytes))
    }

    fn refused(&self, path: &str, error: Errno) -> Refusal {
        let named = path.to_owned();
        match error {
            Errno::NOENT => Refusal::FileMissing { path: named },
            // Without following, a link answers LOOP; where a folder was wanted, NOTDIR.
            Errno::LOOP | Errno::NOTDIR => Refusal::Link { path: named },
            // A socket cannot be opened at all.
            Errno::NXIO => Refusal::SpecialFile { path: named },
            other => io(&self.path.join(path), other),
        }
    }
}

fn io(path: &Path, error: Errno) -> Refusal {
    Refusal::Io {
        path: path.to_owned(),
        source: error.into(),
    }
}
