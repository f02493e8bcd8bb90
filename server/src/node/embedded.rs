//! The embedded base node as the host sees it: a supervised child and its channel.
//!
//! The child is this same program (`bllvm-node base-node`). When it dies, callers are answered
//! `unavailable` and it is started again: at once the first time, then with growing pauses.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bllvm_ipc::handshake::{self, Goodbye, Welcome};
use bllvm_ipc::types as t;
use bllvm_ipc::{
    CallError, Connection, ErrorReply, Handler, Incoming, Method, Notice, Reply, Stream,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::wire::{self, Close, MEMPOOL, MINED, MOVED, TIP};
use super::{EmbeddedChain, NodeError, NodeState, PeerSettings};

/// Where and how the child runs.
#[derive(Clone, Debug)]
pub struct EmbeddedSettings {
    /// The program; the running one in production.
    pub program: PathBuf,
    /// The node's own directory.
    pub dir: PathBuf,
    /// The chain that it works on.
    pub chain: EmbeddedChain,
    /// Its peers.
    pub peers: PeerSettings,
    /// How long it may take to open its data before it counts as hung.
    pub open_deadline: Duration,
    /// How long a call may take.
    pub call_deadline: Duration,
    /// How long a clean close may take.
    pub close_deadline: Duration,
    /// The longest pause before a process that keeps ending is started again.
    pub longest_pause: Duration,
}

impl EmbeddedSettings {
    /// The given program and directory, regtest, and generous deadlines.
    pub fn new(program: PathBuf, dir: PathBuf) -> Self {
        Self {
            program,
            dir,
            chain: EmbeddedChain::default(),
            peers: PeerSettings::default(),
            open_deadline: Duration::from_mins(10),
            call_deadline: Duration::from_mins(1),
            close_deadline: Duration::from_secs(15),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// A handle to the embedded base node.
#[derive(Clone, Debug)]
pub struct EmbeddedNode {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    settings: EmbeddedSettings,
    pub(super) state: watch::Sender<NodeState>,
    pub(super) changes: watch::Sender<u64>,
    connection: watch::Sender<Option<Connection>>,
    pid: watch::Sender<Option<u32>>,
    pub(super) mined: watch::Sender<(u64, u32)>,
    /// What an operator should know of the present process.
    pub(super) warnings: watch::Sender<Vec<String>>,
    pub(super) mempool: watch::Sender<Option<t::MempoolInfo>>,
    /// The present process's tip. No answer of that process is from further on.
    pub(super) tip: watch::Sender<Option<t::Tip>>,
    pub(super) minings: AtomicU64,
}

impl Shared {
    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn set_state(&self, state: NodeState) {
        let moved = self.state.send_if_modified(|now| {
            let moved = *now != state;
            *now = state;
            moved
        });
        if moved {
            self.changed();
        }
    }

    fn unavailable(&self, why: String) {
        self.connection.send_replace(None);
        self.tip.send_replace(None);
        self.set_state(NodeState::Unavailable { why });
    }
}

impl EmbeddedNode {
    /// Starts the child and keeps it running until `stop`; then closes it cleanly.
    pub fn start(
        settings: EmbeddedSettings,
        tracker: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let shared = Arc::new(Shared {
            settings,
            state: watch::Sender::new(NodeState::Starting),
            changes: watch::Sender::new(0),
            connection: watch::Sender::new(None),
            pid: watch::Sender::new(None),
            mined: watch::Sender::new((0, 0)),
            warnings: watch::Sender::default(),
            mempool: watch::Sender::new(None),
            tip: watch::Sender::new(None),
            minings: AtomicU64::new(0),
        });
        tracker.spawn(keep_running(shared.clone(), stop));
        Self { shared }
    }

    /// The child's process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        *self.shared.pid.borrow()
    }

    pub(super) async fn call<M: Method>(
        &self,
        request: &M::Request,
    ) -> Result<M::Response, NodeError>
    where
        M::Request: Sync,
    {
        let deadline = self.shared.settings.call_deadline;
        let call = async {
            self.connection()?
                .call::<M>(request)
                .await
                .map_err(Self::failed)
        };
        tokio::time::timeout(deadline, call)
            .await
            .unwrap_or_else(|_| {
                let why = format!("no answer within {} s", deadline.as_secs());
                Err(NodeError::Unavailable {
                    why,
                    retry_ms: 1000,
                })
            })
    }

    /// The connection to a process that lives: one that has just ended may not be noted yet, and knew a
    /// tip that is not the last one any more.
    pub(super) fn connection(&self) -> Result<Connection, NodeError> {
        let connection = self.shared.connection.borrow().clone();
        connection
            .filter(|connection| !connection.is_closed())
            .ok_or_else(|| self.away())
    }

    fn away(&self) -> NodeError {
        let why = match &*self.shared.state.borrow() {
            NodeState::Unavailable { why } => why.clone(),
            NodeState::Starting => "it is starting".to_owned(),
            NodeState::Ready => "its process ended".to_owned(),
        };
        NodeError::Unavailable { why, retry_ms: 500 }
    }

    pub(super) fn failed(error: CallError) -> NodeError {
        match error {
            CallError::Reply(reply) => reply.into(),
            CallError::Closed => NodeError::Unavailable {
                why: "its process ended during the call".to_owned(),
                retry_ms: 200,
            },
            shape @ CallError::Shape { .. } => NodeError::Internal(shape.to_string()),
        }
    }
}

/// Starts the child again and again, with pauses that grow while it does not stay up.
async fn keep_running(shared: Arc<Shared>, stop: CancellationToken) {
    let mut failures = 0_u32;
    while !stop.is_cancelled() {
        let started = tokio::time::Instant::now();
        let outcome = run_once(&shared, &stop).await;
        shared.pid.send_replace(None);
        if stop.is_cancelled() {
            break;
        }
        let why = match outcome {
            Ok(status) => format!("its process ended ({status})"),
            Err(why) => why,
        };
        tracing::warn!(node.reason = %why, "the base node ended and will be started again");
        shared.unavailable(why);
        failures = if started.elapsed() > Duration::from_secs(30) {
            0
        } else {
            failures + 1
        };
        let pause = match failures {
            0 | 1 => Duration::ZERO,
            many => (Duration::from_millis(100) * 2_u32.pow(many.min(16)))
                .min(shared.settings.longest_pause),
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
    shared.unavailable("the host is shutting down".to_owned());
}

async fn run_once(shared: &Arc<Shared>, stop: &CancellationToken) -> Result<String, String> {
    let settings = &shared.settings;
    let (stream, theirs) = Stream::pair().map_err(|error| format!("no socket: {error}"))?;
    let mut child = Command::new(&settings.program)
        .arg("base-node")
        .arg("--dir")
        .arg(&settings.dir)
        .args(settings.chain.to_args())
        .args(settings.peers.to_args())
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{} does not start: {error}", settings.program.display()))?;
    shared.pid.send_replace(child.id());
    let output = child
        .stderr
        .take()
        .map(|stderr| tokio::spawn(forward_output(stderr)));
    let talked = talk(shared, stream, &mut child, stop).await;
    let status = match tokio::time::timeout(settings.close_deadline, child.wait()).await {
        Ok(Ok(status)) => status.to_string(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => {
            // It did not leave in time: nothing it acknowledged is lost, its journal has it.
            let _ = child.kill().await;
            "killed: it did not close in time".to_owned()
        }
    };
    if let Some(output) = output {
        // The pipe closes with the process.
        let _ = output.await;
    }
    talked
        .map(|()| status.clone())
        .map_err(|why| format!("{why} ({status})"))
}

async fn talk(
    shared: &Arc<Shared>,
    stream: Stream,
    child: &mut Child,
    stop: &CancellationToken,
) -> Result<(), String> {
    let limits = wire::limits();
    let welcome = Welcome {
        protocol: 1,
        host: env!("CARGO_PKG_VERSION").to_owned(),
        instance: String::new(),
        grants: Vec::new(),
        heartbeat_ms: 2000,
    };
    tokio::select! {
        accepted = handshake::accept(&stream, &limits, |hello| {
            handshake::negotiate(hello).map(|_| welcome)
        }) => { accepted.map_err(|error| error.to_string())?; }
        status = child.wait() => {
            let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            return Err(format!("its process ended before it spoke: {status}"));
        }
        () = stop.cancelled() => return Ok(()),
    }
    let (ready, mut is_ready) = watch::channel(false);
    let (last_words, heard) = watch::channel(None);
    let handler = Arc::new(FromChild {
        shared: shared.clone(),
        ready,
        last_words,
    });
    let connection = Connection::start(stream, limits, handler);
    let ended = {
        let connection = connection.clone();
        let heard = heard.clone();
        async move {
            connection.closed().await;
            let words: Option<Goodbye> = heard.borrow().clone();
            words.map_or_else(|| "its process ended".to_owned(), |words| words.message)
        }
    };
    tokio::pin!(ended);
    tokio::select! {
        () = async { drop(is_ready.wait_for(|ready| *ready).await) } => {}
        why = &mut ended => return Err(why),
        () = stop.cancelled() => return close(shared, &connection).await,
        () = tokio::time::sleep(shared.settings.open_deadline) => {
            let _ = child.start_kill();
            return Err("it did not open its data in time".to_owned());
        }
    }
    shared.connection.send_replace(Some(connection.clone()));
    shared.set_state(NodeState::Ready);
    tokio::select! {
        why = &mut ended => Err(why),
        () = stop.cancelled() => close(shared, &connection).await,
    }
}

async fn close(shared: &Shared, connection: &Connection) -> Result<(), String> {
    let request = t::Empty {};
    let closing = connection.call::<Close>(&request);
    // A child that does not answer is ended by the caller.
    let _ = tokio::time::timeout(shared.settings.close_deadline, closing).await;
    connection.close(&Goodbye::new("shutdown", "the host stops"));
    Ok(())
}

async fn forward_output(stderr: tokio::process::ChildStderr) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        relay(&line);
    }
}

/// Writes a line of the child, `time LEVEL message`, into the host's own log at its level.
fn relay(line: &str) {
    let level = line.split_whitespace().nth(1).unwrap_or_default();
    let message = line
        .split_once(level)
        .map_or(line, |(_, rest)| rest.trim_start());
    match level {
        "ERROR" => tracing::error!(target: "base_node", "{message}"),
        "INFO" => tracing::info!(target: "base_node", "{message}"),
        "DEBUG" | "TRACE" => tracing::debug!(target: "base_node", "{message}"),
        "WARN" => tracing::warn!(target: "base_node", "{message}"),
        // Not from the child's telemetry: an assertion's last words, for instance.
        _ => tracing::warn!(target: "base_node", "{line}"),
    }
}

struct FromChild {
    shared: Arc<Shared>,
    ready: watch::Sender<bool>,
    last_words: watch::Sender<Option<Goodbye>>,
}

impl Handler for FromChild {
    fn request(&self, _: &Connection, _: Incoming) -> Reply {
        Reply::refuse(ErrorReply::unsupported(
            "the host answers nothing to the base node",
        ))
    }

    fn notice(&self, connection: &Connection, notice: Notice) {
        match notice {
            Notice::Event(event) if event.kind == MOVED => {
                if let Some(warnings) = event.data["warnings"].as_array() {
                    let texts = warnings.iter().filter_map(|text| text.as_str());
                    let texts = texts.map(str::to_owned).collect();
                    self.shared.warnings.send_replace(texts);
                }
                self.ready.send_replace(true);
                self.shared.changed();
            }
            Notice::Event(event) if event.kind == TIP => {
                let tip = serde_json::from_value(event.data).unwrap_or_default();
                self.shared.tip.send_replace(tip);
            }
            Notice::Event(event) if event.kind == MINED => {
                let number = event.data["number"].as_u64().unwrap_or(0);
                let done = event.data["done"]
                    .as_u64()
                    .and_then(|done| u32::try_from(done).ok());
                self.shared.mined.send_replace((number, done.unwrap_or(0)));
            }
            Notice::Event(event) if event.kind == MEMPOOL => {
                if let Ok(info) = serde_json::from_value(event.data) {
                    self.shared.mempool.send_replace(Some(info));
                }
            }
            Notice::Goodbye(words) => drop(self.last_words.send_replace(Some(words))),
            Notice::Ping(id) => connection.pong(id),
            _ => {}
        }
    }
}
