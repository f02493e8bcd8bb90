//! A user of its own for each module, where the host may switch users.
//!
//! The numbers lie where no person, service or container has any. The first is drawn by chance, so
//! that two hosts on one machine do not share users; from then on the store remembers them all.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;

use bllvm_launch::User;
use bllvm_manifest::ModuleName;
use rustix::thread::CapabilitySet;

use super::reach;
use crate::store::Store;
use crate::store::commands::TakeUser;

/// Numbers of one host.
const COUNT: u32 = 4096;
/// Nobody's, by systemd's table of user numbers: it lies above those of containers.
const FIRST: u32 = 1_880_000_000;
const BLOCKS: u32 = 60_000;
/// Where only the lower numbers exist, as in a container: kept free by Debian's policy.
const FIRST_SMALL: u32 = 30_000;
const BLOCKS_SMALL: u32 = 7;

/// The folders of the data directory that modules' users pass through or read from.
const OPEN: [&str; 2] = ["module-data", "store"];
/// The modules themselves: operators put them there and decide who reads them.
const MODULES: &str = "modules";

/// Whether modules get users of their own, and which.
#[derive(Debug)]
pub struct Users(Result<u32, String>);

impl Users {
    /// Finds out what this host may do; prepares its data directory where it may.
    pub fn find(data_dir: &Path) -> Self {
        let found = first().and_then(|first| {
            open_the_way(data_dir)
                .map(|()| first)
                .map_err(|error| format!("{} could not be prepared: {error}", data_dir.display()))
        });
        Self(found)
    }

    /// Whom a module runs as. `reads` are the files that its start needs, and whether they are
    /// executed.
    pub async fn of(
        &self,
        store: &Store,
        module: &ModuleName,
        data_dir: &Path,
        reads: &[(&Path, bool)],
    ) -> User {
        let host = |why: String| User::Host { why };
        let first = match &self.0 {
            Ok(first) => *first,
            Err(why) => return host(why.clone()),
        };
        let closed = reads
            .iter()
            .find_map(|(path, execute)| reach::closed(path, *execute));
        if let Some(why) = reach::closed_above(data_dir).or(closed) {
            return host(why);
        }
        let take = TakeUser {
            module: module.clone(),
            first,
            count: COUNT,
        };
        match store.commit(take).await {
            Ok(Some(uid)) => User::Own(uid),
            Ok(None) => host(format!("all {COUNT} users of this host are taken")),
            Err(error) => host(format!("its user could not be recorded: {error}")),
        }
    }
}

/// The first number, drawn; or why there are none.
fn first() -> Result<u32, String> {
    let needed = CapabilitySet::SETUID
        | CapabilitySet::SETGID
        | CapabilitySet::CHOWN
        | CapabilitySet::KILL
        | CapabilitySet::DAC_OVERRIDE
        | CapabilitySet::FOWNER;
    let held = rustix::thread::capabilities(None).map(|sets| sets.effective);
    if !held.is_ok_and(|held| held.contains(needed)) {
        return Err(
            "the host is not the superuser, who alone may start programs as others".to_owned(),
        );
    }
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let (from, blocks) = [(FIRST, BLOCKS), (FIRST_SMALL, BLOCKS_SMALL)]
        .into_iter()
        .find(|(from, blocks)| is_mapped(&map, *from, blocks * COUNT))
        .ok_or("this container has no user numbers to spare")?;
    let mut chance = [0; 4];
    getrandom::fill(&mut chance).map_err(|error| format!("no random number: {error}"))?;
    Ok(from + u32::from_ne_bytes(chance) % blocks * COUNT)
}

/// Whether a range of users exists here.
fn is_mapped(map: &str, first: u32, count: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(inside)), _, Some(Ok(length))) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return false;
        };
        inside <= u64::from(first) && u64::from(first) + u64::from(count) <= inside + length
    })
}

/// Lets modules' users pass through the data directory to their own, and closes everything else
/// in it to them.
fn open_the_way(data_dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(data_dir)? {
        let entry = entry?;
        let found = entry.metadata()?;
        if found.is_symlink() || OPEN.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let mode = found.permissions().mode();
        let closed = if entry.file_name() == MODULES {
            mode | 0o011
        } else {
            mode & !0o077
        };
        fs::set_permissions(entry.path(), Permissions::from_mode(closed))?;
    }
    for name in OPEN {
        let path = data_dir.join(name);
        make_dir(&path, 0o711)?;
        fs::set_permissions(path, Permissions::from_mode(0o711))?;
    }
    fs::set_permissions(data_dir, Permissions::from_mode(0o711))
}

/// Makes a module's data directory, and gives it and everything in it to whom the module runs as.
pub fn give_data_dir(path: &Path, user: &User) -> io::Result<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    make_dir(path, 0o700)?;
    let uid = match user {
        User::Own(uid) => *uid,
        User::Host { .. } => rustix::process::geteuid().as_raw(),
    };
    let gid = match user {
        User::Own(uid) => *uid,
        User::Host { .. } => rustix::process::getegid().as_raw(),
    };
    let found = path.symlink_metadata()?;
    if !found.is_dir() {
        return Err(io::Error::other("it is no directory"));
    }
    if found.uid() == uid {
        return Ok(());
    }
    give_all(path, uid, gid)?;
    // Last, so that a host that is killed on the way begins anew.
    chown(path, Some(uid), Some(gid))
}

fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Gives away what is below a folder. Nothing runs in it now. A file with a second name is left
/// alone: the other name may be outside, put there when the module ran as the host's user.
fn give_all(folder: &Path, uid: u32, gid: u32) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let found = path.symlink_metadata()?;
        if found.is_dir() {
            give_all(&path, uid, gid)?;
        } else if found.nlink() > 1 {
            continue;
        }
        std::os::unix::fs::lchown(&path, Some(uid), Some(gid))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_mapped_only_as_a_whole() {
        let all = "         0          0 4294967295\n";
        assert!(is_mapped(all, FIRST, BLOCKS * COUNT));
        let container = "0 100000 65536\n";
        assert!(!is_mapped(container, FIRST, 1));
        assert!(is_mapped(container, FIRST_SMALL, BLOCKS_SMALL * COUNT));
        assert!(!is_mapped("0 1000 1\n1 100000 65536", 0, 2));
        assert!(!is_mapped("", 0, 1));
        assert!(!is_mapped("nonsense here too", 0, 1));
    }

    #[test]
    fn the_numbers_stay_below_two_to_the_31() {
        assert!(u64::from(FIRST) + u64::from(BLOCKS) * u64::from(COUNT) < 1 << 31);
    }

    #[test]
    fn the_data_directory_is_opened_for_passing_and_closed_for_reading() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret.key");
        fs::write(&file, "x").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        open_the_way(folder.path()).unwrap();
        let mode = |name: &str| {
            let found = folder.path().join(name).metadata().unwrap();
            found.permissions().mode() & 0o777
        };
        assert_eq!(mode("secret.key"), 0o600);
        assert_eq!(mode("logs"), 0o700);
        assert_eq!(mode("module-data"), 0o711);
        assert_eq!(mode("."), 0o711);
    }

    #[test]
    fn a_data_directory_changes_hands_with_what_is_in_it() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only the superuser gives files away");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("module-data/m");
        give_data_dir(&data, &User::Host { why: String::new() }).unwrap();
        fs::create_dir(data.join("sub")).unwrap();
        fs::write(data.join("sub/file"), "x").unwrap();
        let outside = folder.path().join("outside");
        fs::write(&outside, "x").unwrap();
        fs::hard_link(&outside, data.join("link")).unwrap();
        give_data_dir(&data, &User::Own(4242)).unwrap();
        for path in [data.clone(), data.join("sub"), data.join("sub/file")] {
            let found = path.metadata().unwrap();
            assert_eq!(
                (found.uid(), found.gid()),
                (4242, 4242),
                "{}",
                path.display()
            );
        }
        assert_eq!(outside.metadata().unwrap().uid(), 0);
        give_data_dir(&data, &User::Host { why: String::new() }).unwrap();
        assert_eq!(data.join("sub/file").metadata().unwrap().uid(), 0);
    }
}
