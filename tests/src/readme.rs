//! The README's commands, as they stand there.

use std::path::{Path, PathBuf};

/// The repository.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// The lines of the first block of commands behind these words.
///
/// # Panics
/// When the README has no such words, or no block behind them.
pub fn commands_after(words: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("README.md")).expect("README.md");
    let (_, rest) = text.split_once(words).expect("the README says it");
    let (_, rest) = rest.split_once("```sh\n").expect("a block of commands");
    let (block, _) = rest.split_once("```").expect("the block's end");
    block.lines().map(str::to_owned).collect()
}
