//! JSON-RPC in both styles, with Core's numbers.

use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::harness::{Node, basic};
use crate::model::Scope;

async fn call(node: &Node, body: Value) -> (StatusCode, Value) {
    let answer = node.admin(Method::POST, "/rpc", Some(body)).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn both_styles_answer_in_their_own_way() {
    let node = Node::start().await;
    node.with_module("clock").await;
    let (status, two) = call(
        &node,
        json!({ "jsonrpc": "2.0", "method": "listmodules", "id": 7 }),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(two["id"], 7);
    assert_eq!(two["result"][0]["name"], "clock");
    assert!(two.get("error").is_none());

    let (status, one) = call(
        &node,
        json!({ "method": "getmoduleinfo", "params": ["clock"], "id": "a" }),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(one["error"], Value::Null);
    assert_eq!(one["result"]["name"], "clock");
}

#[tokio::test]
async fn refusals_carry_cores_number_and_the_problem() {
    let node = Node::start().await;
    let unknown = json!({ "method": "getmoduleinfo", "params": { "name": "nothing" }, "id": 1 });
    let (status, answer) = call(&node, unknown).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer["error"]["code"], -5);
    assert_eq!(answer["error"]["data"]["code"], "module_not_found");

    let (status, answer) = call(&node, json!({ "method": "stop", "id": 1 })).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (StatusCode::NOT_FOUND, &json!(-32601))
    );

    let (status, answer) = call(
        &node,
        json!({ "jsonrpc": "2.0", "method": "stop", "id": 1 }),
    )
    .await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (StatusCode::OK, &json!(-32601))
    );

    let extra = json!({ "jsonrpc": "2.0", "method": "listmodules", "params": [1], "id": 1 });
    assert_eq!(call(&node, extra).await.1["error"]["code"], -32602);
    let missing = json!({ "jsonrpc": "2.0", "method": "loadmodule", "id": 1 });
    assert_eq!(call(&node, missing).await.1["error"]["code"], -8);
    assert_eq!(call(&node, json!(3)).await.1["error"]["code"], -32600);
    assert_eq!(call(&node, json!([])).await.1["error"]["code"], -32600);
}

#[tokio::test]
async fn a_batch_answers_in_order_and_notifications_are_silent() {
    let node = Node::start().await;
    let batch = json!([
        { "jsonrpc": "2.0", "method": "help", "id": 1 },
        { "jsonrpc": "2.0", "method": "help" },
        { "jsonrpc": "2.0", "method": "nothing", "id": 2 }
    ]);
    let (_, answers) = call(&node, batch).await;
    let ids: Vec<_> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].clone())
        .collect();
    assert_eq!(ids, [1, 2]);
    let large: Vec<_> = (0..51)
        .map(|id| json!({ "method": "help", "id": id }))
        .collect();
    assert_eq!(call(&node, json!(large)).await.1["error"]["code"], -32600);
    let silent = json!({ "jsonrpc": "2.0", "method": "help" });
    let answer = node.admin(Method::POST, "/rpc", Some(silent)).await;
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (StatusCode::NO_CONTENT, "")
    );
}

#[tokio::test]
async fn any_user_with_a_token_as_password_has_its_scopes() {
    let node = Node::start().await;
    node.with_module("clock").await;
    let token = node.token(&[Scope::ModulesRead]).await;
    let ask = async |body: Value| {
        let request = Request::post("/rpc")
            .header(AUTHORIZATION, basic(&format!("alice:{token}")))
            .body(Body::from(body.to_string()));
        node.ask(request.unwrap()).await.json()
    };
    assert!(ask(json!({ "method": "listmodules", "id": 1 })).await["result"].is_array());
    let refused = ask(json!({ "method": "unloadmodule", "params": ["clock"], "id": 1 })).await;
    assert_eq!(refused["error"]["data"]["missing_scope"], "modules:control");
}
