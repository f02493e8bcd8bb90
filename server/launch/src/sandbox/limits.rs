//! Resource limits, set before the program runs.

use bllvm_launch::{Hold, Layer, Limits};

use crate::report::{Found, Status, found};

/// What the limits on processes are counted over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedOver {
    /// The module's own processes.
    Module,
    /// Everything that the host's user runs.
    HostUser,
}

/// Sets the limits.
pub fn apply(limits: &Limits, counted: CountedOver, status: &mut Status) -> Found {
    let each = [
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_NOFILE, limits.files),
        // Private memory, not address space: runtimes reserve much more of that than they use.
        (libc::RLIMIT_DATA, limits.memory_bytes),
        (libc::RLIMIT_FSIZE, limits.file_bytes),
    ];
    if let Some(error) = each
        .iter()
        .find_map(|(what, most)| limit(*what, *most).err())
    {
        return found(
            status,
            Layer::Limits,
            Hold::Unavailable,
            format!("the system refused: {error}"),
        );
    }
    if counted == CountedOver::HostUser {
        // A limit would count what the user's other programs run.
        return found(
            status,
            Layer::Limits,
            Hold::Partial,
            "memory, open files and the size of files are limited for each process; the number \
             of its processes is not, because it has neither a user nor a user namespace of its own",
        );
    }
    match limit(libc::RLIMIT_NPROC, limits.processes) {
        Ok(()) => found(
            status,
            Layer::Limits,
            Hold::Enforced,
            "memory, open files and the size of files of each process, and the number of processes",
        ),
        Err(error) => found(
            status,
            Layer::Limits,
            Hold::Partial,
            format!("the number of its processes could not be limited: {error}"),
        ),
    }
}

#[expect(unsafe_code, reason = "plain system calls on our own process")]
fn limit(what: libc::__rlimit_resource_t, most: u64) -> std::io::Result<()> {
    let mut now = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `now` lives through both calls.
    unsafe {
        if libc::getrlimit(what, &raw mut now) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        // An unprivileged host cannot raise what it was given itself.
        now.rlim_max = now.rlim_max.min(most);
        now.rlim_cur = now.rlim_max;
        if libc::setrlimit(what, &raw const now) != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}
