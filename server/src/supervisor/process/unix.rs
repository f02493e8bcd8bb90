//! Spawning, by one thread that lives as long as the host.
//!
//! The kernel ties a child's death signal to the *thread* that spawned it, so that a thread of a
//! runtime, which may retire, must not be that thread. `posix_spawn` shares the host's memory for
//! the moment until exec, which costs the same however large the host is, and its file actions
//! give a child its descriptors without ever making one inheritable in the host.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use bllvm_launch::{FIRST_FD, Policy};
use tokio::sync::oneshot;

/// Above every number that a child's descriptors get, so that none is overwritten while they are
/// put in their places.
const CLEAR_OF_TARGETS: RawFd = 64;

/// Why no process was made.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The small program that starts modules is not there.
    #[error(
        "`bllvm-launch` is not at {}; install it beside bllvm-node (cargo build builds both)",
        .0.display()
    )]
    NoLaunch(PathBuf),
    /// The system said no.
    #[error("no process could be started: {0}")]
    System(#[from] io::Error),
    /// The spawning thread is gone, which only happens while the host ends.
    #[error("the host is ending")]
    Ending,
}

/// What is to be spawned.
#[derive(Debug)]
pub struct SpawnRequest {
    /// The launcher.
    pub launch: PathBuf,
    /// What it shall do; the descriptors' numbers are filled in here.
    pub policy: Policy,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// The module's standard output.
    pub stdout: OwnedFd,
    /// The module's standard error.
    pub stderr: OwnedFd,
    /// The channel, then the listeners.
    pub inherited: Vec<OwnedFd>,
    /// Where reports go.
    pub status: OwnedFd,
    /// The verified program; none where the policy names a path.
    pub program: Option<OwnedFd>,
}

/// A process as the kernel gave it.
#[derive(Debug)]
pub struct Spawned {
    /// The launcher's process id.
    pub pid: u32,
    /// A descriptor that names it for ever.
    pub pidfd: OwnedFd,
    /// Whether it is PID 1 of a namespace of its own.
    pub in_namespace: bool,
}

type Job = (SpawnRequest, oneshot::Sender<Result<Spawned, SpawnError>>);

/// The handle to the spawning thread, which ends with the last handle.
#[derive(Clone, Debug)]
pub struct Spawner {
    jobs: mpsc::Sender<Job>,
}

impl Spawner {
    /// Starts the thread; with `namespaces`, each process is the first of a PID namespace, where
    /// the system allows it.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub fn start(namespaces: bool) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("bllvm-spawner".to_owned())
            .spawn(move || {
                let namespace = namespaces.then(NamespaceMaker::new).flatten();
                for (request, answer) in waiting {
                    let in_namespace = namespace.as_ref().is_some_and(NamespaceMaker::make);
                    // A caller that went away drops the descriptors, and the child ends by that.
                    let _ = answer.send(spawn(request, in_namespace));
                }
            })?;
        Ok(Self { jobs })
    }

    /// Spawns a launcher.
    ///
    /// # Errors
    /// See [`SpawnError`].
    pub async fn spawn(&self, request: SpawnRequest) -> Result<Spawned, SpawnError> {
        let (answer, spawned) = oneshot::channel();
        self.jobs
            .send((request, answer))
            .map_err(|_| SpawnError::Ending)?;
        spawned.await.map_err(|_| SpawnError::Ending)?
    }
}

/// The launcher: where the settings say, or beside the running program.
///
/// # Errors
/// [`SpawnError::NoLaunch`].
pub fn find_launch(setting: Option<&Path>) -> Result<PathBuf, SpawnError> {
    let path = match setting {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name("bllvm-launch"),
    };
    // Tests run one folder below the programs.
    let above = path
        .parent()
        .and_then(Path::parent)
        .map(|folder| folder.join("bllvm-launch"));
    if path.is_file() {
        return Ok(path);
    }
    match above.filter(|above| setting.is_none() && above.is_file()) {
        Some(above) => Ok(above),
        None => Err(SpawnError::NoLaunch(path)),
    }
}

/// Puts this thread's future children into PID namespaces of their own, one each.
struct NamespaceMaker {
    own: File,
}

impl NamespaceMaker {
    /// None where the host may not.
    fn new() -> Option<Self> {
        let own = File::open("/proc/thread-self/ns/pid").ok()?;
        let maker = Self { own };
        maker.make().then_some(maker)
    }

    /// The next child is the first of a new namespace. A namespace whose first process has ended
    /// takes no others, so that each child needs a new one, made from our own.
    #[expect(unsafe_code, reason = "namespaces of the calling thread's children")]
    fn make(&self) -> bool {
        // SAFETY: `own` is an open descriptor of a namespace; no pointers are involved.
        unsafe {
            libc::setns(self.own.as_raw_fd(), libc::CLONE_NEWPID) == 0
                && libc::unshare(libc::CLONE_NEWPID) == 0
        }
    }
}

fn spawn(request: SpawnRequest, in_namespace: bool) -> Result<Spawned, SpawnError> {
    let SpawnRequest {
        launch,
        mut policy,
        env,
        stdout,
        stderr,
        inherited,
        status,
        program,
    } = request;
    let null = OwnedFd::from(File::open("/dev/null")?);
    let mut fds = vec![null, stdout, stderr];
    fds.extend(inherited);
    policy.inherited = number(fds.len())? - FIRST_FD;
    policy.status_fd = number(fds.len())?;
    fds.push(status);
    if let Some(program) = program {
        policy.program = bllvm_launch::Program::Descriptor(number(fds.len())?);
        fds.push(program);
    }
    let fds = fds
        .into_iter()
        .map(|fd| {
            if fd.as_raw_fd() >= CLEAR_OF_TARGETS {
                return Ok(fd);
            }
            rustix::io::fcntl_dupfd_cloexec(&fd, CLEAR_OF_TARGETS).map_err(io::Error::from)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let policy = serde_json::to_string(&policy).map_err(io::Error::other)?;
    let argv = [
        text(launch.as_os_str().as_bytes())?,
        text(policy.as_bytes())?,
    ];
    let env = env
        .iter()
        .map(|(name, value)| text(format!("{name}={value}").as_bytes()))
        .collect::<Result<Vec<_>, _>>()?;
    let pid = posix_spawn(&launch, &argv, &env, &fds)?;
    Ok(Spawned {
        pid: u32::try_from(pid).map_err(io::Error::other)?,
        pidfd: open_pidfd(pid)?,
        in_namespace,
    })
}

fn number(count: usize) -> io::Result<RawFd> {
    RawFd::try_from(count).map_err(io::Error::other)
}

fn text(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(io::Error::other)
}

/// Spawns with exactly the given descriptors, in their order from 0 on.
#[expect(unsafe_code, reason = "std cannot place descriptors without fork")]
fn posix_spawn(
    program: &Path,
    argv: &[CString],
    env: &[CString],
    fds: &[OwnedFd],
) -> io::Result<libc::pid_t> {
    let path = text(program.as_os_str().as_bytes())?;
    let pointers = |strings: &[CString]| -> Vec<*mut libc::c_char> {
        let all = strings.iter().map(|one| one.as_ptr().cast_mut());
        all.chain([std::ptr::null_mut()]).collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    let check = |code| match code {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    };
    // SAFETY: the actions are initialised before use and destroyed after it; every string and list
    // outlives the calls, and the lists end with a null pointer.
    unsafe {
        let mut actions = std::mem::zeroed();
        check(libc::posix_spawn_file_actions_init(&raw mut actions))?;
        let mut outcome = Ok(());
        for (target, fd) in fds.iter().enumerate() {
            outcome = outcome.and_then(|()| {
                let target = number(target)?;
                check(libc::posix_spawn_file_actions_adddup2(
                    &raw mut actions,
                    fd.as_raw_fd(),
                    target,
                ))
            });
        }
        let mut pid = 0;
        let outcome = outcome.and_then(|()| {
            check(libc::posix_spawn(
                &raw mut pid,
                path.as_ptr(),
                &raw const actions,
                std::ptr::null(),
                argv.as_ptr(),
                env.as_ptr(),
            ))
        });
        libc::posix_spawn_file_actions_destroy(&raw mut actions);
        outcome.map(|()| pid)
    }
}

/// The child cannot have been reaped yet: only its watcher does that, and it needs this first.
#[expect(unsafe_code, reason = "a raw descriptor from a system call")]
fn open_pidfd(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: the call returns a new descriptor that nobody else owns, or -1.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        match RawFd::try_from(fd) {
            Ok(fd) if fd >= 0 => Ok(OwnedFd::from_raw_fd(fd)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
