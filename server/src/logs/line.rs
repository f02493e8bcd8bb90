//! One line of a module's log.

use bllvm_ipc::log::Level;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::model::UtcTime;

/// Longest message; the rest is cut off.
const MAX_MESSAGE: usize = 16 << 10;
/// Longest fields as JSON; larger ones are left out.
const MAX_FIELDS: usize = 32 << 10;

/// How a line came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogSource {
    /// The process's standard output.
    Stdout,
    /// The process's standard error.
    Stderr,
    /// The module, over its channel.
    Module,
    /// The host, about the module.
    Host,
}

/// A line as kept and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// 1, 2, 3, … for each module, also over restarts.
    pub seq: u64,
    /// When it came.
    pub time: UtcTime,
    /// Severity.
    #[schema(value_type = String)]
    pub level: Level,
    /// How it came.
    pub source: LogSource,
    /// A message that reads alone.
    pub message: String,
    /// Dotted fields.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub fields: Map<String, Value>,
}

/// A line that comes in.
#[derive(Clone, Debug, PartialEq)]
pub struct NewLine {
    /// Severity.
    pub level: Level,
    /// How it came.
    pub source: LogSource,
    /// A message that reads alone.
    pub message: String,
    /// Dotted fields.
    pub fields: Map<String, Value>,
}

impl NewLine {
    /// A line without fields.
    pub fn new(level: Level, source: LogSource, message: impl Into<String>) -> Self {
        Self {
            level,
            source,
            message: message.into(),
            fields: Map::new(),
        }
    }

    /// Replaces secrets, then cuts what is too long.
    pub(super) fn fit(mut self, secrets: &[String]) -> Self {
        self.message = redact(self.message, secrets);
        if !secrets.is_empty() {
            self.fields = self
                .fields
                .into_iter()
                .map(|(key, value)| (redact(key, secrets), redact_value(value, secrets)))
                .collect();
        }
        if self.message.len() > MAX_MESSAGE {
            let cut = self.message.floor_char_boundary(MAX_MESSAGE);
            self.message.truncate(cut);
            self.message.push('…');
        }
        if Value::from(self.fields.clone()).to_string().len() > MAX_FIELDS {
            self.fields = Map::from_iter([("log.fields".to_owned(), "too large".into())]);
        }
        self
    }
}

fn redact(mut text: String, secrets: &[String]) -> String {
    for secret in secrets {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), "[redacted]");
        }
    }
    text
}

fn redact_value(value: Value, secrets: &[String]) -> Value {
    match value {
        Value::String(text) => redact(text, secrets).into(),
        Value::Array(items) => items
            .into_iter()
            .map(|item| redact_value(item, secrets))
            .collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| (redact(key, secrets), redact_value(value, secrets)))
            .collect::<Map<_, _>>()
            .into(),
        // A secret may be a number.
        Value::Number(number) => {
            let text = number.to_string();
            let safe = redact(text.clone(), secrets);
            if safe == text {
                number.into()
            } else {
                safe.into()
            }
        }
        other => other,
    }
}

/// What is looked for: each secret, each long line of it, and as JSON would write it; longest
/// first, so that no part of one hides the whole.
pub(super) fn forms(secrets: Vec<String>) -> Vec<String> {
    const LINE: usize = 8;
    let mut forms: Vec<String> = Vec::new();
    for secret in secrets {
        let quoted = Value::from(secret.as_str()).to_string();
        forms.push(quoted[1..quoted.len() - 1].to_owned());
        if secret.contains('\n') {
            let lines = secret.lines().map(str::trim);
            forms.extend(lines.filter(|line| line.len() >= LINE).map(str::to_owned));
        }
        forms.push(secret);
    }
    forms.retain(|form| !form.is_empty());
    forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_replaced_in_messages_and_fields() {
        let secrets = forms(vec![
            "hunter2".to_owned(),
            "line one of it\nline two of it".to_owned(),
            "4711".to_owned(),
        ]);
        let mut line = NewLine::new(
            Level::Info,
            LogSource::Module,
            "it is hunter2, line two of it",
        );
        let fields =
            json!({"a": ["xhunter2x"], "pin": 4711, "text": "line one of it\nline two of it"});
        line.fields = fields.as_object().unwrap().clone();
        let line = line.fit(&secrets);
        assert_eq!(line.message, "it is [redacted], [redacted]");
        let expected = json!({"a": ["x[redacted]x"], "pin": "[redacted]", "text": "[redacted]"});
        assert_eq!(Value::from(line.fields), expected);
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let line = NewLine::new(Level::Info, LogSource::Stdout, "ä".repeat(MAX_MESSAGE));
        let line = line.fit(&[]);
        assert!(line.message.len() <= MAX_MESSAGE + 3);
        assert!(line.message.ends_with("ä…"));
    }
}
