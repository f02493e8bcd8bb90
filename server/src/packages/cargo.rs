//! Modules among the programs in cargo's bin folder: described by their ELF section, never run.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bllvm_manifest::{Digest, Manifest, ModuleName, embedded};

use super::scan::unknown_capabilities;
use crate::configuration::FileIdentity;

/// A program that says it is a module.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The program.
    pub path: PathBuf,
    /// The manifest that it carries.
    pub manifest: Manifest,
    /// Its digest.
    pub digest: Digest,
    /// Why it cannot be loaded.
    pub problem: Option<String>,
}

/// Remembers which programs it looked into.
#[derive(Debug, Default)]
pub struct CargoScanner {
    known: HashMap<PathBuf, (FileIdentity, Option<Candidate>)>,
}

impl CargoScanner {
    /// The modules among the programs; of two with one name the first is taken. Blocks.
    pub fn scan(&mut self, bins: &[PathBuf]) -> BTreeMap<ModuleName, Candidate> {
        let mut found = BTreeMap::new();
        let mut present = Vec::new();
        for path in bins.iter().flat_map(|bin| programs(bin)) {
            if let Some(candidate) = self.look(&path) {
                found
                    .entry(candidate.manifest.name.clone())
                    .or_insert(candidate);
            }
            present.push(path);
        }
        self.known.retain(|path, _| present.contains(path));
        found
    }

    fn look(&mut self, path: &Path) -> Option<Candidate> {
        let identity = FileIdentity::of(path).ok()?;
        if let Some((known, candidate)) = self.known.get(path)
            && *known == identity
        {
            return candidate.clone();
        }
        let candidate = candidate(path);
        self.known
            .insert(path.to_owned(), (identity, candidate.clone()));
        candidate
    }
}

fn programs(bin: &Path) -> Vec<PathBuf> {
    let mut programs: Vec<PathBuf> = fs::read_dir(bin)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            fs::metadata(path)
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
        .collect();
    programs.sort();
    programs
}

/// A program with a usable manifest. What is no module, or damaged, is not ours to complain about.
fn candidate(path: &Path) -> Option<Candidate> {
    let manifest = embedded::read(path).ok()?;
    let digest = File::open(path).and_then(Digest::of_reader).ok()?;
    let problem =
        unknown_capabilities(&manifest).map(|problem| format!("{}: {problem}", path.display()));
    Some(Candidate {
        path: path.to_owned(),
        manifest,
        digest,
        problem,
    })
}
