//! Which values must not be shown, and taking them out.

use serde_json::Value;

use super::key::KeyPath;
use super::place::{Lookup, Place};

/// What stands where a secret was.
pub(super) const REDACTED: &str = "[redacted]";

const MAX_PATHS: usize = 1024;
const MAX_DEPTH: usize = 12;

/// The keys of all secrets; `*` stands for any entry of a list or map.
pub(super) fn paths(root: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = 8 * MAX_PATHS;
    collect(
        &Place::root(root),
        &KeyPath::default(),
        MAX_DEPTH,
        &mut left,
        &mut found,
    );
    found
}

fn collect(
    place: &Place<'_>,
    path: &KeyPath,
    depth: usize,
    left: &mut usize,
    found: &mut Vec<String>,
) {
    if depth == 0 || *left == 0 || found.len() >= MAX_PATHS {
        return;
    }
    *left -= 1;
    if place.is_secret() {
        if !found.contains(&path.dotted) {
            found.push(path.dotted.clone());
        }
        return;
    }
    for name in place.property_names() {
        if let Lookup::Known(below) = place.lookup(name) {
            collect(&below, &path.child(name), depth - 1, left, found);
        }
    }
    let entries = (0..=place.own_items()).filter_map(|index| place.item(index));
    for below in entries.chain(place.any_key()) {
        collect(&below, &path.every(), depth - 1, left, found);
    }
}

/// A copy in which `replace` chose what stands for each secret, by its dotted key.
pub(super) fn replace(
    place: &Place<'_>,
    path: &KeyPath,
    value: &Value,
    replacement: &mut dyn FnMut(&str, &Value) -> Value,
) -> Value {
    if place.is_secret() {
        return match value {
            Value::Null => Value::Null,
            secret => replacement(&path.dotted, secret),
        };
    }
    match value {
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| {
                let replaced = match place.lookup(key) {
                    Lookup::Known(below) => replace(&below, &path.child(key), value, replacement),
                    Lookup::Free | Lookup::Unknown => value.clone(),
                };
                (key.clone(), replaced)
            })
            .collect(),
        Value::Array(values) => values
            .iter()
            .enumerate()
            .map(|(index, value)| match place.item(index) {
                Some(below) => replace(&below, &path.item(index), value, replacement),
                None => value.clone(),
            })
            .collect(),
        plain => plain.clone(),
    }
}
