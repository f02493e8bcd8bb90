//! The child that becomes the module.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use bllvm_launch::{Policy, Program, Report};

use crate::report::{Failure, STEPS, Status};
use crate::sandbox::{self, Secret};

/// Forks, and executes the module in the child. Returns when the program runs.
#[expect(unsafe_code, reason = "fork; this program has one thread")]
pub fn start(policy: &Policy, own_users: bool, status: &mut Status) -> Result<i32, Failure> {
    let (refusal, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|_| Failure::last("open a pipe"))?;
    let parent = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: with one thread, the child may do whatever the parent may.
    match unsafe { libc::fork() } {
        -1 => Err(Failure::last("start a process")),
        0 => become_module(policy, parent, own_users, status, &tell),
        child => {
            drop(tell);
            close_what_is_the_modules(policy);
            sandbox::keep_right_to_kill();
            crate::watch::close_to_others();
            let mut answer = [0; 5];
            if File::from(refusal).read_exact(&mut answer).is_err() {
                // Closed by a successful exec.
                return Ok(child);
            }
            let step = usize::from(answer[0]).min(STEPS.len() - 1);
            Err(Failure {
                errno: i32::from_ne_bytes([answer[1], answer[2], answer[3], answer[4]]),
                what: STEPS[step],
            })
        }
    }
}

/// The channel and the listeners are the module's alone: its end must be seen.
#[expect(unsafe_code, reason = "descriptors by number")]
pub fn close_what_is_the_modules(policy: &Policy) {
    for fd in inherited(policy) {
        // SAFETY: the host opened these descriptors for the module; nothing here uses them.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    if let Program::Descriptor(fd) = policy.program {
        // SAFETY: as above; the child has its own copy.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
}

/// The numbers of the module's descriptors.
pub fn inherited(policy: &Policy) -> std::ops::Range<i32> {
    bllvm_launch::FIRST_FD..bllvm_launch::FIRST_FD + policy.inherited
}

#[expect(unsafe_code, reason = "the child between fork and exec")]
fn become_module(
    policy: &Policy,
    parent: i32,
    own_users: bool,
    status: &mut Status,
    tell: &OwnedFd,
) -> ! {
    let step = match prepare(policy, parent, own_users, status) {
        Ok(secret) => {
            execute(policy, secret);
            0
        }
        Err(step) => step,
    };
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
    let mut answer = [step, 0, 0, 0, 0];
    answer[1..].copy_from_slice(&errno.to_ne_bytes());
    // SAFETY: the buffer lives through the call; `_exit` runs nothing of the parent's.
    unsafe {
        libc::write(tell.as_raw_fd(), answer.as_ptr().cast(), answer.len());
        libc::_exit(127)
    }
}

#[expect(unsafe_code, reason = "plain system calls on our own process")]
fn prepare(
    policy: &Policy,
    parent: i32,
    own_users: bool,
    status: &mut Status,
) -> Result<Secret, u8> {
    // SAFETY: no pointers but to a local signal set, which lives through the calls.
    unsafe {
        if libc::setpgid(0, 0) != 0 {
            return Err(3);
        }
        // Rust's runtime ignores it in us; the module decides for itself.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        libc::umask(0o077);
    }
    std::env::set_current_dir(&policy.data_dir).map_err(|_| 1)?;
    let secret = Secret::draw().map_err(|_| 2)?;
    let tie = || die_with(parent);
    let missing = sandbox::give_up(policy, own_users, secret, status, tie)?;
    if !missing.is_empty() {
        status.send(&Report::Refused { missing });
        return Err(2);
    }
    Ok(secret)
}

/// A change of user takes the death signal away, so that this comes after it.
#[expect(unsafe_code, reason = "plain system calls on our own process")]
fn die_with(parent: i32) -> Result<(), u8> {
    // SAFETY: no pointers are involved.
    unsafe {
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) != 0
            || libc::getppid() != parent
        {
            return Err(3);
        }
    }
    Ok(())
}

/// Executes the program; returns only on failure.
#[expect(unsafe_code, reason = "exec")]
fn execute(policy: &Policy, secret: Secret) {
    let text = |text: &str| CString::new(text).unwrap_or_default();
    let argv: Vec<CString> = policy.argv.iter().map(|one| text(one)).collect();
    let own_pid = std::process::id().to_string();
    let env: Vec<CString> = std::env::vars_os()
        .filter(|(name, _)| name != "LISTEN_PID")
        .chain([(OsString::from("LISTEN_PID"), OsString::from(own_pid))])
        .filter_map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            CString::new(name.into_vec()).ok()
        })
        .collect();
    let argv = pointers(&argv);
    let env = pointers(&env);
    let (fd, path, flags) = match &policy.program {
        Program::Descriptor(fd) => (*fd, text(""), libc::AT_EMPTY_PATH),
        Program::Path(path) => {
            let path = path.clone().into_os_string().into_vec();
            (libc::AT_FDCWD, CString::new(path).unwrap_or_default(), 0)
        }
    };
    // SAFETY: all strings outlive the call, and both lists end with a null pointer. The call is
    // made by number because older C libraries lack it.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            fd,
            path.as_ptr(),
            argv.as_ptr(),
            env.as_ptr(),
            flags,
            // The kernel does not read this one; the filter of system calls does.
            secret.0,
        );
    }
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|one| one.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}
