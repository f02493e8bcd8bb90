//! The filter of system calls: what programs need is allowed, the dangerous is refused, and what
//! nobody here has heard of does not exist.
//!
//! There are two filters. The first lets through what is on the list and answers the rest with
//! "no such call", so that a C library falls back to an older one. The second refuses, with "not
//! permitted", what is dangerous or was not granted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};

use bllvm_launch::{Hold, Layer, Sandbox};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op,
    SeccompCondition as Condition, SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

use super::calls;
use crate::report::{Found, Status, found};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The last argument of the one `execveat` that is let through where no programs are granted: the
/// launcher's own. The kernel does not read it, and the program that runs then never knew it.
#[derive(Clone, Copy, Debug)]
pub struct Secret(pub u64);

impl Secret {
    /// A new one.
    pub fn draw() -> io::Result<Self> {
        let mut bytes = [0; 8];
        // The source of random bytes of a machine that has run for long does not block.
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(u64::from_ne_bytes(bytes)))
    }
}

/// Both filters, ready to be put into force.
pub struct Filters {
    allowed: BpfProgram,
    refused: BpfProgram,
}

/// Makes the filters.
pub fn prepare(sandbox: &Sandbox, secret: Secret) -> Result<Filters, String> {
    let words = |error: BackendError| format!("the filter could not be made: {error}");
    Ok(Filters {
        allowed: allowed().map_err(words)?,
        refused: refused(sandbox, secret).map_err(words)?,
    })
}

/// Puts the filters into force, for this process and all that come of it.
pub fn enforce(filters: Result<Filters, String>, sandbox: &Sandbox, status: &mut Status) -> Found {
    let enforced = filters.and_then(|filters| {
        let apply =
            |program| apply_filter(program).map_err(|error| format!("the system refused: {error}"));
        apply(&filters.allowed)?;
        apply(&filters.refused)
    });
    match enforced {
        Ok(()) => found(status, Layer::Seccomp, Hold::Enforced, words(sandbox)),
        Err(why) => found(status, Layer::Seccomp, Hold::Unavailable, why),
    }
}

fn words(sandbox: &Sandbox) -> String {
    let network = match (&sandbox.connect, sandbox.udp) {
        (ports, false) if ports.is_none() => "no new sockets",
        (ports, true) if ports.is_none() => "UDP sockets only",
        (_, false) => "TCP sockets only",
        (_, true) => "TCP and UDP sockets only",
    };
    let programs = if sandbox.programs {
        "other programs may be started"
    } else {
        "no other program can be started"
    };
    format!("{network}; {programs}; nothing that reaches into the kernel")
}

fn arch() -> TargetArch {
    // Compiled for other processors, the launcher must not pretend to know their calls.
    #[cfg(target_arch = "x86_64")]
    return TargetArch::x86_64;
    #[cfg(target_arch = "aarch64")]
    return TargetArch::aarch64;
    #[cfg(target_arch = "riscv64")]
    return TargetArch::riscv64;
}

fn compile(
    rules: Rules,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, otherwise, matched, arch())?.try_into()
}

fn errno(code: i32) -> SeccompAction {
    SeccompAction::Errno(code.unsigned_abs())
}

fn allowed() -> Result<BpfProgram, BackendError> {
    let rules = calls::ALLOWED
        .iter()
        .map(|call| (*call, Vec::new()))
        .collect();
    compile(rules, errno(libc::ENOSYS), SeccompAction::Allow)
}

fn refused(sandbox: &Sandbox, secret: Secret) -> Result<BpfProgram, BackendError> {
    let mut rules: Rules = calls::REFUSED
        .iter()
        .map(|call| (*call, Vec::new()))
        .collect();
    namespaces(&mut rules)?;
    terminals(&mut rules)?;
    sockets(sandbox, &mut rules)?;
    if !sandbox.programs {
        rules.insert(libc::SYS_execve, Vec::new());
        rules.insert(libc::SYS_memfd_create, Vec::new());
        let other = when(&[(5, Len::Qword, Op::Ne, secret.0)])?;
        rules.insert(libc::SYS_execveat, vec![other]);
    }
    compile(rules, SeccompAction::Allow, errno(libc::EPERM))
}

fn when(conditions: &[(u8, Len, Op, u64)]) -> Result<SeccompRule, BackendError> {
    let conditions = conditions
        .iter()
        .map(|(index, length, op, value)| {
            Condition::new(*index, length.clone(), op.clone(), *value)
        })
        .collect::<Result<_, _>>()?;
    SeccompRule::new(conditions)
}

/// New processes stay in the module's namespaces.
fn namespaces(rules: &mut Rules) -> Result<(), BackendError> {
    const FLAGS: [libc::c_int; 7] = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWCGROUP,
    ];
    let each = FLAGS
        .iter()
        .map(|flag| {
            let flag = u64::from(flag.unsigned_abs());
            when(&[(0, Len::Qword, Op::MaskedEq(flag), flag)])
        })
        .collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_clone, each);
    Ok(())
}

/// Nothing is typed into a terminal in a person's name. The kernel reads 32 bits of the request.
fn terminals(rules: &mut Rules) -> Result<(), BackendError> {
    const TIOCLINUX: u64 = 0x541C;
    const TIOCSETD: u64 = 0x5423;
    let requests = [libc::TIOCSTI, TIOCLINUX, TIOCSETD];
    let each = requests
        .iter()
        .map(|request| when(&[(1, Len::Dword, Op::Eq, *request)]))
        .collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_ioctl, each);
    Ok(())
}

/// The sockets that were granted, and pairs of connected ones inside the module.
fn sockets(sandbox: &Sandbox, rules: &mut Rules) -> Result<(), BackendError> {
    // The lower bits are the type, the upper ones ask for close-on-exec and the like.
    const TYPE: u64 = 0xf;
    let number = |number: libc::c_int| u64::from(number.unsigned_abs());
    let kind = |kind| (1, Len::Dword, Op::MaskedEq(TYPE), number(kind));
    let tcp = !sandbox.connect.is_none();

    if tcp || sandbox.udp {
        let family = when(&[
            (0, Len::Dword, Op::Ne, number(libc::AF_INET)),
            (0, Len::Dword, Op::Ne, number(libc::AF_INET6)),
        ])?;
        let mut refused = vec![family];
        // Other protocols over the same types, as MPTCP, would go past the rules on ports.
        for (granted, its_kind, protocol) in [
            (tcp, libc::SOCK_STREAM, libc::IPPROTO_TCP),
            (sandbox.udp, libc::SOCK_DGRAM, libc::IPPROTO_UDP),
        ] {
            refused.push(if granted {
                when(&[
                    kind(its_kind),
                    (2, Len::Dword, Op::Ne, 0),
                    (2, Len::Dword, Op::Ne, number(protocol)),
                ])?
            } else {
                when(&[kind(its_kind)])?
            });
        }
        for other in (0..=TYPE)
            .filter(|kind| *kind != number(libc::SOCK_STREAM) && *kind != number(libc::SOCK_DGRAM))
        {
            refused.push(when(&[(1, Len::Dword, Op::MaskedEq(TYPE), other)])?);
        }
        rules.insert(libc::SYS_socket, refused);
    } else {
        // Without `connect`, an inherited listener cannot be turned into a caller either.
        for call in [libc::SYS_socket, libc::SYS_connect] {
            rules.insert(call, Vec::new());
        }
    }
    // A pair of datagram sockets could be pointed at somebody else's socket.
    let pair = |its_kind| when(&[kind(its_kind)]);
    rules.insert(
        libc::SYS_socketpair,
        vec![
            when(&[(0, Len::Dword, Op::Ne, number(libc::AF_UNIX))])?,
            pair(libc::SOCK_DGRAM)?,
            pair(libc::SOCK_RAW)?,
        ],
    );
    // Data with the first packet would connect past the rules on ports.
    let fast_open = number(libc::MSG_FASTOPEN);
    for (call, index) in [
        (libc::SYS_sendto, 3),
        (libc::SYS_sendmsg, 2),
        (libc::SYS_sendmmsg, 3),
    ] {
        let rule = when(&[(index, Len::Dword, Op::MaskedEq(fast_open), fast_open)])?;
        rules.insert(call, vec![rule]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bllvm_launch::{Limits, Ports, User};

    use super::*;

    fn sandbox(connect: Ports, udp: bool, programs: bool) -> Sandbox {
        Sandbox {
            user: User::Own(1),
            limits: Limits {
                memory_bytes: 1,
                files: 1,
                processes: 1,
                file_bytes: 1,
            },
            readable: Vec::new(),
            connect,
            udp,
            programs,
            namespaces: true,
            control_group: None,
            required: BTreeSet::new(),
        }
    }

    #[test]
    fn every_combination_of_grants_makes_a_filter() {
        for connect in [
            Ports::Any,
            Ports::Only(BTreeSet::new()),
            Ports::Only([443].into()),
        ] {
            for udp in [false, true] {
                for programs in [false, true] {
                    let sandbox = sandbox(connect.clone(), udp, programs);
                    let filters = prepare(&sandbox, Secret(7)).unwrap();
                    assert!(filters.allowed.len() > calls::ALLOWED.len());
                    assert!(filters.refused.len() > calls::REFUSED.len());
                }
            }
        }
    }

    #[test]
    fn no_call_is_both_allowed_and_refused() {
        let refused: BTreeSet<_> = calls::REFUSED.iter().collect();
        let both: Vec<_> = calls::ALLOWED
            .iter()
            .filter(|call| refused.contains(call))
            .collect();
        assert_eq!(both, Vec::<&i64>::new());
    }

    #[test]
    fn secrets_differ() {
        assert_ne!(Secret::draw().unwrap().0, Secret::draw().unwrap().0);
    }
}
