//! What lies in the modules directory. Asked every few seconds, so that it looks at names, sizes and
//! times, and reads only what changed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bllvm_ipc::Capability;
use bllvm_manifest::{Digest, Manifest, ModuleName, SchemaError, embedded, layout, nearest};

use super::schema::{SchemaProblem, read_schema};
use crate::configuration::FileIdentity;

/// A folder in the modules directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Its name, where it is one that a module may have.
    pub name: Option<ModuleName>,
    /// The folder.
    pub dir: PathBuf,
    /// What its manifest says, where that can be read and has the folder's name.
    pub manifest: Option<Manifest>,
    /// Digest of its program or script.
    pub digest: Option<Digest>,
    /// Why it cannot be loaded, with file, key and way out.
    pub problem: Option<String>,
}

impl Seen {
    fn broken(dir: &Path, name: Option<ModuleName>, problem: String) -> Self {
        Self {
            name,
            dir: dir.to_owned(),
            manifest: None,
            digest: None,
            problem: Some(problem),
        }
    }
}

/// Remembers what it saw, so that an unchanged folder costs a few `stat`s.
#[derive(Debug, Default)]
pub struct Scanner {
    known: HashMap<PathBuf, (Fingerprint, Seen)>,
}

/// What a folder looks like from outside: one stamp for each file that matters.
type Fingerprint = Vec<Option<Stamp>>;

/// The ctime is in it, because `chmod +x` changes nothing else.
type Stamp = (FileIdentity, u32, i64, i64);

impl Scanner {
    /// Looks at every folder. Blocks.
    ///
    /// # Errors
    /// Where the modules directory itself cannot be read.
    pub fn scan(&mut self, modules_dir: &Path) -> io::Result<Vec<Seen>> {
        let mut dirs: Vec<PathBuf> = fs::read_dir(modules_dir)?
            .filter_map(Result::ok)
            .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
            .map(|entry| entry.path())
            .filter(|path| path.is_dir() || path.is_symlink())
            .collect();
        dirs.sort();
        self.known.retain(|dir, _| dirs.contains(dir));
        Ok(dirs
            .into_iter()
            .map(|dir| self.look(modules_dir, dir))
            .collect())
    }

    fn look(&mut self, modules_dir: &Path, dir: PathBuf) -> Seen {
        if let Some((known, seen)) = self.known.get(&dir)
            && *known == fingerprint(&dir, seen.manifest.as_ref())
        {
            return seen.clone();
        }
        // The stamps come before the look, so that what changes meanwhile is seen the next time.
        let manifest = Manifest::read(&dir.join(layout::MANIFEST_FILE)).ok();
        let stamps = fingerprint(&dir, manifest.as_ref());
        let seen = look_into(modules_dir, &dir);
        self.known.insert(dir, (stamps, seen.clone()));
        seen
    }
}

fn fingerprint(dir: &Path, manifest: Option<&Manifest>) -> Fingerprint {
    let mut paths = vec![dir.join(layout::MANIFEST_FILE)];
    if let Some(manifest) = manifest {
        paths.extend(layout::candidates(dir, &manifest.entry_point));
        if let Some(config) = &manifest.config {
            paths.push(dir.join(config.schema.as_str()));
        }
    }
    paths.iter().map(|path| stamp(path)).collect()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    let identity = FileIdentity::from(&found);
    Some((identity, found.mode(), found.ctime(), found.ctime_nsec()))
}

fn look_into(modules_dir: &Path, dir: &Path) -> Seen {
    let text = dir
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let name = match ModuleName::new(text.clone()) {
        Ok(name) => name,
        Err(error) => {
            let problem = format!(
                "{}: the folder's name is none that a module may have: {error}; rename it",
                dir.display()
            );
            return Seen::broken(dir, None, problem);
        }
    };
    let broken = |problem: String| Seen::broken(dir, Some(name.clone()), problem);
    let (Ok(real), Ok(inside)) = (dir.canonicalize(), modules_dir.canonicalize()) else {
        return broken(format!(
            "{} is a link that leads nowhere: remove it, or put the folder itself there",
            dir.display()
        ));
    };
    if !real.starts_with(&inside) {
        return broken(format!(
            "{} is a link to {}, outside the modules directory, and is not followed: copy the folder \
             itself here",
            dir.display(),
            real.display()
        ));
    }
    let file = dir.join(layout::MANIFEST_FILE);
    let manifest = match Manifest::read(&file) {
        Ok(manifest) => manifest,
        Err(error) => {
            let text = error.to_string();
            let place = if text.contains(&*file.to_string_lossy()) {
                String::new()
            } else {
                format!("{}: ", file.display())
            };
            return broken(format!("{place}{text}; {}", error.help()));
        }
    };
    if manifest.name != name {
        let other = modules_dir.join(manifest.name.as_str());
        let taken = if other.is_dir() {
            format!(", which {} is already", other.display())
        } else {
            String::new()
        };
        return broken(format!(
            "{}: `name` is `{}`{taken}, but the folder is called `{name}`: give both the same name",
            file.display(),
            manifest.name
        ));
    }
    let (digest, problem) = match digest_of(dir, &manifest) {
        Ok(digest) => {
            let problem =
                not_as_listed(&manifest, digest).or_else(|| other_problem(dir, &manifest));
            (Some(digest), problem)
        }
        Err(problem) => (None, Some(problem)),
    };
    Seen {
        name: Some(name),
        dir: dir.to_owned(),
        manifest: Some(manifest),
        digest,
        problem,
    }
}

/// Digest of a module's program, or why there is none.
pub fn digest_of(dir: &Path, manifest: &Manifest) -> Result<Digest, String> {
    let path = layout::find_program(dir, manifest).map_err(|error| error.to_string())?;
    File::open(&path)
        .and_then(Digest::of_reader)
        .map_err(|error| {
            format!(
                "{} could not be read: {error}; check its owner and permissions",
                path.display()
            )
        })
}

/// A package's program is one of the files that it lists.
fn not_as_listed(manifest: &Manifest, digest: Digest) -> Option<String> {
    let package = manifest.package.as_ref()?;
    let listed = package.files.iter().any(|file| file.sha256 == digest);
    (!listed).then(|| {
        format!(
            "its program is {digest}, which is not the one that module.toml lists: uninstall the module, \
             and install the package again"
        )
    })
}

fn other_problem(dir: &Path, manifest: &Manifest) -> Option<String> {
    if let Some(problem) = unknown_capabilities(manifest) {
        let file = dir.join(layout::MANIFEST_FILE);
        return Some(format!("{}: {problem}", file.display()));
    }
    match read_schema(dir, manifest) {
        Ok(_) => None,
        // A program that carries its manifest can print its schema: it is asked at the first load.
        Err(SchemaProblem::File {
            source: SchemaError::File(_),
            ..
        }) if prints_its_schema(dir, manifest) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// Whether a module's program carries its manifest, so that it knows `--config-schema`, too.
pub fn prints_its_schema(dir: &Path, manifest: &Manifest) -> bool {
    manifest.runtime.is_none()
        && layout::find_program(dir, manifest)
            .is_ok_and(|program| embedded::read_bytes(&program).is_ok())
}

/// What is wrong with the capabilities that a manifest asks for.
pub fn unknown_capabilities(manifest: &Manifest) -> Option<String> {
    let known: Vec<&str> = Capability::ALL.iter().map(|one| one.as_str()).collect();
    let unknown: Vec<String> = manifest
        .unknown_capabilities(&known)
        .into_iter()
        .map(|name| match nearest(name, known.iter().copied()) {
            Some(near) => format!("`{name}` (did you mean `{near}`?)"),
            None => format!("`{name}`"),
        })
        .collect();
    (!unknown.is_empty()).then(|| {
        format!(
            "`capabilities` asks for {}, which this node does not know; it knows {}",
            unknown.join(", "),
            known.join(", ")
        )
    })
}
