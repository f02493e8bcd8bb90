//! Landlock: which files, TCP ports, sockets and processes are within reach.
//!
//! The crate tells only for the whole set whether it holds, so what holds is told here by the
//! version that the kernel speaks: 1 files, 3 truncation, 4 TCP, 5 device controls, 6 scopes.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use bllvm_launch::{Hold, Layer, Policy, Ports, Program};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use super::elf;
use crate::report::{Found, Status, found};

/// The newest version that is made use of where the kernel speaks it.
const NEWEST: ABI = ABI::V10;

/// What programs read to start and to know where they are: libraries, time zones, terminals,
/// languages, the shape of the machine. None of it is anybody's secret.
const COMMON: &[&str] = &[
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/share",
    "/usr/local/share",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/ld-musl-x86_64.path",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/version",
    "/proc/sys/kernel/random",
    "/proc/sys/net/core/somaxconn",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
];
/// What finding names on the network takes.
const NETWORK: &[&str] = &[
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/run/systemd/resolve",
];
/// Devices without a memory.
const DEVICES: &[&str] = &[
    "/dev/full",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
];
/// Where programs are, for a module that may start them.
const PROGRAMS: &[&str] = &[
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/libexec",
    "/usr/local",
    "/lib",
    "/lib64",
    "/etc/alternatives",
    "/nix/store",
    "/gnu/store",
];

/// Puts this process, and all that come of it, under the rules.
pub fn restrict(policy: &Policy, status: &mut Status) -> Vec<Found> {
    let version = version();
    if let Err(why) = &version {
        return [
            Layer::LandlockFiles,
            Layer::LandlockNetwork,
            Layer::LandlockScope,
        ]
        .map(|layer| found(status, layer, Hold::Unavailable, why))
        .into();
    }
    match enforce(policy) {
        Ok(()) => tell(policy, version.unwrap_or(0), status),
        Err(error) => [
            Layer::LandlockFiles,
            Layer::LandlockNetwork,
            Layer::LandlockScope,
        ]
        .map(|layer| {
            found(
                status,
                layer,
                Hold::Unavailable,
                format!("the system refused: {error}"),
            )
        })
        .into(),
    }
}

/// Which version the kernel speaks.
#[expect(unsafe_code, reason = "the crate does not tell before rules are made")]
fn version() -> Result<i64, String> {
    const ASK_VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the call reads no memory.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0_usize,
            ASK_VERSION,
        )
    };
    if version > 0 {
        return Ok(version);
    }
    let error = std::io::Error::last_os_error();
    Err(match error.raw_os_error() {
        Some(libc::EOPNOTSUPP) => {
            "the kernel has Landlock, but it is switched off: add `landlock` to the kernel's `lsm=`"
                .to_owned()
        }
        Some(libc::ENOSYS) => {
            "the kernel has no Landlock (Linux 5.13 and later have), or a container hides it"
                .to_owned()
        }
        _ => format!("Landlock cannot be used here: {error}"),
    })
}

fn tell(policy: &Policy, version: i64, status: &mut Status) -> Vec<Found> {
    let files = if version >= 3 {
        found(
            status,
            Layer::LandlockFiles,
            Hold::Enforced,
            "it can change files in its data directory only, and read its own program, the \
             system's libraries and little else",
        )
    } else {
        found(
            status,
            Layer::LandlockFiles,
            Hold::Partial,
            "this kernel (before Linux 6.2) does not keep it from cutting short files that its \
             user may write",
        )
    };
    let network = match &policy.sandbox.connect {
        _ if version < 4 => found(
            status,
            Layer::LandlockNetwork,
            Hold::Unavailable,
            "this kernel (before Linux 6.7) cannot limit TCP to single ports",
        ),
        Ports::Any => found(
            status,
            Layer::LandlockNetwork,
            Hold::Enforced,
            "it may connect to any TCP port, and listen on none of its own",
        ),
        Ports::Only(ports) if ports.is_empty() => found(
            status,
            Layer::LandlockNetwork,
            Hold::Enforced,
            "it may neither connect by TCP nor listen",
        ),
        Ports::Only(ports) => {
            let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
            found(
                status,
                Layer::LandlockNetwork,
                Hold::Enforced,
                format!("it may connect to TCP {} of any host", ports.join(", ")),
            )
        }
    };
    let scope = if version >= 6 {
        found(
            status,
            Layer::LandlockScope,
            Hold::Enforced,
            "it can signal and trace its own processes only, and reach no abstract socket of others",
        )
    } else {
        found(
            status,
            Layer::LandlockScope,
            Hold::Partial,
            "it can trace its own processes only, but this kernel (before Linux 6.12) does not \
             keep it from signalling those of its user",
        )
    };
    vec![files, network, scope]
}

fn enforce(policy: &Policy) -> Result<(), RulesetError> {
    let sandbox = &policy.sandbox;
    let mut handled = AccessNet::from_all(NEWEST);
    if matches!(sandbox.connect, Ports::Any) {
        handled.remove(AccessNet::ConnectTcp);
    }
    if sandbox.udp {
        handled.remove(AccessNet::BindUdp | AccessNet::ConnectSendUdp);
    }
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(handled)?
        .scope(Scope::from_all(NEWEST))?
        .create()?;

    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let execute = AccessFs::Execute | AccessFs::ReadFile;
    for path in COMMON {
        rules = allow(rules, path.as_ref(), read)?;
    }
    for path in DEVICES {
        rules = allow(
            rules,
            path.as_ref(),
            AccessFs::ReadFile | AccessFs::WriteFile,
        )?;
    }
    if !sandbox.connect.is_none() || sandbox.udp {
        for path in NETWORK {
            rules = allow(rules, path.as_ref(), read)?;
        }
    }
    if sandbox.programs {
        for path in PROGRAMS {
            rules = allow(rules, path.as_ref(), read | AccessFs::Execute)?;
        }
    }
    for path in &sandbox.readable {
        rules = allow(rules, path, read)?;
    }
    for path in executed(&policy.program) {
        rules = allow(rules, &path, execute)?;
    }
    let own = AccessFs::from_all(NEWEST)
        & !(AccessFs::Execute
            | AccessFs::MakeChar
            | AccessFs::MakeBlock
            | AccessFs::MakeSock
            | AccessFs::IoctlDev
            | AccessFs::ResolveUnix);
    rules = allow(rules, &policy.data_dir, own)?;
    if let Ports::Only(ports) = &sandbox.connect {
        for port in ports {
            rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    rules.restrict_self().map(drop)
}

/// What the start itself executes: an interpreter, and the loader of what runs.
fn executed(program: &Program) -> Vec<PathBuf> {
    let (file, path) = match program {
        Program::Descriptor(fd) => (File::open(format!("/proc/self/fd/{fd}")), None),
        Program::Path(path) => (File::open(path), Some(path.clone())),
    };
    let loader = file.ok().as_ref().and_then(elf::loader);
    path.into_iter().chain(loader).collect()
}

/// What is not there, or out of reach for the module's user, needs no rule.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let Ok(opened) = PathFd::new(path) else {
        return Ok(rules);
    };
    // A rule on a single file must not name rights that only folders have.
    let is_folder = rustix::fs::fstat(opened.as_fd())
        .is_ok_and(|found| rustix::fs::FileType::from_raw_mode(found.st_mode).is_dir());
    let access = if is_folder {
        access
    } else {
        access & AccessFs::from_file(NEWEST)
    };
    rules.add_rule(PathBeneath::new(opened, access))
}
