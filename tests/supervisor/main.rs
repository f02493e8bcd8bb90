//! The supervisor with a real store and real processes.

mod bad_modules;
mod crashes;
mod harness;
mod isolation;
mod life;
mod reloads;
mod sessions;
