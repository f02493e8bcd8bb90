//! Every operation of the document × every kind of caller: it answers as the document says. Made
//! from the document, so that no route can be forgotten.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::harness::{Node, json as request_of};
use crate::api::openapi::{openapi, operations};
use crate::model::{Outcome, Scope};
use crate::store::{AuditFilter, PageRequest};

/// The public key of the first test vector of RFC 8032.
const KEY: &str = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

pub(super) struct Operation {
    pub(super) id: String,
    method: Method,
    pub(super) path: String,
    scope: Option<Scope>,
    pub(super) public: bool,
    changes: bool,
    described: Value,
}

pub(super) fn all() -> Vec<Operation> {
    let document: Value = serde_json::from_str(openapi()).unwrap();
    operations(&document)
        .map(|(method, path, operation)| Operation {
            id: operation["operationId"].as_str().unwrap().to_owned(),
            method: method.to_uppercase().parse().unwrap(),
            path: path
                .replace("{id}", "01J00000000000000000000000")
                .replace("{number}", "7")
                .replace("{block}", "0")
                .replace("{name}", "nothing")
                .replace("{source}", "nothing")
                .replace("{registry}", "nothing")
                .replace("{method}", "ask")
                .replace("{txid}", &"00".repeat(32)),
            scope: operation["x-scope"].as_str().and_then(Scope::from_word),
            public: operation["x-public"] == json!(true),
            changes: method != "get",
            described: operation.clone(),
        })
        .collect()
}

impl Operation {
    /// A request that gets past the framework where the operation takes a body.
    fn request(&self) -> Request<Body> {
        let bodies: BTreeMap<&str, Value> = [
            ("install_module", json!({ "path": "/nowhere" })),
            (
                "set_module_grants",
                json!({ "capabilities": [], "listeners": {}, "outgoing": { "ports": [] } }),
            ),
            (
                "add_publisher",
                json!({ "name": "other.example", "keys": [KEY] }),
            ),
            (
                "rotate_publisher",
                json!({ "keys": "none", "signatures": "none" }),
            ),
            (
                "add_registry",
                json!({ "name": "other.example", "addresses": ["/srv/registry"], "keys": [KEY] }),
            ),
            ("fetch_catalog_module", json!({})),
            ("install_catalog_module", json!({})),
            ("set_module_sandbox", json!({ "waive": [] })),
            ("pin_module", json!({ "pinned": true })),
            ("plan_module_upgrade", json!({ "path": "/no/such/folder" })),
            ("upgrade_module", json!({ "path": "/no/such/folder" })),
            ("mine_blocks", json!({ "count": 1 })),
            ("import_blocks", json!({ "path": "/no/such/folder" })),
            (
                "create_token",
                json!({ "name": "made", "scopes": ["node:read"] }),
            ),
            (
                "create_webhook_source",
                json!({ "name": "made", "scheme": "github" }),
            ),
            ("set_webhook_source", json!({ "scheme": "github" })),
            ("replay_webhook_deliveries", json!({ "dead": true })),
            (
                "create_webhook_endpoint",
                json!({ "name": "made", "url": "https://example.org/", "events": ["*"] }),
            ),
            (
                "set_webhook_endpoint",
                json!({ "url": "https://example.org/", "events": ["*"] }),
            ),
            (
                "set_webhook_reconcile",
                json!({ "hook": "repos/o/r/hooks/1" }),
            ),
            ("redeliver_webhook_messages", json!({ "state": "failed" })),
            ("send_transactions", json!({ "transactions": ["00"] })),
            ("call_rpc", json!({ "method": "help", "id": 1 })),
        ]
        .into();
        let body = bodies.get(self.id.as_str()).cloned();
        let body = body.or_else(|| self.changes.then(|| json!({})));
        request_of(self.method.clone(), &self.path, body)
    }

    pub(super) fn with(&self, name: axum::http::HeaderName, value: &str) -> Request<Body> {
        let mut request = self.request();
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    }

    pub(super) fn lists(&self, code: &str) -> bool {
        self.described["x-problems"]
            .as_array()
            .unwrap()
            .contains(&json!(code))
    }
}

#[tokio::test]
async fn nobody_gets_in_without_credentials() {
    let node = Node::start().await;
    for operation in all() {
        let answer = node.ask(operation.request()).await;
        if operation.described["x-signed"] == json!(true) {
            assert_eq!(answer.code(), "webhook_unproven", "{}", operation.id);
            continue;
        }
        if operation.public {
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{}", operation.id);
            continue;
        }
        assert_eq!(answer.code(), "unauthenticated", "{}", operation.id);
        assert!(
            answer.headers.contains_key("www-authenticate"),
            "{}",
            operation.id
        );
    }
}

#[tokio::test]
async fn unknown_expired_and_revoked_tokens_are_told_apart() {
    let node = Node::start().await;
    let revoked = node.token(Scope::ALL).await;
    let live = node.token(Scope::ALL).await;
    let whoami = Request::get("/api/v1/tokens/self")
        .header(AUTHORIZATION, format!("Bearer {revoked}"))
        .body(Body::empty());
    let actor = node.ask(whoami.unwrap()).await.json()["actor"].clone();
    let id = actor
        .as_str()
        .unwrap()
        .strip_prefix("token:")
        .unwrap()
        .to_owned();
    let path = format!("/api/v1/tokens/{id}");
    assert_eq!(
        node.admin(Method::DELETE, &path, None).await.status,
        StatusCode::NO_CONTENT
    );

    let check = async |text: &str, code: &str| {
        for operation in all().iter().filter(|operation| !operation.public) {
            let request = operation.with(AUTHORIZATION, &format!("Bearer {text}"));
            let answer = node.ask(request).await;
            assert_eq!(answer.code(), code, "{}", operation.id);
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
            assert!(
                operation.lists(code),
                "{} does not list {code}",
                operation.id
            );
        }
    };
    check("bllvm_unknown", "invalid_credentials").await;
    check(&revoked, "token_revoked").await;
    node.clock.advance_ms(2 * 3_600_000);
    check(&live, "token_expired").await;
}

#[tokio::test]
async fn a_missing_scope_is_refused_named_and_recorded() {
    let node = Node::start().await;
    for operation in all() {
        let Some(scope) = operation.scope else {
            continue;
        };
        let others: Vec<Scope> = Scope::ALL
            .iter()
            .copied()
            .filter(|other| *other != scope && *other != Scope::Admin)
            .collect();
        let token = node.token(&others).await;

        let request = operation.with(AUTHORIZATION, &format!("Bearer {token}"));
        let answer = node.ask(request).await;

        assert_eq!(answer.code(), "missing_scope", "{}", operation.id);
        assert_eq!(
            answer.json()["missing_scope"],
            scope.as_str(),
            "{}",
            operation.id
        );
        if operation.changes {
            let filter = AuditFilter {
                action: Some(operation.id.clone()),
                outcome: Some(Outcome::Refused),
                ..AuditFilter::default()
            };
            let rows = node
                .api
                .store
                .audit(&PageRequest::first(), &filter)
                .await
                .unwrap();
            assert_eq!(rows.items.len(), 1, "{}", operation.id);
            let row = &rows.items[0];
            assert!(
                row.detail.contains("missing_scope"),
                "{}: {}",
                operation.id,
                row.detail
            );
            let request = answer.headers["x-request-id"].to_str().unwrap();
            assert_eq!(row.request.as_deref(), Some(request));
        }
    }
}

#[tokio::test]
async fn the_right_scope_opens_and_every_answer_is_documented() {
    let node = Node::start().await;
    for operation in all() {
        let mut scopes: Vec<Scope> = operation.scope.into_iter().collect();
        if scopes.is_empty() {
            scopes.push(Scope::NodeRead);
        }
        // Nobody hands out what they do not have.
        if operation.id == "create_token" {
            scopes = vec![Scope::Admin];
        }
        // Nobody has events sent that they may not read.
        if ["create_webhook_endpoint", "set_webhook_endpoint"].contains(&operation.id.as_str()) {
            scopes.push(Scope::EventsRead);
        }
        let token = node.token(&scopes).await;
        let request = operation.with(AUTHORIZATION, &format!("Bearer {token}"));
        let answer = node.ask(request).await;

        let status = answer.status.as_u16().to_string();
        assert!(
            !operation.described["responses"][&status].is_null(),
            "{} answers {status}, which is not documented: {}",
            operation.id,
            answer.text
        );
        assert_ne!(
            answer.status,
            StatusCode::INTERNAL_SERVER_ERROR,
            "{}",
            operation.id
        );
        if !answer.status.is_success() {
            let code = answer.code();
            assert!(
                operation.lists(&code),
                "{} does not list {code}: {}",
                operation.id,
                answer.text
            );
            assert_ne!(code, "missing_scope", "{}", operation.id);
        }
    }
}

#[tokio::test]
async fn other_hosts_and_other_origins_are_refused_everywhere() {
    let node = Node::start().await;
    for operation in all() {
        for host in ["evil.example", "127.0.0.1.evil.example", "0.0.0.0:8480"] {
            let answer = node.ask(operation.with(HOST, host)).await;
            assert_eq!(answer.code(), "host_refused", "{} {host}", operation.id);
        }
        for origin in ["null", "http://evil.example", "http://127.0.0.1:1"] {
            let mut request = operation.with(ORIGIN, origin);
            let cookie = node.cookie.parse().unwrap();
            request.headers_mut().insert(AUTHORIZATION, cookie);
            let answer = node.ask(request).await;
            assert_eq!(answer.code(), "origin_refused", "{} {origin}", operation.id);
        }
    }
}

#[tokio::test]
async fn every_route_refuses_methods_that_it_does_not_have() {
    let node = Node::start().await;
    let mut seen: BTreeMap<String, Vec<Method>> = BTreeMap::new();
    for operation in all() {
        seen.entry(operation.path)
            .or_default()
            .push(operation.method);
    }
    for (path, methods) in seen {
        for method in [
            Method::GET,
            Method::PUT,
            Method::POST,
            Method::PATCH,
            Method::DELETE,
        ] {
            if methods.contains(&method) {
                continue;
            }
            let answer = node.admin(method.clone(), &path, None).await;
            assert_eq!(answer.code(), "method_not_allowed", "{method} {path}");
            assert!(answer.headers.contains_key("allow"), "{method} {path}");
        }
    }
}
