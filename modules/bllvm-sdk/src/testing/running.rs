//! A module that runs in a test, and the ways in which a test acts on it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bllvm_ipc::connection::encode_event;
use bllvm_ipc::handshake::Goodbye;
use bllvm_ipc::lifecycle::{Call, ConfigVerdict, Configure, Drain, NewConfig, Ready, StartReason};
use bllvm_ipc::method as m;
use bllvm_ipc::types::Empty;
use bllvm_ipc::{CallError, Connection, EventClass, EventEnvelope};
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::host::{Host, Seen};
use super::{Addresses, StartFailure};
use crate::session::{Ending, SessionError};

/// Nothing in a test takes longer.
const DEADLINE: Duration = Duration::from_secs(10);

/// A running module.
pub struct TestModule {
    connection: Connection,
    host: Arc<Host>,
    /// None where the module is a process of its own.
    session: Option<JoinHandle<Result<Ending, SessionError>>>,
    terminate: CancellationToken,
    addresses: Addresses,
    temporary: Option<PathBuf>,
    ready: Ready,
    next_seq: AtomicU64,
}

impl fmt::Debug for TestModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestModule")
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}

impl Drop for TestModule {
    fn drop(&mut self) {
        self.connection
            .close(&Goodbye::new("shutdown", "the test is over"));
        if let Some(path) = &self.temporary {
            // A leftover in the temporary directory harms nobody.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

impl TestModule {
    pub(super) fn new(
        connection: Connection,
        host: Arc<Host>,
        session: Option<JoinHandle<Result<Ending, SessionError>>>,
        terminate: CancellationToken,
        addresses: Addresses,
        temporary: Option<PathBuf>,
    ) -> Self {
        Self {
            connection,
            host,
            session,
            terminate,
            addresses,
            temporary,
            ready: Ready::default(),
            next_seq: AtomicU64::new(1),
        }
    }

    pub(super) async fn configure(&self, config: Value) -> Result<(), StartFailure> {
        let request = Configure {
            config,
            revision: 1,
            reason: StartReason::Load,
        };
        let verdict = self.connection.call::<m::Configure>(&request).await;
        let verdict = verdict.map_err(|error| StartFailure::Refused {
            step: "configure",
            error,
        })?;
        if let Some(problem) = verdict.problems.first() {
            let text = format!("{} {}", problem.key, problem.message);
            return Err(StartFailure::Config(text.trim().to_owned()));
        }
        let prepared = self.connection.call::<m::Prepare>(&Empty {}).await;
        prepared.map(drop).map_err(|error| StartFailure::Refused {
            step: "prepare",
            error,
        })
    }

    /// Lets a prepared module serve.
    ///
    /// # Errors
    /// The module's refusal.
    pub async fn activate(&mut self) -> Result<(), StartFailure> {
        let ready = self.connection.call::<m::Activate>(&Empty {}).await;
        self.ready = ready.map_err(|error| StartFailure::Refused {
            step: "activate",
            error,
        })?;
        Ok(())
    }

    /// What it said when it began to serve: methods and subscriptions.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Calls one of its methods, as the operator.
    pub async fn call(&self, method: &str, params: impl Serialize) -> Result<Value, CallError> {
        self.call_as("operator", method, params).await
    }

    /// Calls one of its methods as somebody: `operator`, or `module:<name>`.
    pub async fn call_as(
        &self,
        caller: &str,
        method: &str,
        params: impl Serialize,
    ) -> Result<Value, CallError> {
        let params = serde_json::to_value(params).map_err(|error| CallError::Shape {
            method: method.to_owned(),
            reason: error.to_string(),
        })?;
        let request = Call {
            method: method.to_owned(),
            params,
            caller: caller.to_owned(),
        };
        let answer = self.connection.call::<m::Call>(&request).await?;
        Ok(answer.result)
    }

    /// Sends a durable event; returns its number.
    pub fn event(&self, kind: &str, data: Value) -> u64 {
        self.event_of(EventClass::Durable, kind, data)
    }

    /// Sends an event of any class; returns its number.
    pub fn event_of(&self, class: EventClass, kind: &str, data: Value) -> u64 {
        let seq = self.next_seq.fetch_add(1, Ordering::Relaxed);
        self.send(&EventEnvelope {
            seq,
            kind: kind.to_owned(),
            class,
            publisher: "host".to_owned(),
            time: "2026-01-01T00:00:00Z".to_owned(),
            data,
        });
        seq
    }

    /// Sends an event exactly as it is.
    ///
    /// # Panics
    /// When the module is gone.
    pub fn send(&self, event: &EventEnvelope) {
        let frame = encode_event(event).expect("an event can be encoded");
        let sent = self.connection.try_send_events(&[frame]);
        assert!(
            matches!(sent, Ok(true)),
            "the module takes events: {sent:?}"
        );
    }

    /// Waits until it has applied all durable events up to this number.
    pub async fn acknowledged(&self, seq: u64) {
        self.until(|seen| seen.acknowledged >= seq).await;
    }

    /// Waits until what it did fits.
    ///
    /// # Panics
    /// After ten seconds.
    pub async fn until(&self, fits: impl FnMut(&Seen) -> bool) -> Seen {
        let mut fits = fits;
        let mut seen = self.host.seen.subscribe();
        let waiting = seen.wait_for(|seen| fits(seen));
        match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(Ok(seen)) => seen.clone(),
            _ => panic!("it did not happen within ten seconds: {:?}", self.seen()),
        }
    }

    /// What it does, as it comes; for those who wait in their own way.
    pub fn watch(&self) -> tokio::sync::watch::Receiver<Seen> {
        self.host.seen.subscribe()
    }

    /// What it did so far.
    pub fn seen(&self) -> Seen {
        self.host.seen.borrow().clone()
    }

    /// Where one of its listeners listens.
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.addresses.get(listener).copied()
    }

    /// Lets it finish what is open.
    pub async fn drain(&self) -> Result<(), CallError> {
        let request = Drain { deadline_ms: 5000 };
        self.connection.call::<m::Drain>(&request).await.map(drop)
    }

    /// Lets it serve again after a drain.
    pub async fn resume(&self) -> Result<(), CallError> {
        self.connection.call::<m::Resume>(&Empty {}).await.map(drop)
    }

    /// Gives it a new configuration; no problems means that it took it.
    pub async fn reconfigure(&self, config: Value) -> Result<ConfigVerdict, CallError> {
        let request = NewConfig {
            config,
            revision: 2,
        };
        self.connection.call::<m::Reconfigure>(&request).await
    }

    /// Lets it judge a configuration.
    pub async fn validate(&self, config: Value) -> Result<ConfigVerdict, CallError> {
        let request = NewConfig {
            config,
            revision: 0,
        };
        self.connection.call::<m::Validate>(&request).await
    }

    /// Asks its dispatcher for a sign of life.
    pub async fn ping(&self) -> Result<(), CallError> {
        self.connection.ping().await
    }

    /// Drains it and says goodbye.
    ///
    /// # Errors
    /// How the module failed, if it did.
    pub async fn stop(self) -> Result<(), String> {
        // A module that failed is judged by how its session ended.
        let _ = self.drain().await;
        self.connection
            .close(&Goodbye::new("shutdown", "the host stops"));
        self.ended().await
    }

    /// Ends it as a SIGTERM does.
    ///
    /// # Errors
    /// How the module failed, if it did.
    pub async fn terminate(self) -> Result<(), String> {
        self.terminate.cancel();
        self.ended().await
    }

    /// Waits for its end, however it comes.
    ///
    /// # Errors
    /// How the module failed, if it did.
    pub async fn ended(mut self) -> Result<(), String> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        match tokio::time::timeout(DEADLINE, session).await {
            Ok(Ok(Ok(_))) => Ok(()),
            Ok(Ok(Err(error))) => Err(error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it did not end within ten seconds".to_owned()),
        }
    }
}
