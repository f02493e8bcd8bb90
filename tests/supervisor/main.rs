//! The supervisor with a real store and real processes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod asking;
mod bad_modules;
mod crashes;
mod escapes;
mod harness;
mod isolation;
mod life;
mod reloads;
mod required;
mod sessions;
