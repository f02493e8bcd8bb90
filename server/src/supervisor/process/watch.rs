//! A spawned process from its first report to its last: who it is, how it ended, how to end it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bllvm_launch::{Hold, Layer, Report};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt, BufReader, Interest};
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::unix::Spawned;
use crate::model::{IsolationLayer, IsolationState};
use crate::supervisor::sandbox::Leaf;

/// How long a launcher may take to kill everything, before it is killed itself.
const KILL_GRACE: Duration = Duration::from_millis(500);

/// How the module's process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessEnd {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// Together with its launcher, which could not tell.
    Unknown,
}

/// What is known about a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// What isolates it.
    pub isolation: Vec<IsolationLayer>,
    /// The module's own process id, once its program runs.
    pub pid: Option<u32>,
    /// Why its program could not be executed: error number, step, way out.
    pub refused: Option<(i32, String, String)>,
    /// The required layers without which it was not started.
    pub missing: Vec<Layer>,
    /// How the module ended.
    pub end: Option<ProcessEnd>,
    /// Nothing of it is left: every descendant ended, and the launcher was reaped.
    pub gone: bool,
}

/// A process of a module. Dropping the last handle kills it.
#[derive(Clone, Debug)]
pub struct Process {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    launch_pid: u32,
    pidfd: Arc<OwnedFd>,
    in_namespace: bool,
    group: Option<Arc<Leaf>>,
    life: watch::Receiver<Life>,
    tracker: TaskTracker,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !self.life.borrow().gone {
            signal(&self.pidfd, Signal::KILL);
        }
    }
}

fn signal(pidfd: &OwnedFd, signal: Signal) {
    // A process that is gone already needs no signal.
    let _ = pidfd_send_signal(pidfd, signal);
}

impl Process {
    /// Watches a process; `status` is our end of its reports.
    ///
    /// # Errors
    /// When a descriptor cannot be registered; the process is killed then.
    pub fn watch(
        spawned: Spawned,
        status: OwnedFd,
        group: Result<Leaf, String>,
        tracker: &TaskTracker,
    ) -> io::Result<Self> {
        let pidfd = Arc::new(spawned.pidfd);
        let registered = (|| {
            let exit = register(Arc::clone(&pidfd))?;
            Ok((exit, pipe::Receiver::from_owned_fd(status)?))
        })();
        let (exit, reports) = match registered {
            Ok(registered) => registered,
            Err(error) => {
                signal(&pidfd, Signal::KILL);
                let _ = waitid(WaitId::PidFd(as_fd(&pidfd)), WaitIdOptions::EXITED);
                return Err(error);
            }
        };
        let mut begun = Life::default();
        let group = match group {
            Ok(leaf) => Some(Arc::new(leaf)),
            Err(why) => {
                begun.isolation.push(IsolationLayer {
                    layer: Layer::ControlGroup.as_str().to_owned(),
                    state: IsolationState::Unavailable,
                    detail: why,
                });
                None
            }
        };
        let (tell, life) = watch::channel(begun);
        let ended = group.clone();
        let follow = follow(spawned.pid, exit, reports, group.clone(), tell);
        tracker.spawn(async move {
            follow.await;
            // The group can go when nothing is in it any more.
            drop(ended);
        });
        Ok(Self {
            shared: Arc::new(Shared {
                launch_pid: spawned.pid,
                pidfd,
                in_namespace: spawned.in_namespace,
                group,
                life,
                tracker: tracker.clone(),
            }),
        })
    }

    /// The launcher's process id: the root of the module's process tree.
    pub fn root_pid(&self) -> u32 {
        self.shared.launch_pid
    }

    /// What is known now.
    pub fn life(&self) -> Life {
        self.shared.life.borrow().clone()
    }

    /// Waits until something is true of it.
    pub async fn until(&self, reached: impl FnMut(&Life) -> bool) -> Life {
        let mut life = self.shared.life.clone();
        let reached = life.wait_for(reached).await.map(|life| life.clone());
        // The watcher's last word is `gone`; without it the host itself is ending.
        reached.unwrap_or_else(|_| self.life())
    }

    /// Waits until its program runs, was refused, or ended.
    pub async fn settled(&self) -> Life {
        self.until(|life| {
            life.pid.is_some()
                || !life.missing.is_empty()
                || life.refused.is_some()
                || life.end.is_some()
                || life.gone
        })
        .await
    }

    /// Waits until nothing of it is left.
    pub async fn gone(&self) -> ProcessEnd {
        let life = self.until(|life| life.gone).await;
        life.end.unwrap_or(ProcessEnd::Unknown)
    }

    /// Asks it to end (SIGTERM to the module's group).
    pub fn terminate(&self) {
        signal(&self.shared.pidfd, Signal::TERM);
    }

    /// Ends it and all its descendants.
    pub fn kill(&self) {
        if let Some(group) = &self.shared.group {
            group.kill();
        }
        if self.shared.in_namespace {
            // With the namespace's first process, the kernel ends all others.
            signal(&self.shared.pidfd, Signal::KILL);
            return;
        }
        signal(&self.shared.pidfd, Signal::USR1);
        let process = self.clone();
        self.shared.tracker.spawn(async move {
            let ended = tokio::time::timeout(KILL_GRACE, process.gone()).await;
            if ended.is_err() {
                signal(&process.shared.pidfd, Signal::KILL);
            }
        });
    }
}

fn as_fd(pidfd: &Arc<OwnedFd>) -> std::os::fd::BorrowedFd<'_> {
    std::os::fd::AsFd::as_fd(&**pidfd)
}

/// A pidfd becomes readable when its process ends.
#[expect(
    unsafe_code,
    reason = "tokio cannot see that the descriptor stays open"
)]
fn register(pidfd: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: the descriptor is owned by the value that is registered, so that it is open and the
    // same for as long as the registration lives.
    unsafe { Ok(AsyncFd::register_with_interest(pidfd, Interest::READABLE)?) }
}

async fn follow(
    launch_pid: u32,
    exit: AsyncFd<Arc<OwnedFd>>,
    reports: pipe::Receiver,
    group: Option<Arc<Leaf>>,
    tell: watch::Sender<Life>,
) {
    let mut lines = BufReader::new(reports).lines();
    let reading = async {
        while let Ok(Some(line)) = lines.next_line().await {
            match serde_json::from_str(&line) {
                Ok(report) => {
                    tell.send_modify(|life| note(life, launch_pid, report, group.as_deref()));
                }
                Err(error) => tracing::error!(%error, "a launcher's report could not be read"),
            }
        }
    };
    // The reports end with the launcher.
    let ending = async {
        loop {
            let Ok(mut ready) = exit.readable().await else {
                return;
            };
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            match waitid(WaitId::PidFd(as_fd(exit.get_ref())), options) {
                Ok(None) => ready.clear_ready(),
                Ok(Some(_)) | Err(_) => return,
            }
        }
    };
    tokio::join!(reading, ending);
    tell.send_modify(|life| life.gone = true);
}

fn note(life: &mut Life, launch_pid: u32, report: Report, group: Option<&Leaf>) {
    match report {
        Report::Layer {
            layer,
            hold,
            mut detail,
        } => {
            let mut state = match hold {
                Hold::Enforced => IsolationState::Enforced,
                Hold::Partial => IsolationState::Partial,
                Hold::Unavailable => IsolationState::Unavailable,
                Hold::NotNeeded => IsolationState::NotNeeded,
            };
            let without = group
                .map(|group| group.without.as_slice())
                .unwrap_or_default();
            if layer == Layer::ControlGroup && hold == Hold::Enforced && !without.is_empty() {
                state = IsolationState::Partial;
                detail = format!(
                    "this system does not let the host limit {}",
                    without.join(", ")
                );
            }
            life.isolation.push(IsolationLayer {
                layer: layer.as_str().to_owned(),
                state,
                detail,
            });
        }
        Report::Started { generations, .. } => {
            let mut pid = Some(launch_pid);
            for _ in 0..generations {
                pid = pid.and_then(super::sample::child_of);
            }
            life.pid = pid;
        }
        Report::Refused { missing } => life.missing = missing,
        Report::NotStarted {
            errno,
            what,
            way_out,
        } => life.refused = Some((errno, what, way_out)),
        Report::Exited { code } => life.end = Some(ProcessEnd::Code(code)),
        Report::Signalled { signal } => life.end = Some(ProcessEnd::Signal(signal)),
    }
}
