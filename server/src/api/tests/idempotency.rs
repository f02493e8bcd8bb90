//! A repeated POST gets the first answer again.

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use super::harness::{Answer, Node};
use crate::model::{Actor, Once, Outcome};
use crate::store::{AuditFilter, PageRequest};

async fn mine(node: &Node, path: &str, key: &str, body: Value) -> Answer {
    let request = Request::post(path)
        .header(AUTHORIZATION, &node.cookie)
        .header(CONTENT_TYPE, "application/json")
        .header("idempotency-key", key)
        .body(Body::from(body.to_string()));
    node.ask(request.unwrap()).await
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_does_nothing_again() {
    let node = Node::start().await;
    node.with_module("clock").await;
    let path = "/api/v1/modules/clock/disable";
    let first = mine(&node, path, "k1", json!({})).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    let events = node.api.store.last_seq();

    let again = mine(&node, path, "k1", json!({})).await;

    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.json(), first.json());
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.headers[CONTENT_TYPE], "application/json");
    assert_eq!(node.api.store.last_seq(), events);
}

#[tokio::test]
async fn a_key_belongs_to_one_request_and_a_refusal_is_not_kept() {
    let node = Node::start().await;
    node.with_module("clock").await;
    mine(&node, "/api/v1/modules/clock/disable", "k1", json!({})).await;
    let other = mine(&node, "/api/v1/modules/clock/enable", "k1", json!({})).await;
    assert_eq!(other.code(), "idempotency_mismatch");

    let refused = mine(&node, "/api/v1/modules/clock/load", "k2", json!({})).await;
    assert!(refused.status.is_client_error());
    assert!(
        node.api
            .store
            .remembered("cookie k2")
            .await
            .unwrap()
            .is_none()
    );

    let bad = mine(
        &node,
        "/api/v1/modules/clock/enable",
        &"k".repeat(200),
        json!({}),
    )
    .await;
    assert_eq!(bad.code(), "invalid_parameter");
}

#[tokio::test]
async fn what_a_kill_left_without_an_answer_is_not_done_again() {
    let node = Node::start().await;
    node.with_module("clock").await;
    let path = "/api/v1/modules/clock/disable";
    let first = mine(&node, path, "k1", json!({})).await;
    assert_eq!(first.status, StatusCode::OK);
    // The same request, as a killed node leaves it: the change with its key, and no answer.
    let known = node.api.store.remembered("cookie k1").await.unwrap();
    let mut by = Actor::named("cookie");
    by.once = Some(Once {
        key: "cookie k2".to_owned(),
        fingerprint: known.unwrap().fingerprint,
    });
    let name = "clock".parse().unwrap();
    node.api.control.disable(&name, &by).await.unwrap();
    let kept = node.api.store.remembered("cookie k2").await.unwrap();
    assert_eq!(kept.unwrap().answer, None);
    let events = node.api.store.last_seq();

    let again = mine(&node, path, "k2", json!({})).await;
    assert_eq!(again.code(), "idempotency_answer_lost");
    let other = mine(&node, "/api/v1/modules/clock/enable", "k2", json!({})).await;
    assert_eq!(other.code(), "idempotency_mismatch");
    let filter = AuditFilter {
        outcome: Some(Outcome::Accepted),
        ..AuditFilter::default()
    };
    let rows = node.api.store.audit(&PageRequest::first(), &filter).await;
    assert_eq!(rows.unwrap().items.len(), 2);
    // Only the refusals were recorded since.
    assert_eq!(node.api.store.last_seq(), events + 2);
}
