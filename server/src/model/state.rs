//! The words for a module's life, shown everywhere the same.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! words {
    ($( $(#[doc = $doc:literal])+ $name:ident { $( $(#[doc = $vdoc:literal])+ $variant:ident = $word:tt ),+ $(,)? } )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
            pub enum $name { $( $(#[doc = $vdoc])+ #[serde(rename = $word)] $variant, )+ }

            impl $name {
                /// Every value.
                pub const ALL: &'static [Self] = &[$(Self::$variant),+];

                /// The word in the API and the database.
                pub const fn as_str(self) -> &'static str {
                    match self { $(Self::$variant => $word),+ }
                }

                /// The value of a word.
                pub fn from_word(word: &str) -> Option<Self> {
                    Self::ALL.iter().copied().find(|value| value.as_str() == word)
                }
            }

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(self.as_str())
                }
            }
        )+
    };
}
pub(crate) use words;

words! {
    /// What an operator wants.
    DesiredState {
        /// The module shall run, also after the host's restart.
        Running = "running",
        /// The module shall not run.
        Stopped = "stopped",
    }

    /// What is.
    ObservedState {
        /// No process.
        Stopped = "stopped",
        /// A process that is not ready yet.
        Starting = "starting",
        /// The process answered `activate`.
        Running = "running",
        /// Asked to end.
        Stopping = "stopping",
        /// Crashed; waits for its next start.
        BackingOff = "backing_off",
        /// Needs a person: retrying cannot mend it.
        Failed = "failed",
    }

    /// How a reload was done.
    ReloadMode {
        /// The process took the new configuration.
        InPlace = "in_place",
        /// A new process took over from the old one on the held listeners.
        Overlap = "overlap",
        /// The old process ended before the new one started on the held listeners.
        Exclusive = "exclusive",
    }
}

/// How a running module is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Health {
    /// Nothing runs, so nothing is known.
    Unknown,
    /// It answers.
    Healthy,
    /// It missed heartbeats.
    Unresponsive,
    /// It answers, and something is amiss.
    Degraded {
        /// What is amiss.
        message: String,
    },
}
