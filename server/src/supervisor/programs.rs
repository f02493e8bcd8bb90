//! What is executed: the bytes that an operator confirmed, and no others.
//!
//! A program is hashed while it is copied into a sealed memfd, once per digest and run of the
//! host. Restarts execute that memfd; what happens to the file meanwhile does not matter.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bllvm_manifest::{Digest, LayoutError, Manifest, layout};
use rustix::fs::{MemfdFlags, SealFlags};
use sha2::{Digest as _, Sha256};

/// Why a module's program is not executed.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It is not where it should be, or not fit to run.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The file cannot be read.
    #[error("{} could not be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what an operator confirmed.
    #[error("the program is {found}, but {confirmed} was confirmed")]
    DigestMismatch {
        /// What was confirmed.
        confirmed: Digest,
        /// What is there.
        found: Digest,
    },
    /// A script without `[runtime]`.
    #[error("{} is a script; name its interpreter: [runtime] interpreter = \"…\"", .0.display())]
    Script(PathBuf),
    /// An interpreter that no operator allowed.
    #[error("the interpreter `{name}` is not allowed; allowed: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    Interpreter {
        /// What the manifest asks for.
        name: String,
        /// What is allowed.
        known: Vec<String>,
    },
    /// The verified copy cannot be kept.
    #[error("the verified copy could not be kept: {0}")]
    Keep(io::Error),
}

/// Something that can be executed, verified.
#[derive(Clone, Debug)]
pub enum Program {
    /// The bytes themselves.
    Bytes(Arc<OwnedFd>),
    /// An interpreter, which nobody verified, and a script, which was.
    Script {
        /// The interpreter.
        interpreter: PathBuf,
        /// The read-only copy of the script.
        script: PathBuf,
    },
}

/// The programs of this run of the host, by digest.
#[derive(Debug, Default)]
pub struct Programs {
    kept: Mutex<HashMap<Digest, Arc<OwnedFd>>>,
}

impl Programs {
    /// The verified program of a module. Blocks: it reads the whole file the first time.
    ///
    /// # Errors
    /// See [`ProgramError`].
    pub fn verified(
        &self,
        folder: &Path,
        manifest: &Manifest,
        confirmed: Digest,
        store: &Path,
        interpreters: &std::collections::BTreeMap<String, PathBuf>,
    ) -> Result<Program, ProgramError> {
        let Some(runtime) = &manifest.runtime else {
            return self.binary(folder, manifest, confirmed).map(Program::Bytes);
        };
        let name = runtime.interpreter.as_str();
        let interpreter = interpreters
            .get(name)
            .ok_or_else(|| ProgramError::Interpreter {
                name: name.to_owned(),
                known: interpreters.keys().cloned().collect(),
            })?;
        let script = kept_script(folder, manifest, confirmed, store)?;
        Ok(Program::Script {
            interpreter: interpreter.clone(),
            script,
        })
    }

    /// Whether a file is the confirmed program, read anew. Blocks.
    ///
    /// # Errors
    /// See [`ProgramError`].
    pub fn check(
        folder: &Path,
        manifest: &Manifest,
        confirmed: Digest,
    ) -> Result<(), ProgramError> {
        let path = layout::find_program(folder, manifest)?;
        let file = open(&path)?;
        let found =
            Digest::of_reader(file).map_err(|source| ProgramError::Read { path, source })?;
        equal(confirmed, found)
    }

    fn binary(
        &self,
        folder: &Path,
        manifest: &Manifest,
        confirmed: Digest,
    ) -> Result<Arc<OwnedFd>, ProgramError> {
        if let Some(known) = self.lock().get(&confirmed) {
            return Ok(Arc::clone(known));
        }
        let path = layout::find_program(folder, manifest)?;
        let mut file = open(&path)?;
        let read = |source| ProgramError::Read {
            path: path.clone(),
            source,
        };
        let memory = memfd(manifest.name.as_str()).map_err(ProgramError::Keep)?;
        let mut copy = File::from(memory.try_clone().map_err(ProgramError::Keep)?);
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        let mut first = true;
        loop {
            let count = file.read(&mut buffer).map_err(read)?;
            if count == 0 {
                break;
            }
            if first && buffer[..count].starts_with(b"#!") {
                return Err(ProgramError::Script(path));
            }
            first = false;
            hasher.update(&buffer[..count]);
            copy.write_all(&buffer[..count])
                .map_err(ProgramError::Keep)?;
        }
        drop(copy);
        equal(confirmed, Digest::from_bytes(hasher.finalize().into()))?;
        let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        rustix::fs::fcntl_add_seals(&memory, seals)
            .map_err(|error| ProgramError::Keep(error.into()))?;
        let memory = Arc::new(memory);
        self.lock().insert(confirmed, Arc::clone(&memory));
        Ok(memory)
    }

    /// Forgets every program but these.
    pub fn keep_only(&self, used: &std::collections::BTreeSet<Digest>) {
        self.lock().retain(|digest, _| used.contains(digest));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Arc<OwnedFd>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn equal(confirmed: Digest, found: Digest) -> Result<(), ProgramError> {
    if confirmed == found {
        Ok(())
    } else {
        Err(ProgramError::DigestMismatch { confirmed, found })
    }
}

fn open(path: &Path) -> Result<File, ProgramError> {
    let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let opened = File::options().read(true).custom_flags(nofollow).open(path);
    opened.map_err(|source| ProgramError::Read {
        path: path.to_owned(),
        source,
    })
}

/// A memory file that may be executed; older kernels have no word for that and always allow it.
fn memfd(name: &str) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match rustix::fs::memfd_create(name, flags | MemfdFlags::EXEC) {
        Err(rustix::io::Errno::INVAL) => Ok(rustix::fs::memfd_create(name, flags)?),
        made => Ok(made?),
    }
}

/// A read-only copy of a script below `store/<digest>/`, hashed anew at every start: it is small,
/// and an interpreter reads it by its path.
fn kept_script(
    folder: &Path,
    manifest: &Manifest,
    confirmed: Digest,
    store: &Path,
) -> Result<PathBuf, ProgramError> {
    let kept_dir = store.join(confirmed.to_hex());
    let kept = kept_dir.join(manifest.entry_point.as_str());
    if let Ok(file) = open(&kept)
        && Digest::of_reader(file).is_ok_and(|found| found == confirmed)
    {
        return Ok(kept);
    }
    let path = layout::find_program(folder, manifest)?;
    let bytes = fs::read(&path).map_err(|source| ProgramError::Read { path, source })?;
    equal(confirmed, Digest::of(&bytes))?;
    let keep = || {
        fs::create_dir_all(&kept_dir)?;
        // The interpreter may run as a user of its own.
        for folder in [store, &kept_dir] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o711))?;
        }
        let mut copy = tempfile_in(&kept_dir)?;
        copy.1.write_all(&bytes)?;
        copy.1.set_permissions(fs::Permissions::from_mode(0o444))?;
        copy.1.sync_all()?;
        fs::rename(&copy.0, &kept)?;
        File::open(&kept_dir)?.sync_all()
    };
    keep().map_err(ProgramError::Keep)?;
    Ok(kept)
}

fn tempfile_in(folder: &Path) -> io::Result<(PathBuf, File)> {
    let path = folder.join(format!(".new-{}", std::process::id()));
    // Left over from a run of the same number that was killed.
    let _ = fs::remove_file(&path);
    let file = File::options().write(true).create_new(true).open(&path)?;
    Ok((path, file))
}

impl Program {
    /// A copy of the descriptor to be executed, where there is one.
    ///
    /// # Errors
    /// When the host has no more descriptors.
    pub fn descriptor(&self) -> io::Result<Option<OwnedFd>> {
        match self {
            Self::Bytes(fd) => fd.as_fd().try_clone_to_owned().map(Some),
            Self::Script { .. } => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn manifest(extra: &str) -> Manifest {
        format!("name = \"m\"\nversion = \"0.1.0\"\nentry_point = \"m\"\n{extra}")
            .parse()
            .unwrap()
    }

    fn folder(bytes: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    #[test]
    fn the_confirmed_bytes_are_kept_whatever_happens_to_the_file() {
        let folder = folder(b"program");
        let programs = Programs::default();
        let confirmed = Digest::of(b"program");
        let none = BTreeMap::new();
        let get = || {
            programs.verified(
                folder.path(),
                &manifest(""),
                confirmed,
                folder.path(),
                &none,
            )
        };
        let Program::Bytes(fd) = get().unwrap() else {
            panic!("a script")
        };
        fs::write(folder.path().join("m"), b"evil").unwrap();
        assert!(get().is_ok());
        let mut kept = File::open(format!(
            "/proc/self/fd/{}",
            std::os::fd::AsRawFd::as_raw_fd(&*fd)
        ))
        .unwrap();
        let mut text = String::new();
        kept.read_to_string(&mut text).unwrap();
        assert_eq!(text, "program");
        let mismatch = Programs::check(folder.path(), &manifest(""), confirmed);
        assert!(matches!(mismatch, Err(ProgramError::DigestMismatch { .. })));
    }

    /// Somebody exchanges the program again and again, by rename and by writing into it, while it is
    /// verified for its start.
    #[test]
    fn a_swap_between_the_look_and_the_start_never_runs_the_other_program() {
        let good = vec![b'g'; 1 << 20];
        let evil = vec![b'e'; 1 << 20];
        let folder = folder(&good);
        let path = folder.path().join("m");
        let confirmed = Digest::of(&good);
        let rounds = if std::env::var_os("BLLVM_TEST_FULL").is_some() {
            200
        } else {
            20
        };
        let swap = |bytes: &[u8]| {
            let beside = folder.path().join("beside");
            fs::write(&beside, bytes).unwrap();
            fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
            fs::rename(&beside, &path).unwrap();
        };
        let done = std::sync::atomic::AtomicBool::new(false);
        let (mut started, mut refused, mut evil_by_path) = (0, 0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    swap(&evil);
                    swap(&good);
                    // In place, as one who has the file open could.
                    fs::write(&path, &evil).unwrap();
                    swap(&good);
                }
            });
            let none = BTreeMap::new();
            while started < rounds {
                // Anew each time, as after the host's restart: nothing is kept yet.
                let programs = Programs::default();
                let got = programs.verified(
                    folder.path(),
                    &manifest(""),
                    confirmed,
                    folder.path(),
                    &none,
                );
                match got {
                    Ok(Program::Bytes(fd)) => {
                        started += 1;
                        let number = std::os::fd::AsRawFd::as_raw_fd(&*fd);
                        let run = fs::read(format!("/proc/self/fd/{number}")).unwrap();
                        assert!(run == good, "the other program would run");
                        evil_by_path += usize::from(fs::read(&path).is_ok_and(|now| now != good));
                    }
                    Ok(Program::Script { .. }) => panic!("a script"),
                    Err(ProgramError::DigestMismatch { .. }) => refused += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        println!(
            "{started} starts: 0 ran the other program, {refused} refused; by its path {evil_by_path} would have"
        );
    }

    #[test]
    fn other_bytes_are_refused_with_both_digests() {
        let folder = folder(b"other");
        let refused = Programs::default().verified(
            folder.path(),
            &manifest(""),
            Digest::of(b"program"),
            folder.path(),
            &BTreeMap::new(),
        );
        let text = refused.unwrap_err().to_string();
        assert!(text.contains(&Digest::of(b"other").to_string()), "{text}");
        assert!(text.contains(&Digest::of(b"program").to_string()), "{text}");
    }

    #[test]
    fn a_script_runs_from_its_copy_under_an_allowed_interpreter_only() {
        let folder = folder(b"print(1)");
        let store = tempfile::tempdir().unwrap();
        let manifest = manifest("[runtime]\ninterpreter = \"python3\"\n");
        let confirmed = Digest::of(b"print(1)");
        let programs = Programs::default();
        let get = |allowed: &BTreeMap<String, PathBuf>| {
            programs.verified(folder.path(), &manifest, confirmed, store.path(), allowed)
        };
        let refused = get(&BTreeMap::new()).unwrap_err();
        assert!(refused.to_string().contains("`python3` is not allowed"));
        let allowed = BTreeMap::from([("python3".to_owned(), PathBuf::from("/usr/bin/python3"))]);
        let Program::Script { script, .. } = get(&allowed).unwrap() else {
            panic!("no script")
        };
        assert_eq!(fs::read(&script).unwrap(), b"print(1)");
        fs::remove_file(&script).unwrap();
        fs::write(&script, b"evil").unwrap();
        get(&allowed).unwrap();
        assert_eq!(fs::read(&script).unwrap(), b"print(1)");
    }

    #[test]
    fn a_script_without_a_runtime_is_told_so() {
        let folder = folder(b"#!/bin/sh\n");
        let confirmed = Digest::of(b"#!/bin/sh\n");
        let none = BTreeMap::new();
        let refused = Programs::default().verified(
            folder.path(),
            &manifest(""),
            confirmed,
            folder.path(),
            &none,
        );
        assert!(matches!(refused, Err(ProgramError::Script(_))));
    }
}
