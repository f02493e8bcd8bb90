//! Parameters of methods: from an address, from a form, and what a method answered in words.

use std::collections::BTreeMap;

use bllvm_ipc::page::Form;
use bllvm_manifest::{ConfigSchema, Field};
use bllvm_web::parts::MethodForm;
use serde_json::{Map, Value};

use super::{Sent, plain};
use crate::dashboard::module::fields::{blame, keep, of_params};
use crate::dashboard::present::module::Seen;
use crate::dashboard::present::sentence;

/// The fields of a method's parameters; none if it is not offered now.
pub fn asked(seen: &Seen, method: &str) -> Option<Vec<Field>> {
    let mut offered = seen.observed.methods.iter();
    let found = offered.find(|one| one.name == method)?;
    // A schema that describes no object has no fields; what is sent is judged by it all the same.
    let schema = ConfigSchema::from_value(found.params.clone()).ok();
    Some(schema.map(|schema| schema.fields()).unwrap_or_default())
}

/// What an address says, as the types that the method's schema asks for. What does not fit stays text,
/// so that the schema names it.
pub fn typed(seen: &Seen, method: &str, asked: &BTreeMap<String, String>) -> Value {
    let mut offered = seen.observed.methods.iter();
    let schema = offered.find(|one| one.name == method);
    let kinds = |key: &str| -> Vec<&str> {
        let Some(schema) = schema else {
            return Vec::new();
        };
        match &schema.params["properties"][key]["type"] {
            Value::String(kind) => vec![kind.as_str()],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    };
    let typed = |key: &str, text: &str| {
        let number = kinds(key)
            .iter()
            .any(|kind| ["integer", "number"].contains(kind));
        let truth = kinds(key).contains(&"boolean");
        match serde_json::from_str::<Value>(text) {
            Ok(value) if number && value.is_number() => value,
            Ok(value) if truth && value.is_boolean() => value,
            _ => text.into(),
        }
    };
    let fields = asked
        .iter()
        .map(|(key, text)| (key.clone(), typed(key, text)));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// A form of the page, with what was typed where it came back.
pub fn form(form: &Form, place: usize, seen: &Seen, sent: Option<&Sent>) -> MethodForm {
    let mut drawn = MethodForm {
        method: form.method.clone(),
        title: form.title.clone(),
        text: form.text.clone(),
        button: form.button.clone(),
        sections: Vec::new(),
        unavailable: None,
    };
    let Some(asked) = asked(seen, &form.method) else {
        let text = format!("`{}` offers no method `{}` now", seen.name(), form.method);
        drawn.unavailable = Some(sentence(&text));
        return drawn;
    };
    drawn.sections = vec![of_params(&asked, &form.values, &format!("{place}-"))];
    if let Some(sent) = sent.filter(|sent| sent.method == form.method && sent.failure.is_some()) {
        keep(&mut drawn.sections, &sent.fields);
        blame(&mut drawn.sections, &asked, &sent.problems);
        let mut fields = drawn.sections.iter_mut().flat_map(|one| &mut one.fields);
        for (key, message) in &sent.faults {
            if let Some(field) = fields.find(|field| field.key == *key) {
                field.error = Some(message.clone());
            }
        }
    }
    drawn
}

/// An answer as names with values.
pub fn answers(answer: &Value) -> Vec<(String, String)> {
    match answer {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            fields
                .map(|(key, value)| (key.clone(), plain(value)))
                .collect()
        }
        Value::Null => Vec::new(),
        other => vec![("answer".to_owned(), plain(other))],
    }
}
