//! Event streams: resumed, bounded, ended with the node.

use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::{Duration, timeout};

use super::harness::Node;
use crate::model::{EventClass, NewEvent};

async fn open(node: &Node, path: &str, last: Option<&str>) -> Response {
    let mut request = Request::get(path).header(AUTHORIZATION, &node.cookie);
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    node.send(request.body(Body::empty()).unwrap()).await
}

/// The text up to and with the first message that has `wanted` in it.
async fn read_until(response: Response, wanted: &str) -> String {
    let mut body = response.into_body().into_data_stream();
    let mut text = String::new();
    while !text.contains(wanted) {
        let chunk = timeout(Duration::from_secs(10), body.next()).await;
        let chunk = chunk.unwrap_or_else(|_| panic!("`{wanted}` did not come: {text}"));
        text.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
    }
    text
}

fn event(number: u64) -> NewEvent {
    NewEvent::host("host.tested", json!({ "number": number }))
}

#[tokio::test]
async fn a_stream_resumes_after_the_last_event_that_was_seen() {
    let node = Node::start().await;
    let first = node
        .api
        .journal
        .publish((1..=3).map(event).collect())
        .await
        .unwrap();

    let response = open(
        &node,
        "/api/v1/events/stream?types=host.*",
        Some(&first.to_string()),
    )
    .await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = read_until(response, "\"number\":3").await;

    assert!(!text.contains("\"number\":1"), "{text}");
    assert!(text.contains(&format!("id: {}", first + 1)), "{text}");
}

#[tokio::test]
async fn events_that_come_later_are_streamed_and_lossy_ones_have_no_id() {
    let node = Node::start().await;
    let response = open(&node, "/api/v1/events/stream", None).await;
    let lossy = NewEvent {
        class: EventClass::Lossy,
        ..event(8)
    };
    node.api
        .journal
        .publish(vec![event(7), lossy])
        .await
        .unwrap();
    let text = read_until(response, "\"number\":8").await;
    let message = text
        .split("\n\n")
        .find(|one| one.contains("\"number\":8"))
        .unwrap();
    assert!(!message.contains("id:"), "{message}");
}

#[tokio::test]
async fn streams_are_counted_and_end_with_the_node() {
    let node = Node::start().await;
    let one = open(&node, "/api/v1/events/stream", None).await;
    let two = open(&node, "/api/v1/events/stream", None).await;
    let three = open(&node, "/api/v1/events/stream", None).await;
    assert_eq!(three.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(two);
    let three = open(&node, "/api/v1/events/stream", None).await;
    assert_eq!(three.status(), StatusCode::OK);

    node.soft.cancel();
    for stream in [one, three] {
        let rest = axum::body::to_bytes(stream.into_body(), usize::MAX);
        timeout(Duration::from_secs(10), rest)
            .await
            .unwrap()
            .unwrap();
    }
    let late = open(&node, "/api/v1/events/stream", None).await;
    assert_eq!(late.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn lists_of_events_go_on_where_they_ended() {
    let node = Node::start().await;
    node.api
        .journal
        .publish((1..=5).map(event).collect())
        .await
        .unwrap();
    let mut cursor = String::new();
    let mut numbers: Vec<Value> = Vec::new();
    for _ in 0..3 {
        let path = format!("/api/v1/events?types=host.*&limit=2{cursor}");
        let page = node.admin(Method::GET, &path, None).await.json();
        let items = page["items"].as_array().unwrap();
        numbers.extend(items.iter().map(|one| one["data"]["number"].clone()));
        cursor = format!("&cursor={}", page["next"].as_str().unwrap());
    }
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let node = Node::start().await;
    node.with_module("clock").await;
    node.admin(Method::GET, "/api/v1/modules", None).await;
    let text = node.admin(Method::GET, "/metrics", None).await.text;
    for line in [
        "bllvm_module_up{module=\"clock\"} 0",
        "bllvm_sse_clients 0",
        "bllvm_http_request_duration_seconds_count{method=\"GET\",route=\"/api/v1/modules\",code=\"200\"} 1",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}
