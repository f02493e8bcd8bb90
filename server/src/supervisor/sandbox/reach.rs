//! What a user who is nobody to the file system can get at.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const OTHERS_READ: u32 = 0o004;
const OTHERS_ENTER: u32 = 0o001;

/// Why another user cannot reach what lies at a path; its own permissions are not looked at.
pub(super) fn closed_above(path: &Path) -> Option<String> {
    path.ancestors()
        .skip(1)
        .find(|folder| !others_may(folder, OTHERS_ENTER))
        .map(|folder| {
            format!(
                "{} is closed to other users; `chmod o+x` would let its own user in",
                folder.display()
            )
        })
}

/// Why another user cannot read a file, or execute it where that is asked for.
pub(super) fn closed(path: &Path, execute: bool) -> Option<String> {
    let Ok(path) = path.canonicalize() else {
        return Some(format!("{} is not there", path.display()));
    };
    let wanted = if execute {
        OTHERS_READ | OTHERS_ENTER
    } else {
        OTHERS_READ
    };
    closed_above(&path).or_else(|| {
        (!others_may(&path, wanted)).then(|| format!("{} is closed to other users", path.display()))
    })
}

fn others_may(path: &Path, wanted: u32) -> bool {
    let mode = |found: Metadata| found.permissions().mode();
    path.metadata()
        .map(mode)
        .is_ok_and(|mode| mode & wanted == wanted)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn a_closed_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let file = inner.join("file");
        fs::write(&file, "").unwrap();
        set(folder.path(), 0o711);
        set(&inner, 0o700);
        set(&file, 0o644);
        let why = closed(&file, false).unwrap();
        assert!(why.contains(&inner.display().to_string()), "{why}");
        set(&inner, 0o711);
        if closed_above(folder.path()).is_none() {
            assert_eq!(closed(&file, false), None);
            assert!(closed(&file, true).is_some());
        }
    }
}
