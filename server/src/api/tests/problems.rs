//! Whatever is refused is refused in one form.

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH};
use axum::http::{Method, Request, StatusCode};
use serde_json::json;

use super::harness::Node;

async fn code(node: &Node, method: Method, path: &str, kind: &str, body: &str) -> String {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(AUTHORIZATION, &node.cookie)
        .header(CONTENT_TYPE, kind)
        .body(Body::from(body.to_owned()));
    node.ask(request.unwrap()).await.code()
}

#[tokio::test]
async fn the_frameworks_refusals_are_problems_too() {
    let node = Node::start().await;
    let json = "application/json";
    let mine = "/api/v1/node/mine";
    assert_eq!(
        code(&node, Method::GET, "/nowhere", json, "").await,
        "route_not_found"
    );
    assert_eq!(
        code(&node, Method::GET, "/api/v1/nowhere", json, "").await,
        "route_not_found"
    );
    assert_eq!(
        code(&node, Method::POST, mine, json, "{").await,
        "invalid_json"
    );
    assert_eq!(
        code(&node, Method::POST, mine, json, "{\"count\": \"x\"}").await,
        "invalid_body"
    );
    assert_eq!(
        code(&node, Method::POST, mine, json, "{\"cuont\": 1}").await,
        "invalid_body"
    );
    assert_eq!(
        code(&node, Method::POST, mine, "text/plain", "{}").await,
        "unsupported_media_type"
    );
    let large = format!("{{\"address\": \"{}\"}}", "x".repeat(300 * 1024));
    assert_eq!(
        code(&node, Method::POST, mine, json, &large).await,
        "payload_too_large"
    );
    let name = "/api/v1/modules/No..pe";
    assert_eq!(
        code(&node, Method::GET, name, json, "").await,
        "invalid_parameter"
    );
    let limit = "/api/v1/audit?limit=0";
    assert_eq!(
        code(&node, Method::GET, limit, json, "").await,
        "invalid_parameter"
    );
    let wait = "/api/v1/operations/01J00000000000000000000000?wait=soon";
    assert_eq!(
        code(&node, Method::GET, wait, json, "").await,
        "invalid_parameter"
    );
    let cursor = "/api/v1/audit?cursor=x";
    assert_eq!(
        code(&node, Method::GET, cursor, json, "").await,
        "invalid_parameter"
    );
}

#[tokio::test]
async fn a_wrong_body_names_the_field() {
    let node = Node::start().await;
    let body = json!({ "count": -1 });
    let problem = node
        .admin(Method::POST, "/api/v1/node/mine", Some(body))
        .await
        .json();
    assert_eq!(problem["errors"][0]["pointer"], "/count");
    assert!(problem["detail"].as_str().unwrap().contains("count"));
}

#[tokio::test]
async fn a_panic_is_an_internal_problem_and_nothing_more() {
    let node = Node::start().await;
    let answer = node.admin(Method::GET, "/panic", None).await;
    assert_eq!(answer.code(), "internal");
    assert!(!answer.text.contains("on purpose"));
    let id = answer.headers["x-request-id"].to_str().unwrap();
    assert_eq!(answer.json()["instance"], format!("urn:ulid:{id}"));
    assert_eq!(
        node.admin(Method::GET, "/healthz", None).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn failed_logins_are_limited_per_address_and_right_ones_are_not() {
    let node = Node::start().await;
    let ask = async |credentials: &str| {
        let request = Request::get("/api/v1/tokens/self")
            .header(AUTHORIZATION, credentials)
            .body(Body::empty());
        node.ask_from([127, 0, 0, 99].into(), request.unwrap())
            .await
    };
    for _ in 0..10 {
        assert_eq!(
            ask("Bearer bllvm_wrong").await.code(),
            "invalid_credentials"
        );
    }
    let refused = ask("Bearer bllvm_wrong").await;
    assert_eq!(refused.code(), "too_many_requests");
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(ask(&node.cookie).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_list_of_modules_follows_what_is_found() {
    let node = Node::start().await;
    let list = async || {
        node.admin(Method::GET, "/api/v1/modules", None)
            .await
            .json()
    };
    assert_eq!(list().await["items"], json!([]));
    node.with_module("clock").await;
    let first = list().await;
    assert_eq!(first["items"][0]["name"], "clock");
    assert_eq!(first["items"][0]["waiting"], true);
    assert_eq!(first["items"][0]["state"], "stopped");
    assert_eq!(list().await, first);
    let detail = node
        .admin(Method::GET, "/api/v1/modules/clock", None)
        .await
        .json();
    assert_eq!(detail["name"], "clock");
    assert_eq!(
        detail["grants"]["requested"]["outgoing"],
        json!({ "ports": [] })
    );
}

#[tokio::test]
async fn a_configuration_is_changed_only_by_who_saw_it() {
    let node = Node::start().await;
    node.with_module("clock").await;
    let path = "/api/v1/modules/clock/config";
    let shown = node.admin(Method::GET, path, None).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    let tag = shown.headers[ETAG].clone();
    assert_eq!(
        tag,
        format!("\"{}\"", shown.json()["etag"].as_str().unwrap())
    );
    let put = async |tag: Option<&str>| {
        let mut request = Request::put(path)
            .header(AUTHORIZATION, &node.cookie)
            .header(CONTENT_TYPE, "application/toml");
        if let Some(tag) = tag {
            request = request.header(IF_MATCH, tag);
        }
        node.ask(request.body(Body::from("unknown = 1\n")).unwrap())
            .await
    };
    assert_eq!(put(None).await.code(), "precondition_required");
    let stale = put(Some("\"stale\"")).await;
    assert_eq!(stale.code(), "precondition_failed");
    assert!(stale.json()["etag"].is_string());
    assert_eq!(put(Some("stale")).await.code(), "invalid_parameter");
    let refused = put(Some(tag.to_str().unwrap())).await;
    assert_eq!(refused.code(), "invalid_config", "{}", refused.text);
    assert_eq!(refused.json()["errors"][0]["pointer"], "/unknown");
}
