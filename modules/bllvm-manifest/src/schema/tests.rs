//! What a schema does for a configuration: one written by hand, one as `schemars`
//! derives it, and hostile ones.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn by_hand() -> ConfigSchema {
    ConfigSchema::from_value(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Block clock",
        "type": "object",
        "required": ["network", "token"],
        "properties": {
            "network": {
                "description": "Which chain is shown.\nA second line.",
                "enum": ["main", "regtest"],
                "default": "regtest"
            },
            "refresh_ms": {
                "type": "integer", "minimum": 10, "maximum": 60000, "default": 1000,
                "title": "Refresh"
            },
            "token": { "type": "string", "x-secret": true, "minLength": 8, "default": "changeme" },
            "note": { "type": "string", "pattern": "^[a-z]+$" },
            "tags": { "type": "array", "items": { "type": "string" }, "default": ["a", "b"] },
            "labels": { "type": "object", "additionalProperties": { "type": "string" } },
            "http": {
                "type": "object",
                "description": "Where it listens.",
                "properties": {
                    "bind": { "type": "string", "default": "127.0.0.1" },
                    "password": { "type": "string", "writeOnly": true }
                }
            },
            "peers": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["host"],
                    "properties": {
                        "host": { "type": "string" },
                        "key": { "type": "string", "x-secret": true }
                    }
                }
            }
        }
    }))
    .unwrap()
}

/// As `schemars` writes it for nested structs, options and enums with documentation.
fn derived() -> ConfigSchema {
    ConfigSchema::from_value(json!({
        "type": "object",
        "properties": {
            "limits": { "$ref": "#/$defs/Limits", "default": { "rate": 5, "burst": 9 } },
            "proxy": { "anyOf": [{ "$ref": "#/$defs/Proxy" }, { "type": "null" }], "default": null },
            "level": { "description": "How much is said.", "$ref": "#/$defs/Level", "default": "info" },
            "name": { "type": ["string", "null"] }
        },
        "$defs": {
            "Limits": {
                "type": "object",
                "properties": {
                    "rate": { "type": "integer", "format": "uint32", "minimum": 0 },
                    "burst": { "type": "integer", "format": "uint32", "minimum": 0, "default": 1 }
                },
                "required": ["rate"]
            },
            "Proxy": {
                "type": "object",
                "properties": {
                    "address": { "type": "string" },
                    "port": { "type": "integer", "default": 9050 }
                },
                "required": ["address"]
            },
            "Level": {
                "oneOf": [
                    { "const": "info", "type": "string", "description": "The usual." },
                    { "const": "debug", "type": "string", "description": "More." }
                ]
            }
        }
    }))
    .unwrap()
}

fn found(schema: &ConfigSchema, config: &Value) -> Vec<(String, String)> {
    let problems = schema.validate(config);
    problems
        .into_iter()
        .map(|problem| (problem.key, problem.message))
        .collect()
}

fn pair(key: &str, message: &str) -> (String, String) {
    (key.to_owned(), message.to_owned())
}

#[test]
fn the_first_configuration_has_every_default_below_its_description() {
    let text = by_hand().defaults();
    assert_eq!(
        text,
        r#"# Block clock

# labels = {}

# Which chain is shown.
# A second line.
network = "regtest"

# note = ""

# peers = []

# Refresh
refresh_ms = 1000

tags = ["a", "b"]

# Secret: taken out of this file once it was read.
# token = ""

# Where it listens.
[http]

bind = "127.0.0.1"

# Secret: taken out of this file once it was read.
# password = ""
"#
    );
}

#[test]
fn the_first_configuration_is_valid_but_for_what_only_a_person_knows() {
    let schema = by_hand();
    let table = parse_config(schema.defaults().as_bytes()).unwrap();
    let problems = schema.validate_toml(&table);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].key, "token");
    assert_eq!(problems[0].message, "is missing");
}

#[test]
fn a_derived_schema_gives_a_valid_first_configuration() {
    let schema = derived();
    let text = schema.defaults();
    let table = parse_config(text.as_bytes()).unwrap();
    assert_eq!(schema.validate_toml(&table), [], "{text}");
    assert_eq!(table["limits"]["rate"].as_integer(), Some(5));
    assert_eq!(table["limits"]["burst"].as_integer(), Some(9));
    assert!(!table.contains_key("proxy"), "{text}");
    assert!(
        text.contains("# [proxy]") && text.contains("# port = 9050"),
        "{text}"
    );
}

#[test]
fn unknown_keys_are_refused_though_the_schema_forgot_to() {
    let config = json!({
        "network": "main", "token": "12345678", "refresh": 1,
        "http": { "bindd": "x" }, "peers": [{ "host": "a" }, { "host": "b", "port": 1 }],
        "labels": { "anything": "goes" }
    });
    let problems = by_hand().validate(&config);
    let keys: Vec<&str> = problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(keys, ["http.bindd", "peers[1].port", "refresh"]);
    assert_eq!(problems[0].help, "did you mean `bind`?");
    assert_eq!(problems[1].pointer, "/peers/1/port");
}

#[test]
fn what_is_wrong_is_said_with_key_and_help() {
    let config = json!({
        "network": "moon", "refresh_ms": 1, "note": "A", "tags": ["x", 2],
        "peers": [{}], "http": 5
    });
    let problems = found(&by_hand(), &config);
    for expected in [
        pair("network", "must be one of \"main\", \"regtest\""),
        pair("refresh_ms", "must be at least 10"),
        pair("note", "must match the pattern ^[a-z]+$"),
        pair("tags[1]", "expected string, found integer"),
        pair("peers[0].host", "is missing"),
        pair("http", "expected object, found integer"),
        pair("token", "is missing"),
    ] {
        assert!(
            problems.contains(&expected),
            "{expected:?} not in {problems:#?}"
        );
    }
    assert_eq!(problems.len(), 7);
    let problem = &by_hand().validate(&json!({ "network": 1, "token": "12345678" }))[0];
    assert_eq!(problem.help, "Which chain is shown.; default: \"regtest\"");
}

#[test]
fn in_an_optional_section_the_mistake_itself_is_named() {
    let schema = derived();
    assert_eq!(schema.validate(&json!({ "proxy": { "address": "x" } })), []);
    assert_eq!(
        found(&schema, &json!({ "proxy": {} })),
        [pair("proxy.address", "is missing")]
    );
    let problems = found(&schema, &json!({ "proxy": { "address": "x", "prot": 1 } }));
    assert_eq!(problems, [pair("proxy.prot", "is not known here")]);
    assert_eq!(found(&schema, &json!({ "level": "loud" })).len(), 1);
    assert_eq!(schema.validate(&json!({ "level": "debug" })), []);
}

#[test]
fn several_unknown_keys_are_named_once_each_where_the_schema_is_strict() {
    let schema = ConfigSchema::from_value(json!({
        "type": "object", "properties": { "a": {} }, "additionalProperties": false
    }))
    .unwrap();
    let problems = found(&schema, &json!({ "a": 1, "b": 1, "c": 2 }));
    assert_eq!(
        problems,
        [
            pair("b", "is not known here"),
            pair("c", "is not known here")
        ]
    );
    assert_eq!(
        found(&ConfigSchema::empty().unwrap(), &json!({ "a": 1 })).len(),
        1
    );
    assert_eq!(found(&ConfigSchema::empty().unwrap(), &json!({})), []);
}

#[test]
fn no_message_holds_a_secret() {
    let canary = "canary7";
    let schema = by_hand();
    for config in [
        json!({ "network": "main", "token": canary }),
        json!({ "network": "main", "token": { "x": canary } }),
        json!({ "network": "main", "token": [canary], "http": { "password": [canary] } }),
        json!({ "network": "main", "token": "12345678", "peers": [{ "key": canary }], "tokn": canary }),
        json!({ "network": { "x": canary } }),
    ] {
        let problems = schema.validate(&config);
        assert!(!problems.is_empty());
        assert!(!format!("{problems:?}").contains(canary), "{problems:?}");
    }
}

#[test]
fn secrets_are_found_and_redacted_at_any_depth() {
    let schema = by_hand();
    assert_eq!(
        schema.secret_paths(),
        ["http.password", "peers.*.key", "token"]
    );
    let config = json!({
        "token": "t", "http": { "bind": "x", "password": "p" },
        "peers": [{ "host": "h", "key": "k" }], "tags": ["t"]
    });
    assert_eq!(
        schema.redact(&config),
        json!({
            "token": "[redacted]", "http": { "bind": "x", "password": "[redacted]" },
            "peers": [{ "host": "h", "key": "[redacted]" }], "tags": ["t"]
        })
    );
    let mut seen = Vec::new();
    let marked = schema.replace_secrets(&config, |key, value| {
        seen.push(format!("{key}={value}"));
        json!({ "secret": "set" })
    });
    assert_eq!(
        seen,
        ["http.password=\"p\"", "peers[0].key=\"k\"", "token=\"t\""]
    );
    assert_eq!(marked["token"], json!({ "secret": "set" }));
    assert_eq!(
        schema.replace_secrets(&marked, |_, _| "back".into())["token"],
        "back"
    );
}

#[test]
fn a_form_has_a_field_for_every_key() {
    let fields = by_hand().fields();
    let kinds: Vec<(&str, FieldKind)> = fields
        .iter()
        .map(|field| (field.key.as_str(), field.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            ("http.bind", FieldKind::Text),
            ("http.password", FieldKind::Secret),
            ("labels", FieldKind::Object),
            ("network", FieldKind::Enum),
            ("note", FieldKind::Text),
            ("peers", FieldKind::List),
            ("refresh_ms", FieldKind::Integer),
            ("tags", FieldKind::List),
            ("token", FieldKind::Secret),
        ]
    );
    let field = |key: &str| fields.iter().find(|field| field.key == key).unwrap();
    assert_eq!(field("network").options, [json!("main"), json!("regtest")]);
    assert!(field("network").required && !field("note").required);
    assert_eq!(field("refresh_ms").maximum, Some(60000.into()));
    assert_eq!(field("refresh_ms").title, "Refresh");
    assert_eq!(field("tags").items, Some(FieldKind::Text));
    assert_eq!(field("token").default, None);
    assert_eq!(field("http.bind").pointer, "/http/bind");

    let derived = derived().fields();
    let level = derived.iter().find(|field| field.key == "level").unwrap();
    assert_eq!((level.kind, level.options.len()), (FieldKind::Enum, 2));
    assert_eq!(level.description.as_deref(), Some("How much is said."));
    assert!(derived.iter().any(|field| field.key == "proxy.port"));
}

#[test]
fn what_an_upgrade_dropped_is_set_aside() {
    let config =
        json!({ "network": "main", "old": { "a": 1 }, "http": { "bind": "x", "tls": true } });
    let schema = by_hand();
    assert_eq!(schema.unrecognised(&config), ["http.tls", "old"]);
    let (kept, aside) = schema.set_aside_unrecognised(&config);
    assert_eq!(kept, json!({ "network": "main", "http": { "bind": "x" } }));
    assert_eq!(json!(aside), json!({ "http.tls": true, "old": { "a": 1 } }));
}

#[test]
fn names_may_follow_a_pattern() {
    let schema = ConfigSchema::from_value(json!({
        "type": "object",
        "patternProperties": { "^x-": { "type": "integer" } }
    }))
    .unwrap();
    assert_eq!(schema.validate(&json!({ "x-a": 1 })), []);
    assert_eq!(
        found(&schema, &json!({ "y": 1 })),
        [pair("y", "is not known here")]
    );
}

#[test]
fn a_bad_schema_is_refused_by_name() {
    let refused = |schema: Value| ConfigSchema::from_value(schema).unwrap_err();
    assert!(matches!(
        refused(json!({ "type": "string" })),
        SchemaError::NotAnObject
    ));
    assert!(matches!(refused(json!(true)), SchemaError::NotAnObject));
    let draft = json!({ "$schema": "http://json-schema.org/draft-07/schema#" });
    assert!(matches!(refused(draft), SchemaError::OtherDraft(_)));
    for bad in [
        json!({ "type": "object", "properties": { "a": { "type": "text" } } }),
        json!({ "type": "object", "properties": { "a": { "$ref": "https://example.org/a" } } }),
        json!({ "type": "object", "properties": { "a": { "$ref": "file:///etc/passwd" } } }),
        json!({ "type": "object", "properties": { "a": { "$ref": "#/nowhere" } } }),
        json!({ "type": "object", "properties": { "a": { "pattern": "(" } } }),
    ] {
        assert!(
            matches!(refused(bad.clone()), SchemaError::Invalid { .. }),
            "{bad}"
        );
    }
    assert!(matches!(
        ConfigSchema::parse(b"{"),
        Err(SchemaError::Syntax(_))
    ));
    let large = vec![b' '; MAX_SCHEMA_BYTES + 1];
    assert!(matches!(
        ConfigSchema::parse(&large),
        Err(SchemaError::TooLarge { .. })
    ));
}

#[test]
fn a_schema_that_contains_itself_ends() {
    let schema = ConfigSchema::from_value(json!({
        "type": "object",
        "properties": {
            "a": { "$ref": "#" }, "b": { "$ref": "#" }, "c": { "$ref": "#" }, "d": { "$ref": "#" },
            "secret": { "type": "string", "x-secret": true }
        },
        "default": { "a": { "b": {} } }
    }))
    .unwrap();
    assert!(schema.fields().len() <= 1024);
    assert!(!schema.secret_paths().is_empty());
    parse_config(schema.defaults().as_bytes()).unwrap();
    assert_eq!(
        schema.redact(&json!({ "a": { "b": { "secret": "x" } } }))["a"]["b"]["secret"],
        "[redacted]"
    );
}

#[test]
fn strange_names_and_texts_give_a_configuration_that_can_be_read() {
    let schema = ConfigSchema::from_value(json!({
        "type": "object",
        "description": "a\r\nb\u{0}\n[evil]\nkey = 1",
        "properties": {
            "a.b \"c\"\n": { "type": "string", "default": "x\ny = 1\n" },
            "": { "type": "object", "required": ["x"], "properties": { "x": {}, "y": { "default": "1\n2" } } }
        }
    }))
    .unwrap();
    let text = schema.defaults();
    let table = parse_config(text.as_bytes()).unwrap();
    assert_eq!(table.keys().collect::<Vec<_>>(), ["a.b \"c\"\n"], "{text}");
    assert_eq!(schema.validate_toml(&table), []);
}

fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "type",
        "properties",
        "items",
        "$ref",
        "default",
        "enum",
        "anyOf",
        "required",
        "a",
        "b",
        "additionalProperties",
        "x-secret",
        "description",
        "prefixItems",
        "allOf",
        "const",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec![
            "object",
            "string",
            "array",
            "#",
            "#/properties/a",
            "a",
            "x\ny"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(words.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_schema_and_no_configuration_panics(a in any_json(), b in any_json(), config in any_json()) {
        let schema = json!({ "type": "object", "properties": { "a": a, "b": b } });
        if let Ok(schema) = ConfigSchema::from_value(schema) {
            let _ = schema.validate(&config);
            let _ = schema.fields();
            let _ = schema.secret_paths();
            let _ = schema.redact(&config);
            let (kept, _) = schema.set_aside_unrecognised(&config);
            prop_assert_eq!(schema.unrecognised(&kept), Vec::<String>::new());
            prop_assert!(parse_config(schema.defaults().as_bytes()).is_ok());
        }
    }
}
