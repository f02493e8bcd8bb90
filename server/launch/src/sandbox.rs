//! What a process gives up before it becomes the module.
//!
//! Today: privileges by exec, limits, the file mode mask. Landlock, seccomp, the mount and network
//! namespaces and the control group belong in [`enter`], after the limits and before the program;
//! each reports itself as a layer in [`layers`].

use bllvm_launch::{Policy, Report};

/// The layers that [`enter`] makes, as reports.
pub fn layers(is_init: bool) -> Vec<Report> {
    let layer = |layer: &str, enforced, detail: &str| Report::Layer {
        layer: layer.to_owned(),
        enforced,
        detail: detail.to_owned(),
    };
    vec![
        layer(
            "pid_namespace",
            is_init,
            if is_init {
                "its processes see only each other and end together"
            } else {
                "the host may not make one; descendants are reaped and killed one by one"
            },
        ),
        layer("no_new_privileges", true, "no program can raise its rights"),
        layer(
            "limits",
            true,
            "private memory and open files of each process; no core files",
        ),
    ]
}

/// Gives up what the module shall not have. Returns the step's number where one fails.
#[expect(unsafe_code, reason = "plain system calls on our own process")]
pub fn enter(policy: &Policy) -> Result<(), u8> {
    // SAFETY: no pointers are involved.
    unsafe {
        libc::umask(0o077);
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return Err(2);
        }
    }
    limit(libc::RLIMIT_CORE, 0)?;
    limit(libc::RLIMIT_NOFILE, policy.files)?;
    limit(libc::RLIMIT_DATA, policy.memory_bytes)
}

#[expect(unsafe_code, reason = "plain system calls on our own process")]
fn limit(what: libc::__rlimit_resource_t, most: u64) -> Result<(), u8> {
    let mut now = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `now` lives through both calls.
    unsafe {
        if libc::getrlimit(what, &raw mut now) != 0 {
            return Err(2);
        }
        // An unprivileged host cannot raise what it was given itself.
        now.rlim_max = now.rlim_max.min(most);
        now.rlim_cur = now.rlim_max;
        if libc::setrlimit(what, &raw const now) != 0 {
            return Err(2);
        }
    }
    Ok(())
}
