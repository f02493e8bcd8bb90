//! What a module inherits from the host that starts it: the channel and its listening sockets.
//!
//! The systemd convention: `LISTEN_FDS` descriptors from 3 on, named in order by `LISTEN_FDNAMES`,
//! for the process `LISTEN_PID` only. The first is the channel, named `bllvm`.

use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use bllvm_ipc::inherited::{CHANNEL_FD, CHANNEL_NAME};

/// What was inherited.
#[derive(Debug)]
pub(crate) struct Inherited {
    pub(crate) channel: OwnedFd,
    pub(crate) listeners: BTreeMap<String, OwnedFd>,
}

/// Why nothing was inherited.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InheritError {
    /// Nobody handed anything over: a person started the program by hand.
    #[error("no channel was handed over")]
    ByHand,
    /// The handover was meant for another process.
    #[error("LISTEN_PID is {expected}, but this process is {own}")]
    Pid {
        /// What the variable says.
        expected: String,
        /// Who we are.
        own: u32,
    },
    /// Variables that contradict each other.
    #[error("{0}")]
    Convention(String),
}

/// The names in the order of their descriptors, from the three variables alone.
fn names(
    pid: Option<&str>,
    count: Option<&str>,
    names: Option<&str>,
    own_pid: u32,
) -> Result<Vec<String>, InheritError> {
    let (Some(count), Some(names)) = (count, names) else {
        return Err(InheritError::ByHand);
    };
    if let Some(expected) = pid.filter(|pid| **pid != own_pid.to_string()) {
        return Err(InheritError::Pid {
            expected: expected.to_owned(),
            own: own_pid,
        });
    }
    let names: Vec<String> = names.split(':').map(str::to_owned).collect();
    if count.parse() != Ok(names.len()) {
        return Err(InheritError::Convention(format!(
            "LISTEN_FDS is {count}, but LISTEN_FDNAMES has {} names",
            names.len()
        )));
    }
    if names.first().is_none_or(|first| first != CHANNEL_NAME) {
        return Err(InheritError::Convention(format!(
            "the first of LISTEN_FDNAMES is not `{CHANNEL_NAME}`"
        )));
    }
    Ok(names)
}

/// Takes over what the host handed down. Call it once, first thing in `main`.
pub(crate) fn take() -> Result<Inherited, InheritError> {
    let variable = |name| std::env::var(name).ok();
    let names = names(
        variable("LISTEN_PID").as_deref(),
        variable("LISTEN_FDS").as_deref(),
        variable("LISTEN_FDNAMES").as_deref(),
        std::process::id(),
    )?;
    let mut descriptors = (CHANNEL_FD..).zip(names).map(|(number, name)| {
        let fd = own(number)
            .map_err(|error| InheritError::Convention(format!("descriptor {number}: {error}")))?;
        Ok((name, fd))
    });
    let (_, channel) = descriptors.next().ok_or(InheritError::ByHand)??;
    Ok(Inherited {
        channel,
        listeners: descriptors.collect::<Result<_, InheritError>>()?,
    })
}

#[expect(
    unsafe_code,
    reason = "a descriptor that was inherited exists as a number only"
)]
fn own(number: i32) -> std::io::Result<OwnedFd> {
    // SAFETY: the borrow lives for this check only, which fails for a number that is not open.
    let inherited = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_setfd(inherited, rustix::io::FdFlags::CLOEXEC)?;
    // SAFETY: the descriptor is open, as was just checked, and by the host's convention it
    // belongs to this code alone: `take` runs once, before anything else opened a descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_the_order_of_descriptors() {
        let read = names(Some("7"), Some("3"), Some("bllvm:admin:http"), 7);
        assert_eq!(read.unwrap(), ["bllvm", "admin", "http"]);
    }

    #[test]
    fn each_broken_handover_is_told_apart() {
        assert_eq!(names(None, None, None, 7), Err(InheritError::ByHand));
        let other = names(Some("8"), Some("1"), Some("bllvm"), 7).unwrap_err();
        assert_eq!(other.to_string(), "LISTEN_PID is 8, but this process is 7");
        assert!(names(None, Some("2"), Some("bllvm"), 7).is_err());
        assert!(names(None, Some("1"), Some("http"), 7).is_err());
        assert!(names(None, Some("x"), Some("bllvm"), 7).is_err());
    }
}
