//! Values put into a text that people wrote: what they did not change stays as they wrote it.

use bllvm_manifest::{json_to_toml, toml_to_json};
use serde_json::{Map, Value};
use toml_edit::{DocumentMut, Item, Table};

use super::diff::is_set_mark;

/// A value after a JSON merge patch (RFC 7396): objects merge, `null` removes, all else replaces.
#[must_use]
pub fn merge_patch(target: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else {
        return patch.clone();
    };
    let mut merged = match target {
        // A secret's mark is a value of its own, not a section to merge into.
        Value::Object(entries) if !is_set_mark(target) => entries.clone(),
        _ => Map::new(),
    };
    for (key, change) in changes {
        if change.is_null() {
            merged.remove(key);
        } else {
            let before = merged.get(key).unwrap_or(&Value::Null);
            let after = merge_patch(before, change);
            merged.insert(key.clone(), after);
        }
    }
    Value::Object(merged)
}

/// A text with the values of `wanted` and the comments of `text`. Keys that `wanted` does not
/// have are removed; equal values keep their formatting.
///
/// # Errors
/// Where `text` is not TOML, or `wanted` has a null, which TOML cannot say.
pub fn with_values(text: &str, wanted: &Map<String, Value>) -> Result<String, String> {
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| error.to_string())?;
    set_table(document.as_table_mut(), wanted)?;
    Ok(document.to_string())
}

fn set_table(table: &mut Table, wanted: &Map<String, Value>) -> Result<(), String> {
    let gone: Vec<String> = table
        .iter()
        .map(|(key, _)| key.to_owned())
        .filter(|key| !wanted.contains_key(key))
        .collect();
    for key in gone {
        table.remove(&key);
    }
    for (key, value) in wanted {
        if let (Some(Item::Table(below)), Value::Object(entries)) = (table.get_mut(key), value)
            && !is_set_mark(value)
        {
            set_table(below, entries)?;
            continue;
        }
        if table
            .get(key)
            .is_some_and(|item| item_value(item).as_ref() == Some(value))
        {
            continue;
        }
        let fresh = item(key, value)?;
        match table.get_mut(key) {
            Some(Item::Value(old)) if fresh.is_value() => {
                let decor = old.decor().clone();
                if let Item::Value(mut new) = fresh {
                    *new.decor_mut() = decor;
                    *old = new;
                }
            }
            _ => drop(table.insert(key, fresh)),
        }
    }
    Ok(())
}

fn item_value(item: &Item) -> Option<Value> {
    let text = format!("v = {}", item.as_value()?.to_string().trim());
    let table: toml::Table = text.parse().ok()?;
    table.get("v").map(toml_to_json)
}

fn item(key: &str, value: &Value) -> Result<Item, String> {
    let toml = json_to_toml(value)
        .ok_or_else(|| format!("`{key}` is null, which TOML cannot say; leave it out"))?;
    let mut table = toml::Table::new();
    table.insert("v".to_owned(), toml);
    if let (Value::Object(_), false) = (value, is_set_mark(value)) {
        let text = toml::to_string(&table).map_err(|error| error.to_string())?;
        let mut document: DocumentMut = text
            .parse()
            .map_err(|error: toml_edit::TomlError| error.to_string())?;
        return Ok(document.remove("v").unwrap_or_default());
    }
    let text = table["v"].to_string();
    text.parse::<toml_edit::Value>()
        .map(Item::Value)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_merges_as_the_rfc_says() {
        let target = json!({ "a": "b", "c": { "d": "e", "f": "g" }, "s": { "secret": "set" } });
        let patch =
            json!({ "a": "z", "c": { "f": null }, "s": { "secret": "set" }, "n": { "m": null } });
        assert_eq!(
            merge_patch(&target, &patch),
            json!({ "a": "z", "c": { "d": "e" }, "s": { "secret": "set" }, "n": {} })
        );
    }

    #[test]
    fn new_values_keep_the_comments_of_the_text() {
        let text = "# top\ntitle = \"x\" # side\n\n[http]\n# the port\nport = 80\n";
        let wanted = json!({ "title": "y", "http": { "port": 80, "host": "h" } });
        let out = with_values(text, wanted.as_object().unwrap()).unwrap();
        assert_eq!(
            out,
            "# top\ntitle = \"y\" # side\n\n[http]\n# the port\nport = 80\nhost = \"h\"\n"
        );
        let out = with_values(&out, json!({ "title": "y" }).as_object().unwrap()).unwrap();
        assert_eq!(out, "# top\ntitle = \"y\" # side\n");
    }
}
