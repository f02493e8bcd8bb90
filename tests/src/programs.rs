//! The programs under test, as the same build made them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// A program of this workspace beside the test's own.
///
/// # Panics
/// When it was not built, or is older than a file that it was built from: the tests run real
/// processes, `./test` builds them first, and a test of yesterday's program proves nothing.
pub fn program(name: &str) -> PathBuf {
    static FOUND: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let found = found.get_or_insert_default();
    if let Some(path) = found.get(name) {
        return path.clone();
    }
    let path = directory().join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace` first",
        path.display()
    );
    if let Some(source) = newer_source(&path) {
        panic!(
            "{} was built before {} changed: run `cargo build --workspace` first",
            path.display(),
            source.display()
        );
    }
    found.insert(name.to_owned(), path.clone());
    path
}

/// Where cargo puts programs: the test itself lies in `deps` beneath.
fn directory() -> PathBuf {
    let mut dir = std::env::current_exe().expect("the test has a path");
    dir.pop();
    if dir.ends_with("deps") {
        dir.pop();
    }
    dir
}

/// A source of a program that is newer than the program, by the list that cargo leaves beside it.
fn newer_source(program: &Path) -> Option<PathBuf> {
    let built = modified(program)?;
    let list = std::fs::read_to_string(program.with_extension("d")).ok()?;
    let (_, sources) = list.split_once(": ")?;
    paths(sources)
        .into_iter()
        .find(|source| modified(source).is_some_and(|changed| changed > built))
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

/// The paths of a rule in a makefile, where `\\ ` is a space in a name.
fn paths(rule: &str) -> Vec<PathBuf> {
    let mut found = vec![String::new()];
    let mut letters = rule.trim().chars();
    while let Some(letter) = letters.next() {
        let Some(path) = found.last_mut() else { break };
        match letter {
            '\\' => path.extend(letters.next()),
            ' ' => found.push(String::new()),
            _ => path.push(letter),
        }
    }
    found.into_iter().map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_older_than_its_source_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let source = dir.path().join("with space.rs");
        let program = dir.path().join("program");
        let rule = format!(
            "{}: {}/gone.rs {}\n",
            program.display(),
            dir.path().display(),
            source.display().to_string().replace(' ', "\\ ")
        );
        std::fs::write(program.with_extension("d"), rule).expect("the list");
        for path in [&source, &program] {
            std::fs::write(path, "").expect("a file");
        }
        let set = |path: &Path, second| {
            let file = std::fs::File::options().write(true).open(path);
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second);
            file.and_then(|file| file.set_modified(time))
                .expect("a time");
        };
        set(&program, 20);
        set(&source, 10);
        assert_eq!(newer_source(&program), None);
        set(&source, 30);
        assert_eq!(newer_source(&program), Some(source));
    }
}
