//! A host in memory, for a module's own tests: the real protocol over a real socketpair, with
//! answers from a script instead of a node.
//!
//! ```
//! use bllvm_sdk::ipc::method::ChainTip;
//! use bllvm_sdk::ipc::types::{Sample, Tip};
//! use bllvm_sdk::testing::TestHost;
//! use bllvm_sdk::{Context, Event, Module, NoConfig, Result};
//!
//! struct Greeter(Context);
//!
//! impl Module for Greeter {
//!     type Config = NoConfig;
//!     const EVENTS: &'static [&'static str] = &["chain.*"];
//!
//!     async fn prepare(context: Context, _: NoConfig) -> Result<Self> {
//!         Ok(Self(context))
//!     }
//!
//!     async fn event(&self, _: &Event) -> Result<()> {
//!         let height = self.0.node().tip().await?.height;
//!         self.0.ui().status(&[("tip", "Tip", height.to_string())]).await?;
//!         Ok(())
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let host = TestHost::new().answer::<ChainTip>(|_| Ok(Tip::sample()));
//! let module = host.start::<Greeter>().await.unwrap();
//!
//! let seq = module.event("chain.block_connected", serde_json::json!({ "height": 840_000 }));
//! module.acknowledged(seq).await;
//!
//! assert_eq!(module.seen().status[0].value, "840000");
//! module.stop().await.unwrap();
//! # });
//! ```
//!
//! Nothing here sleeps: everything waits for what is to come, ten seconds at the most.

mod host;
mod running;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bllvm_ipc::handshake::{Welcome, accept};
use bllvm_ipc::{Capability, Connection, ErrorReply, Limits, Method, Reply, Stream};
use bllvm_manifest::Manifest;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::session::{self, Start};
use crate::{Module, logging};

pub use host::Seen;
use host::{Answers, Host};
pub use running::TestModule;

/// Why a module did not start in a test.
#[derive(Debug, thiserror::Error)]
pub enum StartFailure {
    /// It found problems in its configuration.
    #[error("the configuration was refused: {0}")]
    Config(String),
    /// One of the start's steps was refused.
    #[error("`{step}` was refused: {error}")]
    Refused {
        /// The step.
        step: &'static str,
        /// The module's words.
        error: bllvm_ipc::CallError,
    },
    /// The system or the handshake failed.
    #[error("{0}")]
    System(String),
}

/// A host to be: what it grants, hands over, configures and answers.
pub struct TestHost {
    name: String,
    version: String,
    grants: Vec<Capability>,
    listeners: Vec<String>,
    config: Value,
    data_dir: Option<PathBuf>,
    answers: Answers,
}

impl fmt::Debug for TestHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestHost")
            .field("name", &self.name)
            .field("grants", &self.grants)
            .finish_non_exhaustive()
    }
}

impl Default for TestHost {
    fn default() -> Self {
        Self {
            name: "test-module".to_owned(),
            version: "0.1.0".to_owned(),
            grants: Capability::ALL.to_vec(),
            listeners: Vec::new(),
            config: json!({}),
            data_dir: None,
            answers: HashMap::new(),
        }
    }
}

impl TestHost {
    /// A host that grants everything, configures nothing, and keeps storage, subscriptions and
    /// the dashboard in memory. The chain needs [`TestHost::answer`].
    pub fn new() -> Self {
        Self::default()
    }

    /// A host that grants what a `module.toml` asks for and opens its listeners on free ports.
    ///
    /// # Errors
    /// A manifest that is not valid.
    pub fn for_manifest(text: &str) -> Result<Self, bllvm_manifest::ManifestError> {
        let manifest = Manifest::parse(text)?;
        let asked = |name: &String| name.parse().ok();
        let listeners = manifest.network.listeners.keys();
        Ok(Self {
            name: manifest.name.to_string(),
            version: manifest.version.to_string(),
            grants: manifest.capabilities.iter().filter_map(asked).collect(),
            listeners: listeners.map(ToString::to_string).collect(),
            ..Self::default()
        })
    }

    /// Grants these and no others.
    #[must_use]
    pub fn grants(mut self, grants: &[Capability]) -> Self {
        self.grants = grants.to_vec();
        self
    }

    /// The configuration to start with.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// Hands over a listener on a free port of 127.0.0.1.
    #[must_use]
    pub fn listener(mut self, name: &str) -> Self {
        self.listeners.push(name.to_owned());
        self
    }

    /// The module's own directory; otherwise a new one that is removed with the module.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// Answers a method that the module may ask.
    #[must_use]
    pub fn answer<M: Method>(
        mut self,
        answer: impl Fn(M::Request) -> Result<M::Response, ErrorReply> + Send + Sync + 'static,
    ) -> Self {
        let answer = move |request: &bllvm_ipc::Incoming| {
            Reply::now::<M>(request.decode::<M>().and_then(&answer))
        };
        self.answers.insert(M::ID, Box::new(answer));
        self
    }

    /// Starts a module: handshake, configure, prepare, activate.
    ///
    /// # Errors
    /// Any step that the module refuses.
    pub async fn start<M: Module>(self) -> Result<TestModule, StartFailure> {
        let mut module = self.prepare::<M>().await?;
        module.activate().await?;
        Ok(module)
    }

    /// Starts a module up to `prepare`: it serves nothing yet, as during an overlapping reload.
    ///
    /// # Errors
    /// Any step that the module refuses.
    pub async fn prepare<M: Module>(self) -> Result<TestModule, StartFailure> {
        let config = self.config.clone();
        let module = self.connect::<M>().await?;
        module.configure(config).await?;
        Ok(module)
    }

    async fn connect<M: Module>(self) -> Result<TestModule, StartFailure> {
        let system = |error: &dyn fmt::Display| StartFailure::System(error.to_string());
        let temporary = match self.data_dir {
            Some(_) => None,
            None => Some(new_directory().map_err(|error| system(&error))?),
        };
        let data_dir = self.data_dir.or(temporary.clone()).unwrap_or_default();
        let (listeners, addresses) = open_listeners(self.listeners).map_err(|e| system(&e))?;
        let (ours, theirs) = Stream::pair().map_err(|error| system(&error))?;
        let terminate = CancellationToken::new();
        let start = Start {
            stream: Stream::from_fd(theirs).map_err(|error| system(&error))?,
            name: self.name,
            version: self.version,
            data_dir,
            listeners,
            terminate: terminate.clone(),
        };
        let session = tokio::spawn(session::run::<M>(start, |connection| {
            tracing::Dispatch::new(logging::subscriber(connection.clone()))
        }));
        let (connection, host) = greet(ours, self.grants, self.answers).await?;
        Ok(TestModule::new(
            connection,
            host,
            Some(session),
            terminate,
            addresses,
            temporary,
        ))
    }

    /// Takes a module through its whole start that runs as a process of its own: `channel` is the
    /// host's end of a [`Stream::pair`] whose other end the process inherited. Descriptors, listeners
    /// and the process are the caller's.
    ///
    /// # Errors
    /// Any step that the module refuses.
    pub async fn drive(self, channel: Stream) -> Result<TestModule, StartFailure> {
        let config = self.config;
        let (connection, host) = greet(channel, self.grants, self.answers).await?;
        let terminate = CancellationToken::new();
        let none = BTreeMap::new();
        let mut module = TestModule::new(connection, host, None, terminate, none, None);
        module.configure(config).await?;
        module.activate().await?;
        Ok(module)
    }
}

/// The handshake, and what answers from then on.
async fn greet(
    ours: Stream,
    capabilities: Vec<Capability>,
    answers: Answers,
) -> Result<(Connection, Arc<Host>), StartFailure> {
    let grants = capabilities.iter().map(ToString::to_string).collect();
    let welcome = Welcome {
        protocol: *bllvm_ipc::PROTOCOL_VERSIONS.end(),
        host: "test".to_owned(),
        instance: "01J0000000000000000000000".to_owned(),
        grants,
        heartbeat_ms: 2000,
    };
    accept(&ours, &Limits::default(), |_| Ok(welcome))
        .await
        .map_err(|error| StartFailure::System(error.to_string()))?;
    let host = Arc::new(Host::new(capabilities, answers));
    let connection = Connection::start(ours, Limits::default(), host.clone());
    Ok((connection, host))
}

/// A directory that nobody else has.
fn new_directory() -> std::io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("bllvm-test-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

type Listeners = BTreeMap<String, OwnedFd>;
type Addresses = BTreeMap<String, std::net::SocketAddr>;

fn open_listeners(names: Vec<String>) -> std::io::Result<(Listeners, Addresses)> {
    let mut listeners = BTreeMap::new();
    let mut addresses = BTreeMap::new();
    for name in names {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        addresses.insert(name.clone(), listener.local_addr()?);
        listeners.insert(name, listener.into());
    }
    Ok((listeners, addresses))
}
