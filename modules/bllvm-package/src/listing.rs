//! Paths that a package may have. Stricter than a module's folder needs them: what is packed on one
//! system must mean the same on every other, and look like what it is.

use std::collections::{BTreeMap, BTreeSet};

use bllvm_manifest::{Package, RelativePath, layout};

use crate::Refusal;

/// Names of Windows' devices, with any ending.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// Checks every path that a package lists, alone and beside the others.
///
/// # Errors
/// [`Refusal::PathForbidden`] or [`Refusal::PathTwin`].
pub fn check_listing(package: &Package) -> Result<(), Refusal> {
    let mut files: BTreeMap<String, &RelativePath> = BTreeMap::new();
    for file in &package.files {
        let path = &file.path;
        if let Err(reason) = check_path(path.as_str()) {
            return Err(Refusal::PathForbidden {
                path: path.as_str().escape_debug().to_string(),
                reason,
            });
        }
        if let Some(twin) = files.insert(path.as_str().to_ascii_lowercase(), path) {
            return Err(Refusal::PathTwin {
                path: path.to_string(),
                twin: twin.to_string(),
            });
        }
    }
    // A file cannot be another one's folder, and a folder has one spelling.
    let mut folders: BTreeMap<String, &str> = BTreeMap::new();
    for path in files.values() {
        let text = path.as_str();
        for (end, _) in text.match_indices('/') {
            let folder = &text[..end];
            let folded = folder.to_ascii_lowercase();
            let file = files.get(&folded).map(|file| file.as_str());
            let spelled = folders.insert(folded, folder).filter(|one| *one != folder);
            if let Some(twin) = file.or(spelled) {
                return Err(Refusal::PathTwin {
                    path: text.to_owned(),
                    twin: twin.to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// What is in the folder is what is listed, and `module.toml` and `module.sig`.
pub(crate) fn check_complete(package: &Package, found: &BTreeSet<String>) -> Result<(), Refusal> {
    let listed: BTreeSet<&str> = package
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    let own = [layout::MANIFEST_FILE, layout::SIGNATURE_FILE];
    for path in found {
        if !listed.contains(path.as_str()) && !own.contains(&path.as_str()) {
            return Err(Refusal::FileUnlisted {
                path: path.escape_debug().to_string(),
            });
        }
    }
    match listed.iter().find(|path| !found.contains(**path)) {
        Some(path) => Err(Refusal::FileMissing {
            path: (*path).to_owned(),
        }),
        None => Ok(()),
    }
}

pub(crate) fn check_path(path: &str) -> Result<(), &'static str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+-/".contains(&b);
    if !path.bytes().all(plain) {
        return Err("only a-z, A-Z, 0-9 and . _ + - are allowed, so that no two names look alike");
    }
    let host = [
        layout::MANIFEST_FILE,
        layout::SIGNATURE_FILE,
        layout::CONFIG_FILE,
    ];
    if host.iter().any(|name| path.eq_ignore_ascii_case(name)) {
        return Err("this name belongs to the host");
    }
    path.split('/').try_for_each(check_part)
}

fn check_part(part: &str) -> Result<(), &'static str> {
    if part.starts_with('.') {
        return Err("a hidden file has no place in a package");
    }
    if part.ends_with('.') {
        return Err("a name must not end with a dot, which some systems drop");
    }
    let stem = part.split('.').next().unwrap_or(part);
    if DEVICES
        .iter()
        .any(|device| stem.eq_ignore_ascii_case(device))
    {
        return Err("this name is a device's on Windows");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bllvm_manifest::{Digest, PackageFile};

    fn listing(paths: &[&str]) -> Result<(), &'static str> {
        let files = paths.iter().map(|path| PackageFile {
            path: RelativePath::new(*path).unwrap(),
            sha256: Digest::of(""),
            size: 0,
        });
        let package = Package {
            target: "any".to_owned(),
            release_seq: 1,
            expires: None,
            publisher: "example.org".to_owned(),
            files: files.collect(),
        };
        check_listing(&package).map_err(|refusal| refusal.code())
    }

    #[test]
    fn ordinary_paths_are_fine() {
        let paths = [
            "hello",
            "README.md",
            "lib/a_b+c.py",
            "lib/d.py",
            "bin/x-1.0",
        ];
        assert_eq!(listing(&paths), Ok(()));
    }

    #[test]
    fn names_that_mean_something_else_elsewhere_are_refused() {
        for path in [
            "NUL",
            "con.txt",
            "lib/Com1.py",
            "a.",
            ".hidden",
            "lib/.git",
            "a b",
            "a:b",
            "a*",
            "Module.toml",
            "MODULE.SIG",
            "config.toml",
            "bücher",
            "\u{202e}gpj.exe",
            "раураl",
        ] {
            assert_eq!(listing(&[path]), Err("path_forbidden"), "{path}");
        }
    }

    #[test]
    fn twins_are_refused() {
        for paths in [
            ["hello", "HELLO"],
            ["lib/a", "Lib/b"],
            ["lib", "lib/a"],
            ["lib/a", "LIB"],
        ] {
            assert_eq!(listing(&paths), Err("path_twin"), "{paths:?}");
        }
    }
}
