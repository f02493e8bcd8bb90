//! What several measurements stand on: the runtime, child processes, the clock, the machine.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// How long anything here may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// A runtime as the host has it.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}

/// Starts this program again in a role, with one end of a socketpair as its standard input.
pub fn start_child(role: &str) -> anyhow::Result<(UnixStream, Child)> {
    let (ours, theirs) = UnixStream::pair()?;
    let child = Command::new(std::env::current_exe()?)
        .args(["child", role])
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()?;
    Ok((ours, child))
}

/// This process's standard input as a socket.
pub fn stdin_socket() -> anyhow::Result<UnixStream> {
    use std::os::fd::AsFd;
    Ok(std::io::stdin().as_fd().try_clone_to_owned()?.into())
}

/// The system-wide monotonic time in milliseconds.
pub fn now_ms() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    #[expect(clippy::cast_precision_loss, reason = "microseconds are kept")]
    let (seconds, nanos) = (now.tv_sec as f64, now.tv_nsec as f64);
    seconds * 1e3 + nanos / 1e6
}

/// When a `fixture-stamps` reached its `main`.
pub struct Stamp(PathBuf);

impl Stamp {
    /// The stamp of a process with this data directory.
    pub fn of(data_dir: &Path) -> Self {
        Self(data_dir.join("main-at"))
    }

    /// Forgets the one before.
    pub fn clear(&self) {
        // There may be none.
        let _ = std::fs::remove_file(&self.0);
    }

    /// Waits for the stamp, as [`now_ms`] counts.
    pub async fn wait(&self) -> anyhow::Result<f64> {
        let begin = Instant::now();
        loop {
            let text = std::fs::read_to_string(&self.0).unwrap_or_default();
            if let Some(nanos) = text.strip_suffix('\n') {
                let nanos: f64 = nanos.parse().context("a stamp is a number")?;
                return Ok(nanos / 1e6);
            }
            anyhow::ensure!(begin.elapsed() < DEADLINE, "no process reached its main");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The machine and its load, for the line below the table.
pub fn machine() -> String {
    let read = |file| std::fs::read_to_string(file).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unnamed processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load: Vec<String> = read("/proc/loadavg")
        .split(' ')
        .take(3)
        .map(str::to_owned)
        .collect();
    format!(
        "{cores} cores of {model}, Linux {}, load {}",
        kernel.trim(),
        load.join(" ")
    )
}
