//! Keys a schema does not describe: mistakes in a configuration that is being
//! typed, leftovers in one that an upgrade meets.

use serde_json::Value;

use super::key::KeyPath;
use super::place::{Lookup, Place};
use crate::suggest::nearest;

/// One key that nothing describes.
#[derive(Debug)]
pub(super) struct Unrecognised {
    pub(super) path: KeyPath,
    pub(super) help: String,
}

/// Finds every such key, and hands back the value without them.
pub(super) fn split(
    place: &Place<'_>,
    path: &KeyPath,
    value: &Value,
    found: &mut Vec<(Unrecognised, Value)>,
) -> Value {
    match value {
        Value::Object(object) => {
            let mut kept = serde_json::Map::new();
            for (key, value) in object {
                let here = path.child(key);
                match place.lookup(key) {
                    Lookup::Known(below) => {
                        kept.insert(key.clone(), split(&below, &here, value, found));
                    }
                    Lookup::Free => {
                        kept.insert(key.clone(), value.clone());
                    }
                    Lookup::Unknown => {
                        let help = help(place, key);
                        found.push((Unrecognised { path: here, help }, value.clone()));
                    }
                }
            }
            Value::Object(kept)
        }
        Value::Array(values) => values
            .iter()
            .enumerate()
            .map(|(index, value)| match place.item(index) {
                Some(below) => split(&below, &path.item(index), value, found),
                None => value.clone(),
            })
            .collect(),
        plain => plain.clone(),
    }
}

fn help(place: &Place<'_>, key: &str) -> String {
    let known = place.property_names();
    match nearest(key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "no key is known here; remove it".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}
