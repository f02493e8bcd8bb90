//! Where settings come from, and the flat list that the layers leave: key, value, origin.
//!
//! A later layer replaces an earlier one key by key: file, environment, flags. What a key means
//! is the sections' business.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

use super::ConfigProblem;

/// What environment variables that carry settings begin with.
pub const ENVIRONMENT_PREFIX: &str = "BLLVM__";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The code.
    Default,
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// One value and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
}

/// All settings by dotted key.
pub type Settings = BTreeMap<String, Setting>;

/// Adds a file's settings.
pub fn add_file(settings: &mut Settings, path: &Path, text: &str) -> Result<(), ConfigProblem> {
    let broken = |error: &toml::de::Error| ConfigProblem {
        key: String::new(),
        origin: Origin::File {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| line_of(text, span.start)),
        },
        message: format!("is not TOML: {}", error.message()),
    };
    let values: toml::Table = toml::from_str(text).map_err(|error| broken(&error))?;
    let places = DeTable::parse(text).map_err(|error| broken(&error))?;
    flatten(settings, &values, places.get_ref(), "", &|offset| {
        Origin::File {
            path: path.to_owned(),
            line: line_of(text, offset),
        }
    });
    Ok(())
}

/// Tables become dotted keys, except a module's own configuration, which stays one value.
fn flatten(
    settings: &mut Settings,
    values: &toml::Table,
    places: &DeTable<'_>,
    prefix: &str,
    origin: &dyn Fn(usize) -> Origin,
) {
    for (name, value) in values {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        let place: Option<(&Spanned<_>, &Spanned<DeValue<'_>>)> = places
            .iter()
            .find(|(place, _)| place.get_ref().as_ref() == name.as_str());
        if let (Value::Table(inner), Some((_, inner_places))) = (value, place)
            && let DeValue::Table(inner_places) = inner_places.get_ref()
        {
            flatten(settings, inner, inner_places, &key, origin);
            continue;
        }
        let origin = origin(place.map_or(0, |(key, _)| key.span().start));
        settings.insert(
            key,
            Setting {
                value: value.clone(),
                origin,
            },
        );
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
}

/// Adds the settings of variables such as `BLLVM__HTTP__LISTEN`; others are not looked at.
pub fn add_environment(
    settings: &mut Settings,
    variables: impl IntoIterator<Item = (String, String)>,
) {
    for (variable, text) in variables {
        let Some(rest) = variable.strip_prefix(ENVIRONMENT_PREFIX) else {
            continue;
        };
        let mut parts: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
        // A module's name is written with dashes, which no variable may have.
        if parts.len() > 2 && parts[0] == "modules" {
            parts[1] = parts[1].replace('_', "-");
        }
        settings.insert(
            parts.join("."),
            Setting {
                value: value_of(&text),
                origin: Origin::Environment(variable),
            },
        );
    }
}

/// Adds `key=value` from a flag.
pub fn add_flag(
    settings: &mut Settings,
    flag: &'static str,
    assignment: &str,
) -> Result<(), ConfigProblem> {
    let (key, text) = assignment.split_once('=').ok_or_else(|| ConfigProblem {
        key: String::new(),
        origin: Origin::Flag(flag),
        message: format!("`{assignment}` is not of the form key=value"),
    })?;
    settings.insert(
        key.trim().to_owned(),
        Setting {
            value: value_of(text.trim()),
            origin: Origin::Flag(flag),
        },
    );
    Ok(())
}

/// A text from outside a file: TOML where it reads as such, else the text itself.
fn value_of(text: &str) -> Value {
    format!("value = {text}")
        .parse::<toml::Table>()
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .filter(|value| !matches!(value, Value::Datetime(_)))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_layer_replaces_an_earlier_one_and_keeps_its_origin() {
        let mut settings = Settings::new();
        let text =
            "# ours\n[http]\nlisten = \"127.0.0.1:1\"\n[modules.block-clock]\nenabled = true\n";
        add_file(&mut settings, Path::new("n.toml"), text).unwrap();
        assert_eq!(settings["http.listen"].origin.to_string(), "n.toml:3");
        assert_eq!(
            settings["modules.block-clock.enabled"].value,
            Value::Boolean(true)
        );

        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        add_environment(
            &mut settings,
            [
                variable("BLLVM__HTTP__LISTEN", "127.0.0.1:2"),
                variable("BLLVM__MODULES__BLOCK_CLOCK__ENABLED", "false"),
                variable("HOME", "/nowhere"),
            ],
        );
        assert_eq!(settings.len(), 2);
        assert_eq!(
            settings["http.listen"].value,
            Value::String("127.0.0.1:2".into())
        );
        assert_eq!(
            settings["modules.block-clock.enabled"].value,
            Value::Boolean(false)
        );

        add_flag(&mut settings, "--listen", "http.listen=127.0.0.1:3").unwrap();
        assert_eq!(settings["http.listen"].origin.to_string(), "flag --listen");
        assert!(add_flag(&mut settings, "--set", "http.listen").is_err());
    }

    #[test]
    fn broken_toml_names_file_and_line() {
        let problem = add_file(
            &mut Settings::new(),
            Path::new("n.toml"),
            "[http]\nlisten = \n",
        )
        .unwrap_err();
        assert!(
            problem.to_string().starts_with("n.toml:2: is not TOML"),
            "{problem}"
        );
    }

    #[test]
    fn text_that_is_not_toml_is_text() {
        assert_eq!(value_of("20 s"), Value::String("20 s".into()));
        assert_eq!(value_of("7"), Value::Integer(7));
        assert_eq!(value_of("[\"a\"]"), Value::Array(vec!["a".into()]));
        assert_eq!(
            value_of("1\nother = 2"),
            Value::String("1\nother = 2".into())
        );
    }
}
