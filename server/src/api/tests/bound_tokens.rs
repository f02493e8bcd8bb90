//! Tokens that are bound to modules: every operation of the document × one of theirs, another's.

use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::harness::{Answer, Node, json as request_of};
use super::matrix::all;
use crate::model::{Actor, OperationKind, Outcome, Scope};
use crate::store::commands::StartOperation;
use crate::store::{AuditFilter, PageRequest};

const ABOUT_MODULES: [Scope; 5] = [
    Scope::ModulesRead,
    Scope::ModulesControl,
    Scope::ModulesInstall,
    Scope::ConfigWrite,
    Scope::EventsRead,
];

fn with(mut request: Request<Body>, token: &str) -> Request<Body> {
    let value = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert(AUTHORIZATION, value);
    request
}

async fn ask(node: &Node, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    node.ask(with(request_of(method, path, body), token)).await
}

#[tokio::test]
async fn a_bound_token_reaches_its_module_and_nothing_else() {
    let node = Node::start().await;
    let theirs = node.token_for(&ABOUT_MODULES, &["nothing"]).await;
    let anothers = node.token_for(&ABOUT_MODULES, &["other"]).await;
    for operation in all().iter().filter(|operation| !operation.public) {
        let id = &operation.id;
        let bearer = |token: &str| format!("Bearer {token}");
        let own = node
            .ask(operation.with(AUTHORIZATION, &bearer(&theirs)))
            .await;
        let foreign = node
            .ask(operation.with(AUTHORIZATION, &bearer(&anothers)))
            .await;
        let is_refused = |answer: &Answer| answer.text.contains("module_not_permitted");
        let of_one_module = operation.path.starts_with("/api/v1/modules/nothing");
        let looks_itself =
            ["get_self", "call_rpc", "get_operation", "cancel_operation"].contains(&id.as_str());
        assert_eq!(is_refused(&own), !of_one_module && !looks_itself, "{id}");
        assert_eq!(is_refused(&foreign), !looks_itself, "{id}");
        if !looks_itself {
            assert_eq!(foreign.code(), "module_not_permitted", "{id}");
            assert!(operation.lists("module_not_permitted"), "{id}");
        }
    }
}

#[tokio::test]
async fn a_refusal_names_the_modules_and_is_recorded() {
    let node = Node::start().await;
    node.with_module("clock").await;
    node.with_module("log").await;
    let token = node.token_for(&ABOUT_MODULES, &["clock"]).await;

    let own = ask(&node, &token, Method::GET, "/api/v1/modules/clock", None).await;
    assert_eq!(own.status, StatusCode::OK);
    let path = "/api/v1/modules/log/disable";
    let refused = ask(&node, &token, Method::POST, path, None).await;

    assert_eq!(refused.code(), "module_not_permitted");
    assert!(refused.text.contains("`clock`"), "{}", refused.text);
    let filter = AuditFilter {
        action: Some("disable_module".to_owned()),
        outcome: Some(Outcome::Refused),
        ..AuditFilter::default()
    };
    let rows = node.api.store.audit(&PageRequest::first(), &filter).await;
    assert_eq!(rows.unwrap().items[0].target, "log");
    // Another spelling of an address opens nothing.
    for path in ["/api/v1/modules/%6Cog", "/api/v1/modules/clock%2F..%2Flog"] {
        let answer = ask(&node, &token, Method::GET, path, None).await;
        assert!(answer.status.is_client_error(), "{path}");
        assert!(!answer.text.contains("\"name\":\"log\""), "{path}");
    }
}

#[tokio::test]
async fn the_verbs_of_json_rpc_keep_to_the_module_too() {
    let node = Node::start().await;
    node.with_module("clock").await;
    node.with_module("log").await;
    let token = node.token_for(&ABOUT_MODULES, &["clock"]).await;
    let call = async |body: Value| ask(&node, &token, Method::POST, "/rpc", Some(body)).await;

    let help = call(json!({ "method": "help", "id": 1 })).await.json();
    let methods = help["result"].as_str().unwrap();
    for usage in methods.lines().filter(|usage| !usage.starts_with("help")) {
        let name = usage.split(' ').next().unwrap();
        let params = if usage.contains(" name") {
            json!({ "name": "log" })
        } else {
            json!({})
        };
        let answer = call(json!({ "method": name, "params": params, "id": 1 })).await;
        let code = &answer.json()["error"]["data"]["code"];
        assert_eq!(code, "module_not_permitted", "{name}: {}", answer.text);
    }
    let own = json!({ "method": "getmoduleinfo", "params": ["clock"], "id": 1 });
    assert_eq!(call(own).await.json()["result"]["name"], "clock");
    let batch = json!([
        { "jsonrpc": "2.0", "method": "getmoduleinfo", "params": ["clock"], "id": 1 },
        { "jsonrpc": "2.0", "method": "getmoduleinfo", "params": ["log"], "id": 2 }
    ]);
    let answers = call(batch).await.json();
    assert_eq!(answers[0]["result"]["name"], "clock");
    assert_eq!(answers[1]["error"]["data"]["code"], "module_not_permitted");
}

#[tokio::test]
async fn operations_on_other_modules_stay_out_of_sight() {
    let node = Node::start().await;
    node.with_module("clock").await;
    node.with_module("log").await;
    let token = node.token_for(&ABOUT_MODULES, &["clock"]).await;
    let start = async |name: &str| {
        let start = StartOperation {
            module: Some(name.parse().unwrap()),
            kind: OperationKind::Install,
            about: None,
            params: Value::Null,
            by: Actor::host(),
        };
        node.api.store.commit(start).await.unwrap().id
    };
    let (own, foreign) = (start("clock").await, start("log").await);

    let get = async |path: String| ask(&node, &token, Method::GET, &path, None).await;
    let shown = get(format!("/api/v1/operations/{own}")).await;
    assert_eq!(shown.json()["module"], "clock");
    let refused = get(format!("/api/v1/operations/{foreign}")).await;
    assert_eq!(refused.code(), "module_not_permitted");
    let path = format!("/api/v1/operations/{foreign}/cancel");
    let refused = ask(&node, &token, Method::POST, &path, None).await;
    assert_eq!(refused.code(), "module_not_permitted");
    let all = get("/api/v1/operations".to_owned()).await;
    assert_eq!(all.code(), "module_not_permitted");
    let listed = get("/api/v1/operations?module=clock".to_owned()).await;
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_bound_token_shows_its_modules_and_takes_no_scope_beyond_them() {
    let node = Node::start().await;
    let body = |scopes: Value| json!({ "name": "ci", "scopes": scopes, "modules": ["clock"] });
    let make = async |body: Value| node.admin(Method::POST, "/api/v1/tokens", Some(body)).await;

    let made = make(body(json!(["modules:control"]))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let text = made.json()["token"].as_str().unwrap().to_owned();
    let listed = node.admin(Method::GET, "/api/v1/tokens", None).await.json();
    assert_eq!(listed["items"][0]["modules"], json!(["clock"]));
    let own = ask(&node, &text, Method::GET, "/api/v1/tokens/self", None).await;
    assert_eq!(own.json()["modules"], json!(["clock"]));
    for scope in Scope::ALL.iter().filter(|one| !ABOUT_MODULES.contains(one)) {
        let refused = make(body(json!(["modules:read", scope]))).await;
        assert_eq!(refused.code(), "invalid_request", "{scope}");
        assert!(refused.text.contains(scope.as_str()), "{}", refused.text);
    }
    // The dashboard shows every module, so such a token opens no session.
    let session = node.api.auth.session_for_token(&text, None, None).await;
    assert!(
        session
            .unwrap_err()
            .to_string()
            .contains("bound to modules")
    );
}
