//! A view of the machine of the module's own: processes, mounts, network, IPC.
//!
//! The superuser makes them at once. Anybody else needs a user namespace for that, which systems
//! may forbid; whether this one does is found out by a child, because a namespace that was entered
//! and then refused its names could not be left again.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bllvm_launch::{Hold, Layer, Policy};

use crate::report::{Status, found};

/// What was made of the launcher's view of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// It is in a user namespace of its own.
    pub own_users: bool,
    /// Its next child is the first of a PID namespace.
    pub child_is_first: bool,
    /// Its mounts are its own.
    pub own_mounts: bool,
}

const SWITCHED_OFF: &str = "switched off by the host";

/// Makes what can be made, and tells about each.
pub fn enter(policy: &Policy, is_init: bool, status: &mut Status) -> View {
    let mut view = View::default();
    let may = rustix::thread::capabilities(None).is_ok_and(|sets| {
        sets.effective
            .contains(rustix::thread::CapabilitySet::SYS_ADMIN)
    });
    let mut why = None;
    if !policy.sandbox.namespaces {
        why = Some(SWITCHED_OFF.to_owned());
    } else if may {
        found(
            status,
            Layer::UserNamespace,
            Hold::NotNeeded,
            "the host is the superuser and makes the others without",
        );
    } else {
        match own_users() {
            Ok(()) => view.own_users = true,
            Err(error) => {
                why = Some(format!("the system lets this host make none: {error}"));
            }
        }
        let (hold, detail) = match &why {
            None => (Hold::Enforced, "its user is nobody elsewhere".to_owned()),
            Some(why) => (Hold::Unavailable, why.clone()),
        };
        found(status, Layer::UserNamespace, hold, detail);
    }
    let namespace = |flag| match &why {
        Some(why) => Err(why.clone()),
        None => unshare(flag).map_err(|error| format!("the system refused: {error}")),
    };
    if !is_init {
        view.child_is_first = namespace(libc::CLONE_NEWPID).is_ok();
    }
    tell(
        status,
        Layer::PidNamespace,
        if is_init || view.child_is_first {
            Ok("its processes see only each other and end together".to_owned())
        } else {
            Err("none could be made; its descendants are reaped and killed one by one".to_owned())
        },
    );
    let ipc = namespace(libc::CLONE_NEWIPC);
    tell(
        status,
        Layer::IpcNamespace,
        ipc.map(|()| "it shares no memory or queues with others".to_owned()),
    );
    if policy.sandbox.connect.is_none() && !policy.sandbox.udp {
        let network = namespace(libc::CLONE_NEWNET);
        tell(
            status,
            Layer::NetworkNamespace,
            network.map(|()| "its network has nobody in it".to_owned()),
        );
    } else {
        found(
            status,
            Layer::NetworkNamespace,
            Hold::NotNeeded,
            "it was granted the network",
        );
    }
    let mounts = namespace(libc::CLONE_NEWNS);
    view.own_mounts = mounts.is_ok();
    let mounts = mounts.and_then(|()| {
        own_mounts(&policy.data_dir).map_err(|error| format!("the system refused: {error}"))
    });
    tell(
        status,
        Layer::MountNamespace,
        mounts.map(|()| {
            "nothing but its data directory can be written, and nothing in there can be executed"
                .to_owned()
        }),
    );
    view
}

fn tell(status: &mut Status, layer: Layer, made: Result<String, String>) {
    match made {
        Ok(detail) => found(status, layer, Hold::Enforced, detail),
        Err(why) => found(status, layer, Hold::Unavailable, why),
    };
}

#[expect(unsafe_code, reason = "namespaces of this process")]
fn unshare(flag: libc::c_int) -> io::Result<()> {
    // SAFETY: no pointers are involved.
    if unsafe { libc::unshare(flag) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A user namespace in which our own user and group are the only ones.
fn own_users() -> io::Result<()> {
    in_a_child(map_own_user)?;
    map_own_user()
}

fn map_own_user() -> io::Result<()> {
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    unshare(libc::CLONE_NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    // Some systems let the namespace be made and then give no rights in it.
    unshare(libc::CLONE_NEWIPC)
}

/// Tries something where it cannot do harm.
#[expect(unsafe_code, reason = "fork; this program has one thread")]
fn in_a_child(attempt: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    // SAFETY: with one thread, the child may do whatever the parent may; the parent waits for it.
    unsafe {
        match libc::fork() {
            -1 => Err(io::Error::last_os_error()),
            0 => libc::_exit(match attempt() {
                Ok(()) => 0,
                Err(error) => error.raw_os_error().map_or(255, |code| code.min(255)),
            }),
            child => {
                let mut end = 0;
                if libc::waitpid(child, &raw mut end, 0) != child {
                    return Err(io::Error::last_os_error());
                }
                match libc::WEXITSTATUS(end) {
                    0 if libc::WIFEXITED(end) => Ok(()),
                    code => Err(io::Error::from_raw_os_error(code)),
                }
            }
        }
    }
}

/// Everything read-only and without set-user-id, but the data directory: that is writable, and
/// nothing in it can be executed.
fn own_mounts(data_dir: &Path) -> io::Result<()> {
    let data_dir = CString::new(data_dir.as_os_str().as_bytes())?;
    mount(None, c"/", libc::MS_REC | libc::MS_PRIVATE)?;
    mount(Some(&data_dir), &data_dir, libc::MS_BIND)?;
    set_attributes(
        c"/",
        true,
        libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID,
        0,
    )?;
    set_attributes(
        &data_dir,
        false,
        libc::MOUNT_ATTR_NOEXEC | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        libc::MOUNT_ATTR_RDONLY,
    )
}

/// A view of the processes of our namespace only. Where an outer container hides parts of /proc,
/// the kernel refuses it, and Landlock alone keeps the others' entries from being read.
#[expect(unsafe_code, reason = "mounting")]
pub fn own_proc() {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // SAFETY: the strings live through the call.
    unsafe {
        libc::mount(
            c"proc".as_ptr(),
            c"/proc".as_ptr(),
            c"proc".as_ptr(),
            flags,
            std::ptr::null(),
        );
    }
}

#[expect(unsafe_code, reason = "mounting")]
fn mount(from: Option<&CString>, to: &std::ffi::CStr, flags: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the strings live through the call; null stands for what the flags do not need.
    let result = unsafe {
        libc::mount(
            from.map_or(std::ptr::null(), |from| from.as_ptr()),
            to.as_ptr(),
            std::ptr::null(),
            flags,
            std::ptr::null(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Adds attributes without a need to know those that are there.
#[expect(unsafe_code, reason = "mounting")]
fn set_attributes(path: &std::ffi::CStr, below: bool, set: u64, clear: u64) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: set,
        attr_clr: clear,
        propagation: 0,
        userns_fd: 0,
    };
    let flags = if below { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: path and attributes live through the call, which is told their size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
