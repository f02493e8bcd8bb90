//! Processor time and memory of a process tree, read from /proc.

use std::collections::HashMap;
use std::fs;

/// How far beyond the launcher's number its child is looked for first.
const NEAR: u32 = 16;
/// The kernel's unit of processor time in /proc, 1/100 s on every Linux.
const TICKS_PER_SECOND: u64 = 100;

/// What a process tree uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time so far, in milliseconds.
    pub cpu_ms: u64,
    /// Resident memory in bytes.
    pub memory_bytes: u64,
}

struct Stat {
    parent: u32,
    ticks: u64,
    resident_pages: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything; what follows its end is regular.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<u64>().ok())
    };
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        ticks: number(11)? + number(12)?,
        resident_pages: number(21)?,
    })
}

fn everybody() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The only child of a launcher. Numbers are given in order, so that it is near as a rule.
pub(super) fn child_of(parent: u32) -> Option<u32> {
    let is_child = |pid: &u32| stat(*pid).is_some_and(|stat| stat.parent == parent);
    (parent + 1..=parent + NEAR)
        .find(is_child)
        .or_else(|| everybody().find(is_child))
}

/// What the trees below each root use, roots included; one pass over /proc for all of them.
pub fn usage(roots: &[u32]) -> HashMap<u32, Usage> {
    let mut sums: HashMap<u32, Usage> = HashMap::new();
    if roots.is_empty() {
        return sums;
    }
    let all: HashMap<u32, Stat> = everybody()
        .filter_map(|pid| Some((pid, stat(pid)?)))
        .collect();
    let page = page_size();
    for (pid, found) in &all {
        let Some(root) = root_of(*pid, roots, &all) else {
            continue;
        };
        let sum = sums.entry(root).or_default();
        sum.cpu_ms += found.ticks * 1000 / TICKS_PER_SECOND;
        sum.memory_bytes += found.resident_pages * page;
    }
    sums
}

#[expect(unsafe_code, reason = "std does not tell the size of a page")]
fn page_size() -> u64 {
    // SAFETY: no pointers are involved.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

fn root_of(pid: u32, roots: &[u32], all: &HashMap<u32, Stat>) -> Option<u32> {
    let mut at = pid;
    // Ends at a root, at the top, or at a parent that ended meanwhile; never deeper than all.
    for _ in 0..all.len() {
        if roots.contains(&at) {
            return Some(at);
        }
        at = all.get(&at)?.parent;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_tree_uses_memory() {
        let own = std::process::id();
        let used = usage(&[own]);
        assert!(used[&own].memory_bytes > 100_000, "{used:?}");
    }

    #[test]
    fn a_child_is_found_by_its_parent() {
        let mut child = std::process::Command::new("sleep")
            .arg("5")
            .spawn()
            .unwrap();
        // Other tests may have children as well.
        let found = child_of(std::process::id());
        assert!(found.is_some());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
