//! The parent's work: die with the host, pass signals on, reap, leave nothing behind.

use std::process::ExitCode;

use bllvm_launch::{Hold, Layer, Policy, Program, Report};

use crate::module;
use crate::report::{Failure, Status, found};
use crate::sandbox::namespaces::{self, View};

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

/// Whether this process is the first of a PID namespace.
pub fn is_init() -> bool {
    std::process::id() == 1
}

/// What this process is to do next.
pub enum Role {
    /// Start the module and watch it.
    Parent {
        /// How many generations below the launcher the module will be.
        generations: u32,
    },
    /// Its work is done: this is how it ends.
    Done(ExitCode),
}

/// Makes this process fit to be a module's parent.
#[expect(unsafe_code, reason = "plain system calls on our own process")]
pub fn become_parent(policy: &Policy, status: &mut Status) -> Result<(), Failure> {
    let watched = watched();
    // SAFETY: `watched` lives through the calls.
    unsafe {
        libc::sigprocmask(libc::SIG_BLOCK, &raw const watched, std::ptr::null_mut());
        // Descendants that lose their parent become ours; as PID 1 they do anyway.
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        libc::setsid();
    }
    die_with_parent()?;
    if status.is_orphaned() {
        std::process::exit(1);
    }
    close_the_rest(policy)?;
    found(
        status,
        Layer::Descriptors,
        Hold::Enforced,
        "it inherits its channel, its listeners and three standard streams, and nothing else",
    );
    join_control_group(policy, status);
    Ok(())
}

#[expect(unsafe_code, reason = "plain system calls on our own process")]
fn die_with_parent() -> Result<(), Failure> {
    let death_signal = if is_init() { libc::SIGKILL } else { HOST_DIED };
    // SAFETY: no pointers are involved.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, death_signal, 0, 0, 0) } != 0 {
        return Err(Failure::last("tie this process to the host"));
    }
    Ok(())
}

fn join_control_group(policy: &Policy, status: &mut Status) {
    // Where there is none, the host tells why.
    let Some(folder) = &policy.sandbox.control_group else {
        return;
    };
    match std::fs::write(folder.join("cgroup.procs"), "0") {
        Ok(()) => found(
            status,
            Layer::ControlGroup,
            Hold::Enforced,
            "memory, processes and processor time of all its processes together",
        ),
        Err(error) => found(
            status,
            Layer::ControlGroup,
            Hold::Unavailable,
            format!("it could not be joined: {error}"),
        ),
    };
}

/// Becomes the first process of the namespace that was made, where one was; this process then
/// passes on signals to it, and its end.
#[expect(unsafe_code, reason = "fork; this program has one thread")]
pub fn become_first(policy: &Policy, view: View, status: &mut Status) -> Result<Role, Failure> {
    // A new user namespace takes the death signal away.
    die_with_parent()?;
    if status.is_orphaned() {
        std::process::exit(1);
    }
    if !view.child_is_first {
        if is_init() && view.own_mounts {
            namespaces::own_proc();
        }
        return Ok(Role::Parent { generations: 1 });
    }
    let (alive, hold) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|_| Failure::last("open a pipe"))?;
    // SAFETY: with one thread, the child may do whatever the parent may.
    match unsafe { libc::fork() } {
        -1 => Err(Failure::last("start a process")),
        0 => {
            drop(hold);
            die_with_parent()?;
            if is_closed(&alive) {
                std::process::exit(1);
            }
            if view.own_mounts {
                namespaces::own_proc();
            }
            Ok(Role::Parent { generations: 2 })
        }
        first => {
            drop(alive);
            module::close_what_is_the_modules(policy);
            status.close();
            close_to_others();
            Ok(Role::Done(pass_on(first)))
        }
    }
}

/// A module of our own user cannot look into us from now on.
#[expect(unsafe_code, reason = "a plain system call on our own process")]
pub fn close_to_others() {
    // SAFETY: no pointers are involved.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
}

/// Whether the other end of a pipe is gone.
fn is_closed(pipe: &std::os::fd::OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(pipe, PollFlags::IN)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&at_once)).is_ok_and(|_| fds[0].revents().contains(PollFlags::HUP))
}

/// Waits for the end of the namespace's first process, with which all in it end.
#[expect(unsafe_code, reason = "waiting for signals and a child")]
fn pass_on(first: i32) -> ExitCode {
    let watched = watched();
    loop {
        // SAFETY: the sets and the status live through the calls.
        let (signal, ended, status) = unsafe {
            let signal = libc::sigwaitinfo(&raw const watched, std::ptr::null_mut());
            let mut status = 0;
            let ended = libc::waitpid(first, &raw mut status, libc::WNOHANG) == first;
            (signal, ended, status)
        };
        if ended {
            let code = if libc::WIFSIGNALED(status) {
                128 + libc::WTERMSIG(status)
            } else {
                libc::WEXITSTATUS(status)
            };
            return ExitCode::from(u8::try_from(code).unwrap_or(1));
        }
        match signal {
            libc::SIGTERM | libc::SIGINT => send(first, libc::SIGTERM),
            KILL_ALL | HOST_DIED => send(first, libc::SIGKILL),
            _ => {}
        }
    }
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
