//! Who the module is: a user of its own, without capabilities, for ever.

use std::io;

use bllvm_launch::{Hold, Layer, User};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::report::{Found, Status, found};

/// Becomes the module's own user, where it has one.
pub fn become_user(user: &User, status: &mut Status) -> Found {
    let uid = match user {
        User::Own(uid) => *uid,
        User::Host { why } => return found(status, Layer::OwnUser, Hold::Unavailable, why),
    };
    match switch(uid) {
        Ok(()) => found(
            status,
            Layer::OwnUser,
            Hold::Enforced,
            format!("user {uid}, which nothing else on this machine runs as"),
        ),
        Err(error) => found(
            status,
            Layer::OwnUser,
            Hold::Unavailable,
            format!("the system refused user {uid}: {error}"),
        ),
    }
}

/// By the system calls themselves: the C library's functions would tell threads that are not there.
#[expect(unsafe_code, reason = "plain system calls on our own process")]
fn switch(uid: u32) -> io::Result<()> {
    // SAFETY: no group is read from the null pointer, because none is announced.
    unsafe {
        for result in [
            libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()),
            libc::syscall(libc::SYS_setresgid, uid, uid, uid),
            libc::syscall(libc::SYS_setresuid, uid, uid, uid),
        ] {
            if result != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

/// Nothing that this process executes from now on can raise its rights.
pub fn no_new_privileges(status: &mut Status) -> Found {
    match rustix::thread::set_no_new_privs(true) {
        Ok(()) => found(
            status,
            Layer::NoNewPrivileges,
            Hold::Enforced,
            "no program can raise its rights",
        ),
        Err(error) => found(
            status,
            Layer::NoNewPrivileges,
            Hold::Unavailable,
            format!("the system refused: {error}"),
        ),
    }
}

/// Empties the set that limits what any later program could get. Must come before the change of
/// user, which takes the right to do so.
pub fn empty_bounding_set() {
    for bit in 0..64 {
        let Some(capability) = CapabilitySet::from_bits(1 << bit).filter(|set| !set.is_empty())
        else {
            continue;
        };
        // Where the right is missing, no-new-privileges does the same.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
}

/// Gives up every capability.
pub fn drop_capabilities(status: &mut Status) -> Found {
    match drop_all() {
        Ok(()) => found(
            status,
            Layer::Capabilities,
            Hold::Enforced,
            "it has none of the superuser's rights",
        ),
        Err(error) => found(
            status,
            Layer::Capabilities,
            Hold::Unavailable,
            format!("they could not be given up: {error}"),
        ),
    }
}

fn drop_all() -> io::Result<()> {
    // Old kernels have no ambient set, and nothing to clear.
    let _ = rustix::thread::clear_ambient_capability_set();
    keep_only(CapabilitySet::empty())?;
    let left = rustix::thread::capabilities(None)?;
    let all = left.effective | left.permitted | left.inheritable;
    if all.is_empty() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{all:?} are left")))
    }
}

/// Gives up every capability but these.
pub fn keep_only(kept: CapabilitySet) -> io::Result<()> {
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}
