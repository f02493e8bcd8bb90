//! Each mutating operation of the OpenAPI document, done and refused, leaves its audit row, its
//! event, and where it takes long its operation. The list comes from the document, so that none is
//! forgotten.

use bllvm_tests::registry::Maker;
use bllvm_tests::{Fixture, TestServer};
use reqwest::Method;
use serde_json::{Value, json};

/// Operations that are POST and no operator's change: they change nothing, or a sender calls them.
const READS: &[&str] = &[
    "validate_module_config",
    "plan_module_upgrade",
    "call_rpc",
    "receive_webhook",
];
/// Two operations that are one action to people.
const NAMED: &[(&str, &str)] = &[("patch_module_config", "set_module_config")];

/// Operations whose answer has a kind and is no operation of the node, or not theirs.
const AT_ONCE: &[&str] = &[
    "cancel_operation",
    "replay_webhook_delivery",
    "redeliver_webhook_message",
];

/// One request.
struct Case {
    id: &'static str,
    path: String,
    body: Value,
    /// Accepted, or refused.
    outcome: &'static str,
}

fn case(id: &'static str, path: impl Into<String>, body: Value, outcome: &'static str) -> Case {
    Case {
        id,
        path: path.into(),
        body,
        outcome,
    }
}

/// Every operation done and refused, in an order in which each can be.
fn cases(server: &TestServer) -> Vec<Case> {
    const YES: &str = "accepted";
    const NO: &str = "refused";
    let well = |verb: &str| format!("/api/v1/modules/fixture-well/{verb}");
    let none = |verb: &str| format!("/api/v1/modules/no-such-module/{verb}");
    let folder = Fixture::new("well").write_below(&server.folder().join("incoming"));
    let newer = Fixture::new("well")
        .version("1.1.0")
        .last("[data]\ncompatible_from = \"1.0.0\"")
        .write_below(&server.folder().join("newer"));
    let empty = || json!({});
    let granted = json!({ "capabilities": ["module.register"], "listeners": {}, "outgoing": { "ports": [] } });
    vec![
        case(
            "install_module",
            "/api/v1/modules",
            json!({ "path": folder }),
            YES,
        ),
        case(
            "install_module",
            "/api/v1/modules",
            json!({ "path": "/no/such/folder" }),
            NO,
        ),
        case("load_module", well("load"), empty(), YES),
        case("load_module", none("load"), empty(), NO),
        case("call_module", well("methods/echo"), empty(), YES),
        case("call_module", well("methods/nonsense"), empty(), NO),
        case(
            "set_module_config",
            well("config"),
            json!({ "greeting": "one" }),
            YES,
        ),
        case(
            "set_module_config",
            well("config"),
            json!({ "greeting": 1 }),
            NO,
        ),
        case(
            "patch_module_config",
            well("config"),
            json!({ "greeting": "two" }),
            YES,
        ),
        case(
            "patch_module_config",
            well("config"),
            json!({ "greting": "two" }),
            NO,
        ),
        case(
            "rollback_module_config",
            well("config/revisions/1/rollback"),
            empty(),
            YES,
        ),
        case(
            "rollback_module_config",
            well("config/revisions/77/rollback"),
            empty(),
            NO,
        ),
        case("set_module_grants", well("grants"), granted.clone(), YES),
        case("set_module_grants", none("grants"), granted, NO),
        case("reload_module", well("reload"), empty(), YES),
        case("reload_module", none("reload"), empty(), NO),
        case(
            "upgrade_module",
            well("upgrade"),
            json!({ "path": newer, "grant": "kept" }),
            YES,
        ),
        case(
            "upgrade_module",
            well("upgrade"),
            json!({ "path": "/no/such/folder" }),
            NO,
        ),
        case("rollback_module", well("rollback"), empty(), YES),
        case("rollback_module", none("rollback"), empty(), NO),
        case("pin_module", well("pin"), json!({ "pinned": true }), YES),
        case("pin_module", none("pin"), json!({ "pinned": true }), NO),
        case("unload_module", well("unload"), empty(), YES),
        case("unload_module", none("unload"), empty(), NO),
        case(
            "set_module_sandbox",
            well("sandbox"),
            json!({ "waive": ["landlock_files"] }),
            YES,
        ),
        case(
            "set_module_sandbox",
            none("sandbox"),
            json!({ "waive": [] }),
            NO,
        ),
        case("disable_module", well("disable"), empty(), YES),
        case("disable_module", none("disable"), empty(), NO),
        case("enable_module", well("enable"), empty(), YES),
        case("enable_module", none("enable"), empty(), NO),
        case(
            "retry_module",
            "/api/v1/modules/fixture-wrong-name/retry",
            empty(),
            YES,
        ),
        case("retry_module", none("retry"), empty(), NO),
        case(
            "cancel_operation",
            "/api/v1/operations/{open}/cancel",
            empty(),
            YES,
        ),
        case(
            "cancel_operation",
            "/api/v1/operations/01J00000000000000000000000/cancel",
            empty(),
            NO,
        ),
        case(
            "mine_blocks",
            "/api/v1/node/mine",
            json!({ "count": 1 }),
            NO,
        ),
        case(
            "import_blocks",
            "/api/v1/node/import",
            json!({ "path": "/no/such/folder" }),
            NO,
        ),
        case(
            "send_transactions",
            "/api/v1/node/transactions",
            json!({ "transactions": ["zz"] }),
            NO,
        ),
        case(
            "create_token",
            "/api/v1/tokens",
            json!({ "name": "test", "scopes": ["modules:read"] }),
            YES,
        ),
        case(
            "create_token",
            "/api/v1/tokens",
            json!({ "name": "", "scopes": [] }),
            NO,
        ),
        case("revoke_token", "/api/v1/tokens/{token}", empty(), YES),
        case(
            "revoke_token",
            "/api/v1/tokens/01J00000000000000000000000",
            empty(),
            NO,
        ),
        case("create_login_code", "/api/v1/login-codes", empty(), YES),
        case(
            "uninstall_module",
            "/api/v1/modules/fixture-well?confirm=fixture-well&delete_data=true",
            empty(),
            YES,
        ),
        case(
            "uninstall_module",
            "/api/v1/modules/no-such-module?confirm=no-such-module",
            empty(),
            NO,
        ),
    ]
}

/// Whom the operator trusts. A rotation that is taken, and a release that is forgotten, need signed
/// packages: the control plane's own tests show those rows.
fn trust_cases() -> Vec<Case> {
    // The public key of RFC 8032, section 7.1, test 1.
    const KEY: &str = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let publisher = |name: &str| format!("/api/v1/publishers/{name}");
    let body =
        |threshold: u32| json!({ "name": "example.org", "keys": [KEY], "threshold": threshold });
    vec![
        case("add_publisher", "/api/v1/publishers", body(2), "refused"),
        case("add_publisher", "/api/v1/publishers", body(1), "accepted"),
        case(
            "rotate_publisher",
            publisher("example.org/rotate"),
            json!({ "keys": "", "signatures": "" }),
            "refused",
        ),
        case(
            "remove_publisher",
            publisher("example.org"),
            json!({}),
            "accepted",
        ),
        case(
            "remove_publisher",
            publisher("example.org"),
            json!({}),
            "refused",
        ),
        case(
            "forget_release",
            "/api/v1/releases/no-such-module",
            json!({}),
            "refused",
        ),
    ]
}

/// Who may send webhooks, and what was sent.
fn webhook_cases() -> Vec<Case> {
    let source = |name: &str| format!("/api/v1/webhooks/sources/{name}");
    let github = || json!({ "scheme": "github" });
    let new = || json!({ "name": "gh", "scheme": "github" });
    let nobody = "01J00000000000000000000000";
    let at = "/api/v1/webhooks";
    let both = |id, path: &str, done: (&str, Value), refused: (&str, Value)| {
        [
            case(id, path.replace("{}", done.0), done.1, "accepted"),
            case(id, path.replace("{}", refused.0), refused.1, "refused"),
        ]
    };
    let delivery = format!("{at}/deliveries/{{}}/replay");
    let groups = [
        both(
            "create_webhook_source",
            &format!("{at}/sources"),
            ("", new()),
            ("", new()),
        ),
        both(
            "set_webhook_source",
            &source("{}"),
            ("gh", github()),
            ("none", github()),
        ),
        both(
            "rotate_webhook_secret",
            &source("{}/rotate"),
            ("gh", json!({})),
            ("none", json!({})),
        ),
        both(
            "test_webhook_source",
            &source("{}/test"),
            ("gh", json!({})),
            ("none", json!({})),
        ),
        both(
            "replay_webhook_delivery",
            &delivery,
            ("{delivery}", json!({})),
            (nobody, json!({})),
        ),
        both(
            "replay_webhook_deliveries",
            &format!("{at}/replay"),
            ("", json!({ "source": "gh" })),
            ("", json!({})),
        ),
        both(
            "delete_webhook_source",
            &source("{}"),
            ("gh", json!({})),
            ("gh", json!({})),
        ),
    ];
    groups.into_iter().flatten().collect()
}

/// What GitHub is asked for again. A run that is taken asks an address that nobody has.
fn reconcile_cases() -> Vec<Case> {
    let source =
        |name: &str, verb: &str| format!("/api/v1/webhooks/sources/{name}/reconcile{verb}");
    let settings = || {
        let api = "https://localhost";
        json!({ "hook": "repos/o/r/hooks/1", "api_url": api, "token": "t" })
    };
    let both = |id, verb: &str, body: Value| {
        [("again", "accepted"), ("none", "refused")]
            .map(|(name, outcome)| case(id, source(name, verb), body.clone(), outcome))
    };
    let new = json!({ "name": "again", "scheme": "github" });
    let mut cases = vec![case(
        "create_webhook_source",
        "/api/v1/webhooks/sources",
        new,
        "accepted",
    )];
    let verbs = [
        both("set_webhook_reconcile", "", settings()),
        both("run_webhook_reconcile", "/run", json!({})),
        both("delete_webhook_reconcile", "", json!({})),
    ];
    cases.extend(verbs.into_iter().flatten());
    cases
}

/// Who is told by webhooks, and what they were sent.
fn endpoint_cases() -> Vec<Case> {
    let at = "/api/v1/webhooks/endpoints";
    let endpoint = |name: &str, verb: &str| format!("{at}/{name}{verb}");
    let settings = || json!({ "url": "https://localhost/", "events": ["*"] });
    let new = || json!({ "name": "ours", "url": "https://localhost/", "events": ["*"] });
    let inner = json!({ "name": "in", "url": "https://10.0.0.1/", "events": ["*"] });
    let message = |id: &str| format!("/api/v1/webhooks/messages/{id}/redeliver");
    let both = |id, verb: &str, body: Value| {
        [("ours", "accepted"), ("none", "refused")]
            .map(|(name, outcome)| case(id, endpoint(name, verb), body.clone(), outcome))
    };
    let mut cases = vec![
        case("create_webhook_endpoint", at, new(), "accepted"),
        case("create_webhook_endpoint", at, inner, "refused"),
    ];
    let verbs = [
        both("set_webhook_endpoint", "", settings()),
        both("rotate_webhook_key", "/rotate", json!({})),
        both("test_webhook_endpoint", "/test", json!({})),
        both(
            "redeliver_webhook_messages",
            "/redeliver",
            json!({ "state": "failed" }),
        ),
    ];
    cases.extend(verbs.into_iter().flatten());
    cases.extend([
        case(
            "redeliver_webhook_message",
            message("{message}"),
            json!({}),
            "accepted",
        ),
        case(
            "redeliver_webhook_message",
            message("01J00000000000000000000000"),
            json!({}),
            "refused",
        ),
    ]);
    let verbs = [
        both("disable_webhook_endpoint", "/disable", json!({})),
        both("enable_webhook_endpoint", "/enable", json!({})),
        both("delete_webhook_endpoint", "", json!({})),
    ];
    cases.extend(verbs.into_iter().flatten());
    cases
}

fn backup_cases() -> Vec<Case> {
    let with = |passphrase: &str| json!({ "passphrase": passphrase });
    let at = "/api/v1/backups";
    vec![
        case(
            "create_backup",
            at,
            with("correct horse battery"),
            "accepted",
        ),
        case("create_backup", at, with("short"), "refused"),
    ]
}

/// A registry of one release, taken from a folder; first fetched, then installed.
fn registry_cases(maker: &Maker) -> Vec<Case> {
    let (at, listed) = ("/api/v1/registries", "/api/v1/catalog/example.org");
    let registry = |address: &str| json!({ "name": "example.org", "addresses": [address], "keys": [maker.registry] });
    let folder = maker.folder().display().to_string();
    let both = |id, path: &str, name: [&str; 2], body: &Value| {
        [(name[0], "accepted"), (name[1], "refused")]
            .map(|(name, outcome)| case(id, path.replace("{}", name), body.clone(), outcome))
    };
    let (listed, hello) = (format!("{listed}/{{}}"), ["hello", "no-such-module"]);
    let as_local = json!({ "as_local": true });
    let mut cases = vec![
        case("add_registry", at, registry("nowhere"), "refused"),
        case("add_registry", at, registry(&folder), "accepted"),
    ];
    let named = ["example.org", "none.example"];
    let groups = [
        both(
            "refresh_registry",
            &format!("{at}/{{}}/refresh"),
            named,
            &json!({}),
        ),
        both(
            "fetch_catalog_module",
            &format!("{listed}/fetch"),
            hello,
            &as_local,
        ),
        both(
            "install_catalog_module",
            &format!("{listed}/install"),
            hello,
            &as_local,
        ),
        both("remove_registry", &format!("{at}/{{}}"), named, &json!({})),
    ];
    cases.extend(groups.into_iter().flatten());
    cases
}

/// Operation id and HTTP method of everything that changes something.
async fn mutating(server: &TestServer) -> Vec<(String, Method)> {
    let document = server.rest.get("/api/v1/openapi.json").await.done();
    let mut found = Vec::new();
    for methods in document["paths"].as_object().unwrap().values() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_default();
            let reads = method == "get" || method == "parameters" || READS.contains(&id);
            if !reads {
                let method = method.to_uppercase().parse().unwrap();
                found.push((id.to_owned(), method));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mutation_done_and_refused_leaves_its_traces() {
    let server = TestServer::start().await;
    let mutating = mutating(&server).await;
    let mut cases = cases(&server);
    cases.extend(trust_cases());
    cases.extend(webhook_cases());
    cases.extend(endpoint_cases());
    cases.extend(reconcile_cases());
    cases.extend(backup_cases());
    let maker = Maker::new();
    maker.release(1);
    cases.extend(registry_cases(&maker));
    for (id, _) in &mutating {
        assert!(
            cases.iter().any(|case| case.id == id),
            "the document has `{id}`, and no case here"
        );
    }
    server.install(&Fixture::new("wrong-name")).await;
    server.verb("fixture-wrong-name", "load").await.done();
    server.in_state("fixture-wrong-name", "failed").await;
    server.install(&Fixture::new("never-ready")).await;
    let open = server.verb("fixture-never-ready", "load").await.done();
    let (mut token, mut delivery, mut message) = (String::new(), String::new(), String::new());

    for case in cases {
        let (_, method) = mutating
            .iter()
            .find(|(id, _)| id == case.id)
            .unwrap_or_else(|| panic!("the document has no `{}`", case.id));
        let action = NAMED.iter().find(|(id, _)| *id == case.id);
        let action = action.map_or(case.id, |(_, action)| *action);
        let path = case
            .path
            .replace("{open}", open["id"].as_str().unwrap())
            .replace("{token}", &token)
            .replace("{delivery}", &delivery)
            .replace("{message}", &message);
        let filter = format!("action={action}&outcome={}", case.outcome);
        let before = server.audit(&filter).await.len();
        let last = server.event_numbers("*").await.last().copied().unwrap_or(0);

        let media = match case.id {
            "patch_module_config" => "application/merge-patch+json",
            _ => "application/json",
        };
        let mut request = server
            .rest
            .request(method.clone(), &path)
            .header("content-type", media)
            .body(case.body.to_string());
        if path.contains("/config") {
            request = request.header("if-match", "*");
        }
        let answer = server.rest.send(request).await;

        let what = format!(
            "{} {} {}: {}",
            case.id, case.outcome, answer.status, answer.text
        );
        let mut detail = String::new();
        if case.outcome == "accepted" {
            let answer = answer.done();
            if case.id == "create_token" {
                answer["id"]
                    .as_str()
                    .unwrap_or_default()
                    .clone_into(&mut token);
                assert!(!token.is_empty(), "{what}");
            }
            if case.id == "test_webhook_source" {
                answer["delivery"]
                    .as_str()
                    .unwrap_or_default()
                    .clone_into(&mut delivery);
                assert!(!delivery.is_empty(), "{what}");
            }
            if case.id == "test_webhook_endpoint" {
                answer["message"]
                    .as_str()
                    .unwrap_or_default()
                    .clone_into(&mut message);
                assert!(!message.is_empty(), "{what}");
            }
            let operation = if answer["operation"].is_object() {
                &answer["operation"]
            } else {
                &answer
            };
            if operation["kind"].is_string() && !AT_ONCE.contains(&case.id) {
                server.succeeded(operation).await;
                let id = operation["id"].as_str().unwrap();
                let changes = server.events("operation.changed").await;
                assert!(
                    changes.iter().any(|event| event.to_string().contains(id)),
                    "{what}"
                );
            }
        } else if answer.status.is_success() {
            // Refused by the operation that was begun.
            let failed = server.failed(&answer.json()).await;
            assert!(failed["failure"]["detail"].is_string(), "{failed:#}");
            continue;
        } else {
            answer.refused()["detail"]
                .as_str()
                .unwrap_or_default()
                .clone_into(&mut detail);
        }
        let rows = server.audit(&filter).await;
        assert_eq!(rows.len(), before + 1, "{what}");
        assert_eq!(rows[0]["actor"], "cookie", "{what}");
        assert!(rows[0]["request"].is_string(), "{what}");
        if case.outcome == "refused" {
            assert_ne!(rows[0]["detail"], "", "{what}");
            assert!(!detail.is_empty(), "{what}");
        }
        let events = server.events("audit.recorded").await;
        let told = events.iter().any(|event| {
            event["seq"].as_u64() > Some(last)
                && event["data"]["action"] == action
                && event["data"]["outcome"] == case.outcome
        });
        assert!(told, "{what}: no event");
    }
}
