//! One module's process: spawned by `bllvm-launch`, watched to its end, its output drained.

mod output;
mod sample;
mod unix;
mod watch;

pub use output::{Tail, drain};
pub use sample::{Usage, usage};
pub use unix::{SpawnError, SpawnRequest, Spawned, Spawner, find_launch};
pub use watch::{Life, Process, ProcessEnd};
