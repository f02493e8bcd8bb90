//! What the host tells a module about its own life.
//!
//! A start is `configure`, `prepare`, `activate`; only the answer to `activate` makes a module
//! *running*. During an overlapping reload the new process waits between `prepare` and `activate`
//! until the old one has drained.

use serde::{Deserialize, Serialize};

use crate::types::{MethodDescription, Sample};

/// Why a process was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartReason {
    /// An operator's load, or the host's start.
    Load,
    /// After a crash.
    Restart,
    /// A reload: an earlier process may still run.
    Reload,
}

/// The first request after the welcome: here is your configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configure {
    /// The configuration, secrets included, valid by the module's schema.
    pub config: serde_json::Value,
    /// Which revision it is.
    pub revision: u64,
    /// Why the process was started.
    pub reason: StartReason,
}

/// A configuration to be judged or taken over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewConfig {
    /// The configuration, secrets included, valid by the module's schema.
    pub config: serde_json::Value,
    /// Which revision it is; 0 while it is only judged.
    #[serde(default)]
    pub revision: u64,
}

/// What a module thinks of a configuration. No problem means it is fine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigVerdict {
    /// What is wrong, key by key.
    #[serde(default)]
    pub problems: Vec<ConfigProblem>,
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConfigProblem {
    /// The dotted key; empty for the whole.
    pub key: String,
    /// What is wrong and the way out.
    pub message: String,
}

/// Finish what is open and take nothing new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// The time for it, in milliseconds.
    pub deadline_ms: u64,
}

/// The module serves now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    /// The methods that it offers.
    #[serde(default)]
    pub methods: Vec<MethodDescription>,
    /// Patterns of the events that it wants, so that the host can start the feed at once.
    #[serde(default)]
    pub subscriptions: Vec<String>,
}

/// A call of one of the module's own methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The method's name.
    pub method: String,
    /// Its parameters.
    #[serde(default)]
    pub params: serde_json::Value,
    /// Who calls: `operator`, or `module:<name>`.
    pub caller: String,
}

impl Sample for Configure {
    fn sample() -> Self {
        Self {
            config: serde_json::json!({ "listen": true }),
            revision: 3,
            reason: StartReason::Load,
        }
    }
}

impl Sample for NewConfig {
    fn sample() -> Self {
        Self {
            config: serde_json::json!({ "listen": true }),
            revision: 4,
        }
    }
}

impl Sample for ConfigVerdict {
    fn sample() -> Self {
        let problem = ConfigProblem {
            key: "port".into(),
            message: "0 is not a port; use 1 to 65535".into(),
        };
        Self {
            problems: vec![problem],
        }
    }
}

impl Sample for Drain {
    fn sample() -> Self {
        Self { deadline_ms: 5000 }
    }
}

impl Sample for Ready {
    fn sample() -> Self {
        Self {
            methods: vec![MethodDescription::sample()],
            subscriptions: vec!["chain.*".into()],
        }
    }
}

impl Sample for Call {
    fn sample() -> Self {
        Self {
            method: "tip_age".into(),
            params: serde_json::json!({}),
            caller: "operator".into(),
        }
    }
}
