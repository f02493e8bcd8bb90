//! The trait that a module implements, from its configuration to its last drain.

use std::future::Future;
use std::sync::Arc;

use bllvm_ipc::lifecycle::ConfigProblem;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Context, Error, Event, Methods, Result};

/// A module. Only [`Module::prepare`] must be written.
///
/// # Life
/// `prepare` makes the module and `activate` lets it serve; between the two it must accept
/// nothing and write nothing, because the process that it replaces may still be serving.
/// `drain` finishes what is open; after it comes the end of the process, or `resume`.
///
/// # What runs when
/// One task, the dispatcher, runs the life's steps and the events, one of each at a time, and
/// answers the host's pings: a module that blocks its thread, or sits on one event for more than
/// 30 seconds, is shown as unresponsive. Methods run beside it, each in a task of its own, which
/// is why everything takes `&self`.
///
/// # Events
/// Durable events come in order and at least once: one is acknowledged after [`Module::event`]
/// returned `Ok`, so its effect must be idempotent. After an `Err` it comes again, five times in
/// all over about eight seconds; then [`Module::undeliverable`] decides. Other events are not
/// repeated: their `Err` is logged.
pub trait Module: Sized + Send + Sync + 'static {
    /// The configuration. Its JSON Schema is derived, its defaults fill the first `config.toml`,
    /// its doc comments explain the form in the dashboard. [`NoConfig`] has no keys.
    type Config: DeserializeOwned + JsonSchema + Send + 'static;

    /// The events that it wants from its start on: `*`, `chain.*`, or whole types.
    const EVENTS: &'static [&'static str] = &[];

    /// Judges a configuration beyond what its schema says, without taking it.
    ///
    /// # Errors
    /// What is wrong, key by key; an operator reads it.
    fn validate(config: &Self::Config) -> Result<(), Problems> {
        let _ = config;
        Ok(())
    }

    /// The methods that it offers to people, programs and other modules.
    fn methods() -> Methods<Self> {
        Methods::new()
    }

    /// Makes the module: opens what it needs; accepts nothing and writes nothing yet.
    ///
    /// # Errors
    /// Ends the start; the operator sees the text.
    fn prepare(context: Context, config: Self::Config)
    -> impl Future<Output = Result<Self>> + Send;

    /// Serves from now on. What goes on after it belongs into [`Context::spawn`].
    ///
    /// # Errors
    /// Ends the start; the operator sees the text.
    fn activate(self: Arc<Self>) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Finishes what is open. Tasks of [`Context::spawn`], calls and the present event are waited
    /// for besides.
    fn drain(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Serves again after a drain. Does what [`Module::activate`] does, unless it is written.
    ///
    /// # Errors
    /// Ends the process; the host starts another.
    fn resume(self: Arc<Self>) -> impl Future<Output = Result<()>> + Send {
        self.activate()
    }

    /// Takes a new configuration while running (reload mode `in_place`).
    ///
    /// # Errors
    /// Keeps the old one, and says why. Unless it is written, every change is refused: the
    /// module needs another reload mode.
    fn reconfigure(
        &self,
        config: Self::Config,
    ) -> impl Future<Output = Result<(), Problems>> + Send {
        drop(config);
        async {
            Err(Problems::whole(
                "this module takes a new configuration only by a restart; use reload mode \
                 `exclusive` or `overlap`",
            ))
        }
    }

    /// Applies an event.
    ///
    /// # Errors
    /// A durable event comes again.
    fn event(&self, event: &Event) -> impl Future<Output = Result<()>> + Send {
        let _ = event;
        async { Ok(()) }
    }

    /// Decides about a durable event that failed five times. Unless it is written, the process
    /// ends, visibly, and a new one gets the event again: nothing is ever skipped silently.
    fn undeliverable(&self, event: &Event, error: &Error) -> Undeliverable {
        let _ = (event, error);
        Undeliverable::Stop
    }
}

/// What becomes of a durable event that cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undeliverable {
    /// End the process with a fault; the host starts it again and sends the event again.
    Stop,
    /// Acknowledge it as if it were applied. An error in the log names it.
    Skip,
}

/// A configuration without keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// What is wrong with a configuration, key by key.
///
/// ```
/// use bllvm_sdk::Problems;
///
/// fn check(port: u16) -> Result<(), Problems> {
///     if port == 0 {
///         return Err(Problems::key("port", "0 is not a port; use 1 to 65535"));
///     }
///     Ok(())
/// }
/// assert_eq!(check(0).unwrap_err().to_string(), "port: 0 is not a port; use 1 to 65535");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<ConfigProblem>);

impl Problems {
    /// One problem of one dotted key.
    pub fn key(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self(vec![ConfigProblem {
            key: key.into(),
            message: message.into(),
        }])
    }

    /// A problem of the whole.
    pub fn whole(message: impl Into<String>) -> Self {
        Self::key("", message)
    }

    /// Adds one more.
    #[must_use]
    pub fn and(mut self, key: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.extend(Self::key(key, message).0);
        self
    }

    pub(crate) fn into_verdict(self) -> bllvm_ipc::lifecycle::ConfigVerdict {
        bllvm_ipc::lifecycle::ConfigVerdict { problems: self.0 }
    }
}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let key = match problem.key.as_str() {
                "" => String::new(),
                key => format!("{key}: "),
            };
            write!(f, "{separator}{key}{}", problem.message)?;
        }
        Ok(())
    }
}

impl From<Error> for Problems {
    fn from(error: Error) -> Self {
        Self::whole(error.to_string())
    }
}
