//! One module on one channel: handshake, dispatcher, and how it ends.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bllvm_ipc::handshake::{Goodbye, Hello, greet};
use bllvm_ipc::lifecycle::Drain;
use bllvm_ipc::{Connection, Limits, Stream, WireError};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber;

use crate::context::Parts;
use crate::delivery::Delivery;
use crate::dispatcher::Dispatcher;
use crate::events::EventQueue;
use crate::handler::{Gateway, INBOX, Life, Work};
use crate::{Context, Module};

/// How long the module may drain after a SIGTERM; the host's own deadline is usually shorter.
const TERMINATE_DEADLINE: Duration = Duration::from_secs(20);
/// How long open work may go on once the host is gone. What matters is durable already.
const ORPHAN_DEADLINE: Duration = Duration::from_millis(25);
/// How long last words may take to be written.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// What a session begins with.
pub(crate) struct Start {
    pub(crate) stream: Stream,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) listeners: BTreeMap<String, OwnedFd>,
    /// Fires when this process was asked to end by a signal.
    pub(crate) terminate: CancellationToken,
}

/// How a session ended in peace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The host said goodbye, or is gone.
    HostGone(Option<Goodbye>),
    /// A signal asked for it; the module has drained.
    Terminated,
}

/// How a session failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// No channel came about.
    #[error("the handshake failed: {0}")]
    Handshake(WireError),
    /// The channel broke.
    #[error("the channel failed: {0}")]
    Channel(String),
    /// The module cannot go on.
    #[error("{0}")]
    Module(String),
    /// The module's code panicked.
    #[error("the module panicked")]
    Panicked,
}

/// Greets the host, then serves it until one of the two ends it. `on_open` gets the connection
/// as soon as it stands, and says where logs go from then on.
pub(crate) async fn run<M: Module>(
    start: Start,
    on_open: impl FnOnce(&Connection) -> tracing::Dispatch,
) -> Result<Ending, SessionError> {
    let limits = Limits::default();
    let hello = Hello {
        sdk: concat!("bllvm-sdk ", env!("CARGO_PKG_VERSION")).to_owned(),
        ..Hello::new(&start.name, &start.version)
    };
    let welcome = greet(&start.stream, &limits, &hello)
        .await
        .map_err(SessionError::Handshake)?;

    let (sender, inbox) = mpsc::channel(INBOX);
    let events = Arc::new(EventQueue::default());
    let goodbye = Arc::new(Mutex::new(None));
    let gateway = Gateway {
        inbox: sender.clone(),
        events: events.clone(),
        goodbye: goodbye.clone(),
    };
    let connection = Connection::start(start.stream, limits, Arc::new(gateway));
    let logs = on_open(&connection);

    let shutdown = CancellationToken::new();
    let context = Context::new(Parts {
        connection: connection.clone(),
        events: events.clone(),
        name: start.name,
        welcome,
        data_dir: start.data_dir,
        listeners: start.listeners,
        shutdown: shutdown.clone(),
    });
    let delivery = Delivery::new(connection.clone(), events);
    let dispatcher = Dispatcher::<M>::new(context, inbox, delivery);
    let mut dispatcher = tokio::spawn(dispatcher.run().with_subscriber(logs));

    let ending = tokio::select! {
        outcome = &mut dispatcher => Err(match outcome {
            Ok(Ok(())) => SessionError::Module("the dispatcher ended".to_owned()),
            Ok(Err(error)) => SessionError::Module(error.chain()),
            Err(_) => SessionError::Panicked,
        }),
        outcome = connection.closed() => {
            shutdown.cancel();
            drain(&sender, ORPHAN_DEADLINE).await;
            let words = goodbye.lock().unwrap_or_else(PoisonError::into_inner).take();
            match &*outcome {
                Ok(()) => Ok(Ending::HostGone(words)),
                Err(error) => Err(SessionError::Channel(error.to_string())),
            }
        }
        () = start.terminate.cancelled() => {
            drain(&sender, TERMINATE_DEADLINE).await;
            Ok(Ending::Terminated)
        }
    };
    shutdown.cancel();
    dispatcher.abort();
    say_goodbye(&connection, &ending).await;
    ending
}

/// Asks the module's own dispatcher, and gives up soon after the deadline.
async fn drain(inbox: &mpsc::Sender<Work>, deadline: Duration) {
    let (responder, answer) = oneshot::channel();
    let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
    let work = Work::Life(Life::Drain(Drain { deadline_ms }, responder));
    if inbox.try_send(work).is_ok() {
        // A module that does not drain in time is ended all the same.
        let _ = tokio::time::timeout(deadline, answer).await;
    }
}

/// Lets waiting records and acknowledgements go out, then closes with the reason.
async fn say_goodbye(connection: &Connection, ending: &Result<Ending, SessionError>) {
    let words = match ending {
        Ok(_) => Goodbye::new("shutdown", "the module has drained and ends"),
        Err(error) => Goodbye::new("fault", error.to_string()),
    };
    let flushed = async {
        while !connection.is_closed() && connection.queued_bytes() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    // A host that does not read is left without them.
    let _ = tokio::time::timeout(LAST_WORDS, flushed).await;
    connection.close(&words);
}
