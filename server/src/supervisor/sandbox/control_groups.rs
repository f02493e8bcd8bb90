//! Control groups (version 2): one for each process of a module, below a group that was delegated
//! to the host, as systemd's `Delegate=yes` does.
//!
//! The kernel lets a group hold processes or give controllers to groups below it, not both, so the
//! host moves itself into a group beside the modules'. It does that only where the delegated group
//! holds nothing but the host.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bllvm_manifest::{ModuleName, Resources};

use crate::model::Id;

/// Where the host itself goes.
const HOST: &str = "host";
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
/// The kernel's usual period, of which a group gets its share.
const PERIOD_US: u64 = 100_000;

/// The group that was delegated, or why there is none.
#[derive(Clone, Debug)]
pub struct ControlGroups(Result<Delegated, String>);

#[derive(Clone, Debug)]
struct Delegated {
    folder: PathBuf,
    controllers: Vec<String>,
}

/// One process's group. Dropped when nothing of the process is left.
#[derive(Debug)]
pub struct Leaf {
    folder: PathBuf,
    /// What it cannot limit here.
    pub without: Vec<&'static str>,
}

impl ControlGroups {
    /// Looks for a delegated group, and prepares it.
    pub fn find() -> Self {
        let found = own_group().and_then(|folder| prepare(&folder, std::process::id()));
        if let Ok(delegated) = &found {
            sweep(&delegated.folder);
        }
        Self(found)
    }

    /// Makes a group with a module's limits.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub fn leaf(
        &self,
        module: &ModuleName,
        run: Id,
        resources: &Resources,
    ) -> Result<Leaf, String> {
        let delegated = self.0.as_ref().map_err(Clone::clone)?;
        let folder = delegated.folder.join(format!("{module}-{run}"));
        let leaf = Leaf {
            without: CONTROLLERS
                .into_iter()
                .filter(|name| !delegated.controllers.iter().any(|one| one == name))
                .collect(),
            folder,
        };
        leaf.make(resources)
            .map_err(|error| format!("it could not be made: {error}"))?;
        Ok(leaf)
    }
}

impl Leaf {
    /// The folder, for the launcher to join.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends every process in it.
    pub fn kill(&self) {
        // Without it, the launcher ends them.
        let _ = fs::write(self.folder.join("cgroup.kill"), "1");
    }

    fn make(&self, resources: &Resources) -> io::Result<()> {
        fs::create_dir(&self.folder)?;
        let has = |name| !self.without.contains(&name);
        let set = |file: &str, value: String| fs::write(self.folder.join(file), value);
        if has("memory") {
            set("memory.max", resources.memory.as_bytes().to_string())?;
            // One that is too large ends as a whole, not half of it.
            set("memory.oom.group", "1".to_owned())?;
        }
        if has("pids") {
            // The launcher is one of them.
            set("pids.max", (resources.pids + 1).to_string())?;
        }
        if has("cpu") {
            let quota = PERIOD_US * u64::from(resources.cpu_percent) / 100;
            set("cpu.max", format!("{quota} {PERIOD_US}"))?;
        }
        Ok(())
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        // One that is not empty is the next start's to sweep.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Removes the groups that an earlier run of the host left, which was killed. Nothing of it lives:
/// its launchers died with it.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_ours = name
            .to_str()
            .and_then(|name| name.rsplit_once('-'))
            .is_some_and(|(_, run)| run.parse::<Id>().is_ok());
        if is_ours && entry.path().is_dir() {
            // One with something in it stays, and is told of nowhere else.
            if let Err(error) = fs::remove_dir(entry.path()) {
                tracing::warn!(group = %entry.path().display(), %error, "a control group of an earlier run stays");
            }
        }
    }
}

/// This process's own group.
fn own_group() -> Result<PathBuf, String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let (Some(root), Some(path)) = (mount_point(&mounts), own_path(&groups)) else {
        return Err("this system has no control groups of version 2".to_owned());
    };
    let folder = root.join(path.trim_start_matches('/'));
    if folder.join("cgroup.type").exists() {
        Ok(folder)
    } else {
        Err("the host runs in the machine's own control group; under systemd with Delegate=yes it would have one".to_owned())
    }
}

fn mount_point(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let is_v2 = after.split(' ').next() == Some("cgroup2");
        is_v2.then(|| before.split(' ').nth(4).map(PathBuf::from))?
    })
}

fn own_path(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| line.strip_prefix("0::"))
}

/// Moves the host aside and hands its controllers on.
fn prepare(folder: &Path, own: u32) -> Result<Delegated, String> {
    let words = |what: &str, error: &io::Error| {
        format!(
            "the control group {} is not the host's to use ({what}: {error}); under systemd, Delegate=yes would make it so",
            folder.display()
        )
    };
    let read = |name: &str| {
        fs::read_to_string(folder.join(name)).map_err(|error| words("reading", &error))
    };
    let host = folder.join(HOST);
    match fs::create_dir(&host) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(words("making one below it", &error));
        }
        _ => {}
    }
    let inside = read("cgroup.procs")?;
    if let Some(other) = inside.lines().find(|pid| *pid != own.to_string()) {
        let _ = fs::remove_dir(&host);
        return Err(format!(
            "the host shares the control group {} with process {other}",
            folder.display()
        ));
    }
    fs::write(host.join("cgroup.procs"), own.to_string())
        .map_err(|error| words("moving the host aside", &error))?;
    let offered = read("cgroup.controllers")?;
    let controllers: Vec<String> = CONTROLLERS
        .into_iter()
        .filter(|name| offered.split_whitespace().any(|one| one == *name))
        .filter(|name| fs::write(folder.join("cgroup.subtree_control"), format!("+{name}")).is_ok())
        .map(str::to_owned)
        .collect();
    Ok(Delegated {
        folder: folder.to_owned(),
        controllers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a delegated group that holds one process.
    fn group(controllers: &str, inside: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cgroup.controllers"), controllers).unwrap();
        fs::write(folder.path().join("cgroup.procs"), inside).unwrap();
        folder
    }

    fn id() -> Id {
        crate::clock::new_id(&crate::clock::SystemClock)
    }

    #[test]
    fn a_leaf_carries_the_modules_limits() {
        let folder = group("cpuset cpu io memory pids", "42\n");
        let groups = ControlGroups(prepare(folder.path(), 42));
        let resources = Resources::default();
        let leaf = groups
            .leaf(&"m".parse().unwrap(), id(), &resources)
            .unwrap();
        let read = |name: &str| fs::read_to_string(leaf.folder().join(name)).unwrap();
        assert_eq!(read("memory.max"), (256_u64 << 20).to_string());
        assert_eq!(read("memory.oom.group"), "1");
        assert_eq!(read("pids.max"), "65");
        assert_eq!(read("cpu.max"), "100000 100000");
        leaf.kill();
        assert_eq!(read("cgroup.kill"), "1");
        assert!(leaf.without.is_empty());
        let host = folder.path().join("host/cgroup.procs");
        assert_eq!(fs::read_to_string(host).unwrap(), "42");
    }

    #[test]
    fn controllers_that_are_not_there_are_told() {
        let folder = group("pids", "");
        let groups = ControlGroups(prepare(folder.path(), 42));
        let leaf = groups
            .leaf(&"m".parse().unwrap(), id(), &Resources::default())
            .unwrap();
        assert_eq!(leaf.without, ["memory", "cpu"]);
        assert!(!leaf.folder().join("memory.max").exists());
    }

    #[test]
    fn a_group_with_others_in_it_is_left_alone() {
        let folder = group("memory", "42\n77\n");
        let why = prepare(folder.path(), 42).unwrap_err();
        assert!(why.contains("77"), "{why}");
        assert!(!folder.path().join("host").exists());
        assert!(!folder.path().join("cgroup.subtree_control").exists());
    }

    #[test]
    fn what_an_earlier_run_left_is_swept_and_nothing_else() {
        let folder = group("memory", "42\n");
        let made = |name: String| {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let left = made(format!("a-module-{}", id()));
        let others = [made("host".to_owned()), made("some-service".to_owned())];
        sweep(folder.path());
        assert!(!left.exists());
        assert!(others.iter().all(|other| other.exists()));
    }

    #[test]
    fn the_own_group_is_found_among_mounts() {
        let mounts = "24 1 0:22 / /sys/fs/cgroup/cpu rw shared:1 - cgroup cgroup rw,cpu\n\
                      30 1 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            mount_point(mounts),
            Some(PathBuf::from("/sys/fs/cgroup/unified"))
        );
        assert_eq!(
            own_path("1:cpu:/a\n0::/system.slice/b\n"),
            Some("/system.slice/b")
        );
        assert_eq!(mount_point("nothing"), None);
    }
}
