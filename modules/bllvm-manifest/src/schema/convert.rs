//! TOML and JSON, both ways, in one place; and reading a configuration's text.

use serde_json::Value as Json;
use toml::{Table, Value as Toml};

use crate::file::position;

/// A larger configuration is refused before anything looks into it.
pub const MAX_CONFIG_BYTES: usize = 1024 * 1024;

/// Why bytes are not a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Larger than any configuration.
    #[error("the configuration has {size} bytes; at most {MAX_CONFIG_BYTES} are read")]
    TooLarge {
        /// The size of the text.
        size: usize,
    },
    /// Bytes that are no text.
    #[error(
        "the configuration is not UTF-8: line {line}, column {column} holds a byte that is no text; save the file as UTF-8"
    )]
    NotUtf8 {
        /// Line of the first bad byte, from 1.
        line: usize,
        /// Column of the first bad byte, from 1.
        column: usize,
    },
    /// Text that is not TOML. The message quotes no line of it: it may hold secrets.
    #[error("the configuration is not TOML: line {line}, column {column}: {message}")]
    Syntax {
        /// Line of the error, from 1.
        line: usize,
        /// Column of the error, from 1.
        column: usize,
        /// What the parser says.
        message: String,
    },
}

/// Reads a configuration's text.
///
/// # Errors
/// See [`ConfigError`].
pub fn parse_config(text: &[u8]) -> Result<Table, ConfigError> {
    if text.len() > MAX_CONFIG_BYTES {
        return Err(ConfigError::TooLarge { size: text.len() });
    }
    // Some editors put a byte order mark first.
    let bytes = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = position(bytes, error.valid_up_to());
        ConfigError::NotUtf8 { line, column }
    })?;
    text.parse::<Table>().map_err(|error| {
        let (line, column) = position(bytes, error.span().map_or(0, |span| span.start));
        ConfigError::Syntax {
            line,
            column,
            message: error.message().to_owned(),
        }
    })
}

/// A TOML value as JSON: dates become text, and so do the numbers JSON has not.
pub fn toml_to_json(value: &Toml) -> Json {
    match value {
        Toml::String(text) => Json::from(text.as_str()),
        Toml::Integer(number) => Json::from(*number),
        Toml::Float(number) if number.is_finite() => Json::from(*number),
        Toml::Float(number) => Json::from(number.to_string()),
        Toml::Boolean(yes) => Json::from(*yes),
        Toml::Datetime(moment) => Json::from(moment.to_string()),
        Toml::Array(values) => values.iter().map(toml_to_json).collect(),
        Toml::Table(table) => table
            .iter()
            .map(|(key, value)| (key.clone(), toml_to_json(value)))
            .collect(),
    }
}

/// A JSON value as TOML. TOML has no null: a null is `None`, and inside lists
/// and objects it is left out.
pub fn json_to_toml(value: &Json) -> Option<Toml> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(yes) => Toml::Boolean(*yes),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Toml::Integer(whole),
            (None, Some(float)) => Toml::Float(float),
            (None, None) => Toml::String(number.to_string()),
        },
        Json::String(text) => Toml::String(text.clone()),
        Json::Array(values) => Toml::Array(values.iter().filter_map(json_to_toml).collect()),
        Json::Object(object) => Toml::Table(
            object
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), json_to_toml(value)?)))
                .collect(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_configuration_that_is_not_utf8_names_the_place() {
        let error = parse_config(b"a = 1\nb = \"\xFF\"\n").unwrap_err();
        assert_eq!(error, ConfigError::NotUtf8 { line: 2, column: 6 });
        assert!(error.to_string().contains("UTF-8"));
    }

    #[test]
    fn a_syntax_error_has_line_and_column_and_quotes_nothing() {
        let error = parse_config(b"a = 1\ntoken = hunter2\n").unwrap_err();
        assert!(
            matches!(error, ConfigError::Syntax { line: 2, .. }),
            "{error:?}"
        );
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        assert!(matches!(
            parse_config(b"a = 1\na = 2\n"),
            Err(ConfigError::Syntax { line: 2, .. })
        ));
    }

    #[test]
    fn too_much_is_refused_by_size() {
        let text = vec![b'#'; MAX_CONFIG_BYTES + 1];
        assert!(matches!(
            parse_config(&text),
            Err(ConfigError::TooLarge { .. })
        ));
    }

    #[test]
    fn values_are_converted_both_ways() {
        let table = parse_config(
            b"\xEF\xBB\xBFa = 1\nb = [1.5, true]\nc = { d = \"x\" }\ne = 2026-01-01\nf = nan\n",
        )
        .unwrap();
        let json = toml_to_json(&Toml::Table(table));
        assert_eq!(
            json,
            json!({"a": 1, "b": [1.5, true], "c": {"d": "x"}, "e": "2026-01-01", "f": "NaN"})
        );
        let back = json_to_toml(&json!({"a": null, "b": [1, null], "c": "x"})).unwrap();
        assert_eq!(toml_to_json(&back), json!({"b": [1], "c": "x"}));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            let _ = parse_config(&bytes);
        }
    }
}
