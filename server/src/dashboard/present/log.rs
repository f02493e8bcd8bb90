//! Lines of a module's output.

use bllvm_ipc::log::Level;
use bllvm_web::parts::LogLine as Shown;
use serde_json::Value;

use super::stamp;
use crate::logs::{LogLine, LogSource};
use crate::model::UtcTime;

/// A line as the log page shows it.
pub fn line(line: &LogLine, now: UtcTime) -> Shown {
    let fields: Vec<String> = line
        .fields
        .iter()
        .map(|(key, value)| match value {
            Value::String(text) if !text.contains(char::is_whitespace) => format!("{key}={text}"),
            other => format!("{key}={other}"),
        })
        .collect();
    let level = if line.fields.contains_key("log.dropped") {
        "gap"
    } else {
        level_word(line.level)
    };
    Shown {
        at: stamp(line.time, now),
        level,
        source: source_word(line.source).to_owned(),
        message: clean(&line.message),
        fields: clean(&fields.join(" ")),
    }
}

/// A level's word.
pub const fn level_word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// A source's word.
pub const fn source_word(source: LogSource) -> &'static str {
    match source {
        LogSource::Stdout => "stdout",
        LogSource::Stderr => "stderr",
        LogSource::Module => "log",
        LogSource::Host => "host",
    }
}

/// Text without terminal escape sequences and control characters.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            if characters.next_if_eq(&'[').is_some() {
                // A control sequence ends at its first letter-like byte.
                characters.find(|c| ('@'..='~').contains(c));
            }
        } else if character == '\t' || !character.is_control() {
            clean.push(character);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_left_out() {
        assert_eq!(clean("\u{1b}[1;31mred\u{1b}[0m\u{7}\tend"), "red\tend");
        assert_eq!(clean("\u{1b}["), "");
    }
}
