//! The document is what the repository says it is, and complete.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::api::error::Code;
use crate::api::openapi::{openapi, operations};
use crate::model::Scope;

fn document() -> Value {
    serde_json::from_str(openapi()).unwrap()
}

#[test]
fn the_committed_document_is_the_one_that_the_program_writes() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../openapi/v1.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, openapi()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == openapi(),
        "openapi/v1.json is not what the program writes; run the test with UPDATE_OPENAPI=1 and review the difference"
    );
}

#[test]
fn every_operation_says_what_it_does_and_who_may_ask() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
        assert!(id.contains('_'), "{id} is not verb_resource");
        for field in ["summary", "description"] {
            let text = operation[field].as_str().unwrap_or_default();
            assert!(
                text.ends_with('.'),
                "{method} {path}: {field} is missing: `{text}`"
            );
        }
        if operation["x-public"] == json!(true) {
            assert_eq!(operation["security"], json!([]), "{id}");
            continue;
        }
        match &operation["x-scope"] {
            Value::Null => assert!(["get_self", "call_rpc"].contains(&id), "{id} has no scope"),
            scope => assert!(
                Scope::from_word(scope.as_str().unwrap()).is_some(),
                "{id}: {scope}"
            ),
        }
        assert_eq!(operation["security"].as_array().unwrap().len(), 3, "{id}");
    }
    assert!(ids.len() > 40, "only {} operations", ids.len());
}

#[test]
fn every_listed_problem_has_its_status_among_the_responses() {
    let document = document();
    for (_, _, operation) in operations(&document) {
        let id = &operation["operationId"];
        for word in operation["x-problems"].as_array().unwrap() {
            let code = Code::from_word(word.as_str().unwrap());
            let code = code.unwrap_or_else(|| panic!("{id}: {word} is not a code"));
            let status = code.status().as_u16().to_string();
            assert!(
                !operation["responses"][&status].is_null(),
                "{id}: no {status} for {word}"
            );
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    found.insert(target);
                }
                fields.values().for_each(|value| walk(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut references = BTreeSet::new();
    walk(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
}

#[test]
fn every_word_is_written_as_the_api_writes_it() {
    fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::Array(words)) = fields.get("enum") {
                    let words = words.iter().filter_map(Value::as_str);
                    let foreign = words.filter(|word| word.starts_with(|c: char| c.is_uppercase()));
                    found.extend(foreign.map(|word| format!("{path}: {word}")));
                }
                for (name, value) in fields {
                    walk(value, &format!("{path}/{name}"), found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, path, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    walk(&document, "", &mut found);
    assert!(
        found.is_empty(),
        "names of Rust in the document: {found:#?}"
    );
    let words: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    assert_eq!(
        document["components"]["schemas"]["Scope"]["enum"],
        json!(words)
    );
}
