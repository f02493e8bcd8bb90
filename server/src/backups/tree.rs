//! Copies a module's data aside, without what its manifest excludes.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, lchown, symlink};
use std::path::Path;

use bllvm_manifest::RelativePath;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::BackupError;
use super::error::at;

/// How a module's data came into a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// Copied while the module stood still.
    Stopped,
    /// Copied as it was; its manifest says that this may be done while it runs.
    Copied,
    /// Left out, as its manifest says.
    LeftOut,
}

impl Kept {
    /// In words.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Stopped => "copied while it stood still",
            Self::Copied => "copied while it might write",
            Self::LeftOut => "left out",
        }
    }
}

/// Copies folders, files and links with their owners and modes; what is none of these is left out, and
/// so is what is excluded. What vanishes meanwhile was not wanted any more. Blocks.
///
/// # Errors
/// See [`BackupError`].
pub fn copy_data(
    from: &Path,
    to: &Path,
    excluded: &[RelativePath],
    cancelled: &dyn Fn() -> bool,
) -> Result<(), BackupError> {
    if !from.is_dir() {
        return Ok(());
    }
    let copy = Copy {
        root: from,
        excluded,
        cancelled,
    };
    copy.folder(from, to)
}

struct Copy<'a> {
    root: &'a Path,
    excluded: &'a [RelativePath],
    cancelled: &'a dyn Fn() -> bool,
}

impl Copy<'_> {
    fn folder(&self, from: &Path, to: &Path) -> Result<(), BackupError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(to);
        made.map_err(at(to))?;
        let Some(entries) = unless_gone(fs::read_dir(from)).map_err(at(from))? else {
            return Ok(());
        };
        for entry in entries {
            if (self.cancelled)() {
                return Err(BackupError::Cancelled);
            }
            let entry = entry.map_err(at(from))?;
            let (path, target) = (entry.path(), to.join(entry.file_name()));
            if !self.is_excluded(&path) {
                self.one(&path, &target)?;
            }
        }
        alike(from, to)
    }

    fn one(&self, from: &Path, to: &Path) -> Result<(), BackupError> {
        let Some(found) = unless_gone(fs::symlink_metadata(from)).map_err(at(from))? else {
            return Ok(());
        };
        if found.is_dir() {
            return self.folder(from, to);
        }
        if found.is_symlink() {
            if let Some(led) = unless_gone(fs::read_link(from)).map_err(at(from))? {
                symlink(led, to).map_err(at(to))?;
                lchown_like(&found, to)?;
            }
        } else if found.is_file() && unless_gone(fs::copy(from, to)).map_err(at(from))?.is_some() {
            lchown_like(&found, to)?;
        }
        Ok(())
    }

    fn is_excluded(&self, path: &Path) -> bool {
        let inside = path.strip_prefix(self.root).unwrap_or(path);
        self.excluded
            .iter()
            .any(|excluded| inside == Path::new(excluded.as_str()))
    }
}

fn alike(from: &Path, to: &Path) -> Result<(), BackupError> {
    let Some(found) = unless_gone(fs::symlink_metadata(from)).map_err(at(from))? else {
        return Ok(());
    };
    fs::set_permissions(to, found.permissions()).map_err(at(to))?;
    lchown_like(&found, to)
}

fn lchown_like(found: &fs::Metadata, to: &Path) -> Result<(), BackupError> {
    let own = fs::symlink_metadata(to).map_err(at(to))?;
    if (own.uid(), own.gid()) == (found.uid(), found.gid()) {
        return Ok(());
    }
    lchown(to, Some(found.uid()), Some(found.gid())).map_err(at(to))
}

fn unless_gone<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
