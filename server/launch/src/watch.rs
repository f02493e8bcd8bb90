//! The parent's work: die with the host, pass signals on, reap, leave nothing behind.

use std::process::ExitCode;

use bllvm_launch::{Policy, Program, Report};

use crate::report::{Failure, Status};
use crate::{module, sandbox};

/// The host asks for everything to be killed at once.
const KILL_ALL: i32 = libc::SIGUSR1;
/// The host has died; as PID 1 the kernel's own SIGKILL does the same for all.
const HOST_DIED: i32 = libc::SIGHUP;

const WATCHED: [i32; 5] = [
    libc::SIGTERM,
    libc::SIGINT,
    HOST_DIED,
    KILL_ALL,
    libc::SIGCHLD,
];

fn is_init() -> bool {
    std::process::id() == 1
}

/// Makes this process fit to be a module's parent.
#[expect(unsafe_code, reason = "plain system calls on our own process")]
pub fn become_parent(policy: &Policy, status: &mut Status) -> Result<(), Failure> {
    let death_signal = if is_init() { libc::SIGKILL } else { HOST_DIED };
    let watched = watched();
    // SAFETY: `watched` lives through the calls.
    unsafe {
        libc::sigprocmask(libc::SIG_BLOCK, &raw const watched, std::ptr::null_mut());
        if libc::prctl(libc::PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0 {
            return Err(Failure::last("tie this process to the host"));
        }
        // Descendants that lose their parent become ours; as PID 1 they do anyway.
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        libc::setsid();
    }
    if status.is_orphaned() {
        std::process::exit(1);
    }
    close_the_rest(policy)?;
    for layer in sandbox::layers(is_init()) {
        status.send(&layer);
    }
    Ok(())
}

/// Whatever else the host had open is not for us: closed, and what is ours is not passed on.
#[expect(unsafe_code, reason = "descriptors by number")]
fn close_the_rest(policy: &Policy) -> Result<(), Failure> {
    let program = match policy.program {
        Program::Descriptor(fd) => fd,
        Program::Path(_) => policy.status_fd,
    };
    let last = policy
        .status_fd
        .max(program)
        .max(module::inherited(policy).end - 1);
    // SAFETY: `last` is the highest descriptor in use here.
    unsafe {
        for own in [policy.status_fd, program] {
            if libc::fcntl(own, libc::F_SETFD, libc::FD_CLOEXEC) != 0 {
                return Err(Failure::last("keep descriptors from the module"));
            }
        }
        let first = libc::c_uint::try_from(last + 1).unwrap_or(libc::c_uint::MAX);
        if libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) != 0 {
            return Err(Failure::last("close descriptors"));
        }
    }
    Ok(())
}

/// Waits for the module's end, reports it, and kills what it left.
#[expect(unsafe_code, reason = "waiting for signals and children")]
pub fn until_the_end(module: i32, status: &mut Status) -> ExitCode {
    let watched = watched();
    loop {
        // SAFETY: `watched` lives through the call.
        let signal = unsafe { libc::sigwaitinfo(&raw const watched, std::ptr::null_mut()) };
        match signal {
            libc::SIGTERM | libc::SIGINT => send(-module, libc::SIGTERM),
            KILL_ALL | HOST_DIED => {
                kill_the_rest(module);
                return ExitCode::from(137);
            }
            _ => {}
        }
        if let Some(end) = reap_until(module) {
            status.send(&end);
            kill_the_rest(module);
            return match end {
                Report::Exited { code } => ExitCode::from(u8::try_from(code).unwrap_or(1)),
                Report::Signalled { signal } => {
                    ExitCode::from(u8::try_from(128 + signal).unwrap_or(1))
                }
                _ => ExitCode::FAILURE,
            };
        }
    }
}

/// Reaps whoever has ended; tells when it was the module.
#[expect(unsafe_code, reason = "waiting for children")]
fn reap_until(module: i32) -> Option<Report> {
    loop {
        let mut status = 0;
        // SAFETY: `status` lives through the call.
        let reaped = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if reaped == module {
            return Some(if libc::WIFSIGNALED(status) {
                Report::Signalled {
                    signal: libc::WTERMSIG(status),
                }
            } else {
                Report::Exited {
                    code: libc::WEXITSTATUS(status),
                }
            });
        }
        if reaped <= 0 {
            return None;
        }
    }
}

/// Kills the module's group and every descendant, and reaps them all.
#[expect(unsafe_code, reason = "waiting for children")]
fn kill_the_rest(module: i32) {
    send(-module, libc::SIGKILL);
    loop {
        if is_init() {
            send(-1, libc::SIGKILL);
        } else {
            // A killed process's own children become ours and are found in the next round.
            for child in children() {
                send(child, libc::SIGKILL);
            }
        }
        // SAFETY: no pointer is given.
        if unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } < 0 {
            return;
        }
    }
}

/// Our children, by what /proc says of everybody's parent.
fn children() -> Vec<i32> {
    let own = std::process::id().to_string();
    let Ok(all) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    all.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        let pid: i32 = name.to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may contain anything; what follows its end is regular.
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
        (parent == own).then_some(pid)
    })
    .collect()
}

#[expect(unsafe_code, reason = "sending signals")]
fn send(to: i32, signal: i32) {
    // SAFETY: no pointers are involved. Whoever is gone already needs no signal.
    unsafe { libc::kill(to, signal) };
}

#[expect(unsafe_code, reason = "filling a signal set")]
fn watched() -> libc::sigset_t {
    // SAFETY: an all-zero set is a valid place to empty and fill.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in WATCHED {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}
