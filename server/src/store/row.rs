//! Columns to values and back; a column that does not read names its table.

use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

/// SQLite's integers are signed; ours never come near the sign.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Back from [`int`].
pub(super) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn unreadable(table: &'static str, detail: impl std::fmt::Display) -> StoreError {
    StoreError::Row {
        table,
        detail: detail.to_string(),
    }
}

/// Reads a text that a type writes by `Display`.
pub(super) fn parsed<T>(table: &'static str, text: &str) -> Result<T, StoreError>
where
    T: FromStr<Err: std::fmt::Display>,
{
    text.parse()
        .map_err(|error| unreadable(table, format!("`{text}`: {error}")))
}

/// Reads a text that may be missing.
pub(super) fn parsed_option<T>(
    table: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, StoreError>
where
    T: FromStr<Err: std::fmt::Display>,
{
    text.map(|text| parsed(table, text)).transpose()
}

/// Reads one of a closed list of words, or a text with serde's tag.
pub(super) fn word<T: DeserializeOwned>(table: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_value(text.into()).map_err(|error| unreadable(table, error))
}

/// Reads JSON.
pub(super) fn from_json<T: DeserializeOwned>(
    table: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| unreadable(table, error))
}

/// Reads JSON that may be missing.
pub(super) fn from_json_option<T: DeserializeOwned>(
    table: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, StoreError> {
    text.map(|text| from_json(table, text)).transpose()
}

/// Writes JSON.
pub(super) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Database {
        detail: format!("a value could not be written as JSON: {error}"),
    })
}

/// Writes a word that serde knows.
pub(super) fn to_word<T: Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(StoreError::Database {
            detail: "a value is not a word".to_owned(),
        }),
    }
}
