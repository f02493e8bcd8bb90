//! What changed between two configurations, key by key.

use std::collections::BTreeMap;

use bllvm_manifest::dotted_key;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One changed key. Secrets show as set, never as themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DiffLine {
    /// The dotted key.
    pub key: String,
    /// The value before, as JSON; none where the key is new.
    pub before: Option<String>,
    /// The value after, as JSON; none where the key is gone.
    pub after: Option<String>,
}

/// The changed keys between two configurations whose secrets are masked already.
pub fn diff(before: &Value, after: &Value) -> Vec<DiffLine> {
    let (before, after) = (leaves(before), leaves(after));
    let mut lines: Vec<DiffLine> = before
        .iter()
        .filter(|(key, value)| after.get(*key) != Some(value))
        .map(|(key, value)| DiffLine {
            key: key.clone(),
            before: Some(value.clone()),
            after: after.get(key).cloned(),
        })
        .collect();
    lines.extend(
        after
            .iter()
            .filter(|(key, _)| !before.contains_key(*key))
            .map(|(key, value)| DiffLine {
                key: key.clone(),
                before: None,
                after: Some(value.clone()),
            }),
    );
    lines.sort_by(|a, b| a.key.cmp(&b.key));
    lines
}

fn leaves(value: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect(value, "", &mut found);
    found
}

fn collect(value: &Value, path: &str, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(entries) if !entries.is_empty() && !is_set_mark(value) => {
            for (key, value) in entries {
                collect(value, &join(path, key), found);
            }
        }
        _ => drop(found.insert(path.to_owned(), value.to_string())),
    }
}

/// Joins a dotted path and one more key.
pub(super) fn join(path: &str, key: &str) -> String {
    let key = dotted_key([key]);
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

/// Whether a value is the mark that stands for a stored secret.
pub(super) fn is_set_mark(value: &Value) -> bool {
    value.as_object().is_some_and(|entries| {
        entries.len() == 1 && entries.get("secret").and_then(Value::as_str) == Some("set")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_diff_names_changed_new_and_removed_keys() {
        let before = json!({ "a": 1, "http": { "port": 1, "host": "x" } });
        let after = json!({ "a": 1, "http": { "port": 2 }, "b": true });
        let lines = diff(&before, &after);
        let shown: Vec<_> = lines
            .iter()
            .map(|l| (&l.key[..], l.before.as_deref(), l.after.as_deref()))
            .collect();
        let expected = [
            ("b", None, Some("true")),
            ("http.host", Some("\"x\""), None),
            ("http.port", Some("1"), Some("2")),
        ];
        assert_eq!(shown, expected);
    }
}
