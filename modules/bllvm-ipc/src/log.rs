//! Log records and metrics that a module sends to its host.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Severity, as `tracing` and syslog know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Every step.
    Trace,
    /// For the author.
    Debug,
    /// What an operator follows.
    Info,
    /// Recovered.
    Warn,
    /// Someone must act.
    Error,
}

/// One log record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogRecord {
    /// Severity.
    pub level: Level,
    /// The part of the module that speaks.
    #[serde(default)]
    pub target: String,
    /// A message that reads alone.
    pub message: String,
    /// Dotted fields.
    #[serde(default)]
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// One metric's present value; the newest counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Prometheus-style name without the module's prefix.
    pub name: String,
    /// `true` for a counter that only grows, `false` for a gauge.
    #[serde(default)]
    pub counter: bool,
    /// The value now.
    pub value: f64,
}
