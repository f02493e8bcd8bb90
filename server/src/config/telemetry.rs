//! `[telemetry]`: what the node itself writes to stderr.

use std::str::FromStr as _;

use tracing_subscriber::EnvFilter;

use super::reader::{self, Key, Reader};

const LEVEL: Key = Key::new(
    "telemetry.level",
    "\"info\"",
    "error, warn, info, debug or trace; also by part, as in `info,bllvm_node::supervisor=debug`.",
);
const FORMAT: Key = Key::new(
    "telemetry.format",
    "\"text\"",
    "`text` for people, `json` for collectors (one object a line).",
);

pub(super) const KEYS: &[Key] = &[LEVEL, FORMAT];

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The settings of the node's own log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// What is written, in the words of `tracing`'s filter.
    pub level: String,
    /// How it looks.
    pub format: Format,
}

impl Telemetry {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            level: reader.get(&LEVEL, level),
            format: reader.get(&FORMAT, format),
        }
    }
}

fn level(value: &toml::Value) -> Result<String, String> {
    let text = reader::text(value)?;
    match EnvFilter::from_str(&text) {
        Ok(_) if !text.trim().is_empty() => Ok(text),
        _ => Err(format!(
            "must be error, warn, info, debug or trace, or a filter such as `info,bllvm_node=debug`, not \"{}\"",
            text.escape_debug()
        )),
    }
}

fn format(value: &toml::Value) -> Result<Format, String> {
    match reader::text(value)?.as_str() {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        other => Err(format!(
            "must be \"text\" or \"json\", not \"{}\"",
            other.escape_debug()
        )),
    }
}
