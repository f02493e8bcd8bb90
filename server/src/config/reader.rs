//! From raw values to domain types, collecting every problem instead of stopping at the first.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bllvm_manifest::ByteSize;
use toml::Value;

use super::ConfigProblem;
use super::layers::{Origin, Setting, Settings};

/// One key that the node knows.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The dotted path.
    pub path: &'static str,
    /// The default as TOML; none where the default is worked out, which `doc` then says.
    pub default: Option<&'static str>,
    /// An example as TOML, for keys without a default.
    pub example: &'static str,
    /// What it does, for the sample.
    pub doc: &'static str,
}

impl Key {
    /// A key with a default.
    pub const fn new(path: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self {
            path,
            default: Some(default),
            example: default,
            doc,
        }
    }

    /// A key whose default is worked out.
    pub const fn derived(path: &'static str, example: &'static str, doc: &'static str) -> Self {
        Self {
            path,
            default: None,
            example,
            doc,
        }
    }
}

/// Reads settings key by key.
#[derive(Debug)]
pub struct Reader {
    settings: Settings,
    read: BTreeSet<String>,
    problems: Vec<ConfigProblem>,
}

/// How a value becomes a domain type; the error completes "`key` …".
pub type Parse<T> = fn(&Value) -> Result<T, String>;

impl Reader {
    /// A reader of these settings.
    pub fn new(settings: Settings, problems: Vec<ConfigProblem>) -> Self {
        Self {
            settings,
            read: BTreeSet::new(),
            problems,
        }
    }

    /// The value of a key with a default.
    pub fn get<T>(&mut self, key: &Key, parse: Parse<T>) -> T {
        if let Some(value) = self.optional(key.path, parse) {
            return value;
        }
        let default = key.default.and_then(|text| {
            let table: toml::Table = format!("value = {text}").parse().ok()?;
            parse(table.get("value")?).ok()
        });
        // A test reads every default.
        default.expect("defaults in the code are valid")
    }

    /// The value of a key that may be absent.
    pub fn optional<T>(&mut self, path: &str, parse: Parse<T>) -> Option<T> {
        self.read.insert(path.to_owned());
        let setting = self.settings.get(path)?;
        match parse(&setting.value) {
            Ok(value) => Some(value),
            Err(message) => {
                let problem = setting.problem(path, message);
                self.problems.push(problem);
                None
            }
        }
    }

    /// A path; one in a file is relative to the file's folder.
    pub fn path(&mut self, path: &str) -> Option<PathBuf> {
        let value = PathBuf::from(self.optional(path, text)?);
        Some(match self.settings.get(path).map(|s| &s.origin) {
            Some(Origin::File { path: file, .. }) => {
                file.parent().map_or(value.clone(), |dir| dir.join(&value))
            }
            _ => value,
        })
    }

    /// All keys below a prefix, by what follows it.
    pub fn below(&self, prefix: &str) -> Vec<(String, Setting)> {
        let prefix = format!("{prefix}.");
        self.settings
            .iter()
            .filter_map(|(key, setting)| {
                let rest = key.strip_prefix(&prefix)?;
                Some((rest.to_owned(), setting.clone()))
            })
            .collect()
    }

    /// Marks a key as known without reading it.
    pub fn known(&mut self, path: &str) {
        self.read.insert(path.to_owned());
    }

    /// Adds a problem with a key that was set.
    pub fn refuse(&mut self, path: &str, message: impl Into<String>) {
        let origin = self
            .settings
            .get(path)
            .map_or(Origin::Default, |setting| setting.origin.clone());
        self.problems.push(ConfigProblem {
            key: path.to_owned(),
            origin,
            message: message.into(),
        });
    }

    /// The problems, unknown keys among them.
    pub fn finish(mut self, known: &[&str]) -> Vec<ConfigProblem> {
        for (key, setting) in &self.settings {
            if self.read.contains(key) {
                continue;
            }
            let mut message = "is not a key of this node".to_owned();
            if let Some(near) = nearest(key, known) {
                message = format!("{message}; did you mean `{near}`?");
            } else {
                message.push_str("; `bllvm-node config sample` prints them all");
            }
            self.problems.push(setting.problem(key, message));
        }
        self.problems
    }
}

/// The known key that was meant: a misspelled one, or one in another section.
fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let last = |key: &str| key.rsplit('.').next().map(str::to_owned);
    bllvm_manifest::nearest(key, known.iter().copied())
        .or_else(|| known.iter().copied().find(|other| last(other) == last(key)))
        .or_else(|| {
            let (section, name) = key.rsplit_once('.')?;
            let inside = known
                .iter()
                .filter_map(|other| other.strip_prefix(section)?.strip_prefix('.'));
            let near = bllvm_manifest::nearest(name, inside)?;
            known
                .iter()
                .copied()
                .find(|other| **other == format!("{section}.{near}"))
        })
}

impl Setting {
    /// A problem with this setting.
    pub fn problem(&self, key: &str, message: impl Into<String>) -> ConfigProblem {
        ConfigProblem {
            key: key.to_owned(),
            origin: self.origin.clone(),
            message: message.into(),
        }
    }
}

/// A text.
pub fn text(value: &Value) -> Result<String, String> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("must be a text, not {}", kind(value)))
}

/// `true` or `false`.
pub fn boolean(value: &Value) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| format!("must be true or false, not {}", kind(value)))
}

/// A whole number from 1.
pub fn count(value: &Value) -> Result<u32, String> {
    value
        .as_integer()
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("must be a whole number from 1, not {}", shown(value)))
}

/// An IP address and a port.
pub fn address(value: &Value) -> Result<SocketAddr, String> {
    text(value)?.parse().map_err(|_| {
        format!(
            "must be an address and a port such as \"127.0.0.1:8480\", not {}",
            shown(value)
        )
    })
}

/// A time such as `"500 ms"` or `"20 s"`, longer than nothing.
pub fn duration(value: &Value) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "must be a time with its unit such as \"20 s\" or \"500 ms\", not {}",
            shown(value)
        )
    };
    let parsed: jiff::SignedDuration = text(value)
        .map_err(|_| wrong())?
        .parse()
        .map_err(|_| wrong())?;
    Duration::try_from(parsed)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(wrong)
}

/// A size such as `"64 MiB"`.
pub fn size(value: &Value) -> Result<u64, String> {
    let size: ByteSize = text(value)?.parse().map_err(|_| {
        format!(
            "must be a size with its unit such as \"64 MiB\", not {}",
            shown(value)
        )
    })?;
    Ok(size.as_bytes())
}

/// A list of texts.
pub fn texts(value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        // An environment variable holds a list as words between commas.
        Value::String(items) => Ok(items
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()),
        other => Err(format!("must be a list of texts, not {}", kind(other))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

fn shown(value: &Value) -> String {
    let text: String = value.to_string().chars().take(60).collect();
    text
}
