//! What /proc tells of a server and of everything that it started.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal};

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's id.
    pub parent: u32,
    /// Its state, as `ps` shows it: `Z` is a zombie.
    pub state: char,
    /// Its name, cut to 15 characters.
    pub name: String,
}

/// Every process that can be seen.
pub fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc is there").flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(process)
        .collect()
}

fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(") ")?;
    let mut fields = tail.split(' ');
    Some(Process {
        pid,
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
        name: head.split_once('(')?.1.to_owned(),
    })
}

/// The most memory that a process ever had at once, in bytes.
pub fn peak_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes << 10)
}

/// The descendants of a process, zombies included.
pub fn descendants(of: u32) -> Vec<Process> {
    let all = all();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        for child in all.iter().filter(|one| one.parent == parent) {
            parents.push(child.pid);
            found.push(child.clone());
        }
    }
    found
}

/// Processes that belong to a data directory by their environment or arguments, `except` one.
pub fn of_data_dir(dir: &Path, except: u32) -> Vec<Process> {
    let needle = dir.as_os_str().as_encoded_bytes();
    let has = |file: String| {
        fs::read(file).is_ok_and(|text| text.windows(needle.len()).any(|part| part == needle))
    };
    all()
        .into_iter()
        .filter(|one| one.pid != except && one.state != 'Z')
        .filter(|one| {
            has(format!("/proc/{}/environ", one.pid)) || has(format!("/proc/{}/cmdline", one.pid))
        })
        .collect()
}

/// Open descriptors of a process.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |entries| entries.flatten().count())
}

/// Open pipes, unix sockets, memory files, pidfds and the like: what a module costs its host, and what
/// would be left behind by one that was not cleaned up after. Connections of callers and files come and
/// go by themselves, and are not counted.
pub fn plumbing(pid: u32) -> usize {
    let tcp = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let inode = |line: &str| line.split_whitespace().nth(9).map(str::to_owned);
    let tcp: Vec<String> = tcp.lines().skip(1).filter_map(inode).collect();
    let is_tcp = |link: &str| {
        let inode = link
            .strip_prefix("socket:[")
            .and_then(|it| it.strip_suffix(']'));
        inode.is_some_and(|inode| tcp.iter().any(|one| one == inode))
    };
    let is_file = |link: &str| link.starts_with('/') && !link.starts_with("/memfd:");
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |entries| {
        entries
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .filter(|link| {
                let link = link.to_string_lossy();
                !is_file(&link) && !is_tcp(&link)
            })
            .count()
    })
}

/// Whether a process is there and is no zombie.
pub fn lives(pid: u32) -> bool {
    process(pid).is_some_and(|one| one.state != 'Z')
}

/// Sends a signal; a process that is gone needs none.
pub fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// SIGKILL.
pub fn kill9(pid: u32) {
    signal(pid, Signal::KILL);
}
