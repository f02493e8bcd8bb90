//! The way back to the host, and failures with a way out.

use std::fs::File;
use std::io::Write;
use std::os::fd::FromRawFd;

use bllvm_launch::{Hold, Layer, Report};

/// The status descriptor.
#[derive(Debug)]
pub struct Status(Option<File>);

impl Status {
    /// Takes over the descriptor that the policy names.
    #[expect(unsafe_code, reason = "a descriptor by number")]
    pub fn new(fd: i32) -> Self {
        // SAFETY: the host opened this descriptor for us; nothing else here uses it.
        Self(Some(unsafe { File::from_raw_fd(fd) }))
    }

    /// Sends one report. A host that is gone cannot be told, and its death ends us anyway.
    pub fn send(&mut self, report: &Report) {
        if let (Some(file), Ok(mut line)) = (&mut self.0, serde_json::to_vec(report)) {
            line.push(b'\n');
            let _ = file.write_all(&line);
        }
    }

    /// Leaves reporting to another process.
    pub fn close(&mut self) {
        self.0 = None;
    }

    /// Whether nobody holds the other end any more: the host has died.
    pub fn is_orphaned(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let Some(file) = &self.0 else {
            return false;
        };
        let mut fds = [PollFd::new(file, PollFlags::empty())];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&at_once)).is_ok_and(|_| fds[0].revents().contains(PollFlags::ERR))
    }
}

/// How far a layer was found to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub layer: Layer,
    /// How far.
    pub hold: Hold,
}

/// Tells how far a layer holds.
pub fn found(status: &mut Status, layer: Layer, hold: Hold, detail: impl Into<String>) -> Found {
    status.send(&Report::Layer {
        layer,
        hold,
        detail: detail.into(),
    });
    Found { layer, hold }
}

/// A step that the system refused.
#[derive(Debug)]
pub struct Failure {
    /// The system's error number.
    pub errno: i32,
    /// What was being done.
    pub what: &'static str,
}

impl Failure {
    /// What the system refused just now, and which step that was.
    pub fn last(what: &'static str) -> Self {
        let errno = std::io::Error::last_os_error().raw_os_error();
        Self {
            errno: errno.unwrap_or(0),
            what,
        }
    }
}

impl From<Failure> for Report {
    fn from(failure: Failure) -> Self {
        let way_out = match (failure.what, failure.errno) {
            (EXECUTE, libc::EACCES) => {
                "not executable: chmod +x it, and see that neither its file system nor vm.memfd_noexec forbids running it"
            }
            (EXECUTE, libc::ENOEXEC) => {
                "not a program for this machine: build it for this processor and system; a script needs `[runtime] interpreter`"
            }
            (EXECUTE, libc::ENOENT) => {
                "its loader or interpreter is missing here: install it, or build the module statically"
            }
            (EXECUTE, libc::E2BIG) => "its arguments are too long",
            (ENTER_DIR, _) => {
                "see that the module's data directory exists and belongs to the host's user"
            }
            (_, libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE) => {
                "the machine is short of processes, memory or descriptors; it is tried again"
            }
            _ => "see the system's log",
        };
        Self::NotStarted {
            errno: failure.errno,
            what: failure.what.to_owned(),
            way_out: way_out.to_owned(),
        }
    }
}

/// The step that runs the program.
pub const EXECUTE: &str = "execute the program";
/// The step that enters the module's directory.
pub const ENTER_DIR: &str = "enter the data directory";
/// The step after which required layers were missing; it was told already.
pub const PROTECT: &str = "put up every required layer";

/// Every step that can fail in the child, so that one byte names it on the way back.
pub const STEPS: [&str; 4] = [EXECUTE, ENTER_DIR, PROTECT, "tie the module to its parent"];
