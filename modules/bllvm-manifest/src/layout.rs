//! Where a module's files lie in its folder, and finding its program there.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use crate::manifest::Manifest;
use crate::name::EntryPoint;

/// The manifest's file name.
pub const MANIFEST_FILE: &str = "module.toml";
/// The configuration's file name.
pub const CONFIG_FILE: &str = "config.toml";
/// The file name of the signatures over the manifest.
pub const SIGNATURE_FILE: &str = "module.sig";

/// Why a module's program cannot be run, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Nothing lies at any of the places.
    #[error("no program was found; looked at {}; build it, or copy it to the first of these", places(.looked_at))]
    Missing {
        /// Every place, in the order they were tried.
        looked_at: Vec<PathBuf>,
    },
    /// A file without the right to be executed.
    #[error("{path} may not be executed; run `chmod +x {path}`{}", tried(.looked_at))]
    NotExecutable {
        /// The program.
        path: PathBuf,
        /// The places tried up to this one.
        looked_at: Vec<PathBuf>,
    },
    /// A folder, pipe, device or socket where the program should be.
    #[error("{path} is not a regular file; put the program itself there{}", tried(.looked_at))]
    NotAFile {
        /// What is there instead.
        path: PathBuf,
        /// The places tried up to this one.
        looked_at: Vec<PathBuf>,
    },
    /// A link that leads out of the module's folder.
    #[error("{path} leads outside the module's folder, to {target}; copy the program instead of linking it{}", tried(.looked_at))]
    Outside {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
        /// The places tried up to this one.
        looked_at: Vec<PathBuf>,
    },
    /// A link that leads nowhere.
    #[error("{path} is a link that leads nowhere; copy the program there{}", tried(.looked_at))]
    BrokenLink {
        /// The link.
        path: PathBuf,
        /// The places tried up to this one.
        looked_at: Vec<PathBuf>,
    },
    /// The system says no.
    #[error("{path} could not be looked at: {source}; check its owner and permissions")]
    Io {
        /// What was looked at.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn places(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

fn tried(paths: &[PathBuf]) -> String {
    match paths {
        [] | [_] => String::new(),
        [before @ .., _] => format!(" (nothing at {})", places(before)),
    }
}

/// The places a program may lie at, in the order they are tried: where cargo
/// leaves it, the folder itself, and `bin/`.
pub fn candidates(folder: &Path, entry_point: &EntryPoint) -> [PathBuf; 3] {
    [
        folder.join("target/release").join(entry_point),
        folder.join(entry_point),
        folder.join("bin").join(entry_point),
    ]
}

/// Finds what a manifest's `entry_point` names: a program that may be executed,
/// or a script where the manifest names an interpreter. The path is free of links.
///
/// # Errors
/// See [`LayoutError`].
pub fn find_program(folder: &Path, manifest: &Manifest) -> Result<PathBuf, LayoutError> {
    if manifest.runtime.is_some() {
        find_script(folder, &manifest.entry_point)
    } else {
        find_binary(folder, &manifest.entry_point)
    }
}

/// Finds a program that may be executed. The first place where anything lies decides.
///
/// # Errors
/// See [`LayoutError`].
pub fn find_binary(folder: &Path, entry_point: &EntryPoint) -> Result<PathBuf, LayoutError> {
    find(folder, entry_point, is_executable)
}

/// Finds a script, which an interpreter reads and nobody executes.
///
/// # Errors
/// See [`LayoutError`].
pub fn find_script(folder: &Path, entry_point: &EntryPoint) -> Result<PathBuf, LayoutError> {
    find(folder, entry_point, |_| true)
}

fn find(
    folder: &Path,
    entry_point: &EntryPoint,
    fit_to_run: fn(&Metadata) -> bool,
) -> Result<PathBuf, LayoutError> {
    let mut looked_at = Vec::new();
    for path in candidates(folder, entry_point) {
        looked_at.push(path.clone());
        match path.symlink_metadata() {
            Ok(_) => return check(folder, path, looked_at, fit_to_run),
            Err(error) if is_absent(&error) => {}
            Err(source) => return Err(LayoutError::Io { path, source }),
        }
    }
    Err(LayoutError::Missing { looked_at })
}

/// Also absent: a file where a folder of the path should be.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn check(
    folder: &Path,
    path: PathBuf,
    looked_at: Vec<PathBuf>,
    fit_to_run: fn(&Metadata) -> bool,
) -> Result<PathBuf, LayoutError> {
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(error) if is_absent(&error) => return Err(LayoutError::BrokenLink { path, looked_at }),
        Err(source) => return Err(LayoutError::Io { path, source }),
    };
    let inside = folder.canonicalize().map_err(|source| LayoutError::Io {
        path: folder.to_path_buf(),
        source,
    })?;
    if !real.starts_with(&inside) {
        return Err(LayoutError::Outside {
            path,
            target: real,
            looked_at,
        });
    }
    let metadata = match real.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(source) => return Err(LayoutError::Io { path, source }),
    };
    if !metadata.is_file() {
        return Err(LayoutError::NotAFile { path, looked_at });
    }
    if !fit_to_run(&metadata) {
        return Err(LayoutError::NotExecutable { path, looked_at });
    }
    Ok(real)
}

#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    true
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn put(&self, path: &str, mode: u32) -> PathBuf {
            let path = self.0.path().canonicalize().unwrap().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "program").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        }

        fn find(&self) -> Result<PathBuf, LayoutError> {
            find_binary(self.0.path(), &EntryPoint::new("clock").unwrap())
        }
    }

    #[test]
    fn the_three_places_are_tried_in_order() {
        let folder = Folder::new();
        let in_bin = folder.put("bin/clock", 0o755);
        assert_eq!(folder.find().unwrap(), in_bin);
        let beside = folder.put("clock", 0o755);
        assert_eq!(folder.find().unwrap(), beside);
        let built = folder.put("target/release/clock", 0o755);
        assert_eq!(folder.find().unwrap(), built);
    }

    #[test]
    fn a_missing_program_lists_the_places_looked_at() {
        let message = Folder::new().find().unwrap_err().to_string();
        for place in ["target/release/clock", "bin/clock"] {
            assert!(message.contains(place), "{message}");
        }
    }

    #[test]
    fn a_program_without_the_right_to_run_names_the_way_out() {
        let folder = Folder::new();
        folder.put("clock", 0o644);
        let error = folder.find().unwrap_err();
        assert!(matches!(error, LayoutError::NotExecutable { .. }));
        assert!(error.to_string().contains("chmod +x "), "{error}");
        assert!(error.to_string().contains("nothing at "), "{error}");
        let script = find_script(folder.0.path(), &EntryPoint::new("clock").unwrap());
        assert!(script.is_ok());
    }

    #[test]
    fn a_folder_is_no_program() {
        let folder = Folder::new();
        fs::create_dir(folder.0.path().join("clock")).unwrap();
        assert!(matches!(folder.find(), Err(LayoutError::NotAFile { .. })));
    }

    #[test]
    fn a_link_may_stay_inside_but_not_lead_out_or_nowhere() {
        let folder = Folder::new();
        let real = folder.put("versions/1/clock", 0o755);
        let link = folder.0.path().join("clock");
        symlink(&real, &link).unwrap();
        assert_eq!(folder.find().unwrap(), real);

        fs::remove_file(&link).unwrap();
        symlink("/bin/sh", &link).unwrap();
        assert!(matches!(folder.find(), Err(LayoutError::Outside { .. })));

        fs::remove_file(&link).unwrap();
        symlink("nowhere", &link).unwrap();
        assert!(matches!(folder.find(), Err(LayoutError::BrokenLink { .. })));
    }

    #[test]
    fn a_folder_that_leads_out_is_seen_too() {
        let (folder, elsewhere) = (Folder::new(), Folder::new());
        elsewhere.put("clock", 0o755);
        symlink(elsewhere.0.path(), folder.0.path().join("bin")).unwrap();
        assert!(matches!(folder.find(), Err(LayoutError::Outside { .. })));
    }
}
