//! The programs under test, as the same build made them.

use std::path::PathBuf;

/// A program of this workspace beside the test's own.
///
/// # Panics
/// When it was not built: the tests run real processes, and `./test` builds them first.
pub fn program(name: &str) -> PathBuf {
    let mut dir = std::env::current_exe().expect("the test has a path");
    dir.pop();
    if dir.ends_with("deps") {
        dir.pop();
    }
    let path = dir.join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace` first",
        path.display()
    );
    path
}
