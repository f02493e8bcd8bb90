//! The intake and the inbox over HTTP.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use futures_util::stream;
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::harness::{Answer, Node};

const SECRET: &str = "It's a Secret to Everybody";
const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const SOURCES: &str = "/api/v1/webhooks/sources";

fn delivery(source: &str, signature: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(format!("/webhooks/{source}"))
        .header("x-hub-signature-256", signature)
        .header("x-github-delivery", "1")
        .body(body.into())
        .unwrap()
}

async fn with_source(node: &Node) -> Answer {
    let new = json!({ "name": "gh", "scheme": "github", "secret": SECRET });
    let made = node.admin(Method::POST, SOURCES, Some(new)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    made
}

#[tokio::test]
async fn a_delivery_is_accepted_once_and_shown_with_every_attempt() {
    let node = Node::start().await;
    with_source(&node).await;
    let taken = node.ask(delivery("gh", SIGNATURE, "Hello, World!")).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text);
    let again = node.ask(delivery("gh", SIGNATURE, "Hello, World!")).await;
    assert_eq!(again.status, StatusCode::OK);
    let id = again.json()["delivery"].as_str().unwrap().to_owned();
    assert_eq!(taken.json()["delivery"], id);

    let path = format!("/api/v1/webhooks/deliveries/{id}");
    let replayed = node
        .admin(Method::POST, &format!("{path}/replay"), None)
        .await;
    assert_eq!(replayed.status, StatusCode::OK, "{}", replayed.text);
    let shown = node.admin(Method::GET, &path, None).await.json();
    let attempts = shown["attempts"].as_array().unwrap().iter();
    let kinds: Vec<_> = attempts
        .map(|attempt| attempt["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["received", "duplicate", "replay"]);
    let body = node.admin(Method::GET, &format!("{path}/body"), None).await;
    assert_eq!(body.json()["text"], "Hello, World!");
    let page = "/api/v1/webhooks/deliveries?source=gh&state=waiting";
    let listed = node.admin(Method::GET, page, None).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let metrics = node.admin(Method::GET, "/metrics", None).await.text;
    let line = r#"bllvm_webhook_deliveries_total{source="gh",outcome="accepted"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn refusals_have_their_status_and_an_unknown_source_looks_like_a_bad_signature() {
    let node = Node::start().await;
    with_source(&node).await;
    let plain = |answer: &Answer| {
        let mut problem = answer.json();
        problem["instance"] = Value::Null;
        let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort();
        (answer.status, problem, names)
    };
    let bad = node.ask(delivery("gh", "sha256=00", "Hello, World!")).await;
    let unknown = node
        .ask(delivery("nobody", SIGNATURE, "Hello, World!"))
        .await;
    assert_eq!(bad.code(), "webhook_unproven");
    assert_eq!(plain(&bad), plain(&unknown));

    node.ask(delivery("gh", SIGNATURE, "Hello, World!")).await;
    // The same id with another body, signed by an operator's test, cannot be made from outside;
    // the store's own test has it. What is too large is refused before anything is checked.
    let large = "x".repeat((1 << 20) + 1);
    for source in ["gh", "nobody"] {
        let refused = node.ask(delivery(source, SIGNATURE, large.clone())).await;
        assert_eq!(refused.code(), "payload_too_large", "{source}");
        let parts = vec![Ok::<_, std::io::Error>(large.clone())];
        let streamed = Body::from_stream(stream::iter(parts));
        let refused = node.ask(delivery(source, SIGNATURE, streamed)).await;
        assert_eq!(refused.code(), "payload_too_large", "{source}");
    }
}

#[tokio::test]
async fn a_source_is_made_rotated_tested_and_removed_and_its_secret_shown_once() {
    let node = Node::start().await;
    let new = json!({ "name": "ours", "scheme": "standard" });
    let made = node.admin(Method::POST, SOURCES, Some(new.clone())).await;
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"));
    assert_eq!(made.json()["path"], "/webhooks/ours");
    let twice = node.admin(Method::POST, SOURCES, Some(new)).await;
    assert_eq!(twice.code(), "webhook_source_exists");

    let test = format!("{SOURCES}/ours/test");
    let sent = node.admin(Method::POST, &test, None).await;
    assert_eq!(sent.json()["duplicate"], false, "{}", sent.text);
    let rotate = format!("{SOURCES}/ours/rotate");
    let rotated = node.admin(Method::POST, &rotate, None).await.json();
    assert_ne!(rotated["secret"], secret);
    let listed = node.admin(Method::GET, SOURCES, None).await.text;
    assert!(!listed.contains("whsec_"), "{listed}");
    assert_eq!(listed.matches("created_at").count(), 3, "{listed}");

    let own = format!("{SOURCES}/ours");
    let gone = node.admin(Method::DELETE, &own, None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let sent = node.admin(Method::POST, &test, None).await;
    assert_eq!(sent.code(), "webhook_source_not_found");
    let audit = node
        .admin(Method::GET, "/api/v1/audit?target=ours", None)
        .await;
    for action in ["create", "rotate", "delete"] {
        assert!(
            audit.text.contains(&format!("{action}_webhook_")),
            "{}",
            audit.text
        );
    }
    assert!(!audit.text.contains("whsec_"));
}

#[tokio::test]
async fn a_source_that_makes_no_sense_is_refused_with_the_field() {
    let node = Node::start().await;
    let cases = [
        (json!({ "name": "A", "scheme": "github" }), "`name`"),
        (json!({ "name": "a", "scheme": "hmac" }), "`hmac`"),
        (
            json!({ "name": "a", "scheme": "github", "tolerance_s": 0 }),
            "`tolerance_s`",
        ),
        (
            json!({ "name": "a", "scheme": "github", "secret": "short" }),
            "`secret`",
        ),
        (
            json!({ "name": "a", "scheme": "hmac", "hmac": { "signature_header": "a b", "encoding": "hex" } }),
            "`hmac.signature_header`",
        ),
    ];
    for (new, field) in cases {
        let refused = node.admin(Method::POST, SOURCES, Some(new.clone())).await;
        assert_eq!(refused.code(), "invalid_request", "{new}");
        assert!(refused.text.contains(field), "{}", refused.text);
    }
    let all = node
        .admin(Method::POST, "/api/v1/webhooks/replay", Some(json!({})))
        .await;
    assert_eq!(all.code(), "invalid_request");
}

#[tokio::test]
async fn a_delivery_that_the_disk_has_no_room_for_is_refused_and_may_come_again() {
    let node = Node::start_without_space().await;
    with_source(&node).await;
    let refused = node.ask(delivery("gh", SIGNATURE, "Hello, World!")).await;
    assert_eq!(refused.status, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(refused.code(), "disk_full");
    assert_eq!(refused.headers["retry-after"], "60");
    // Who cannot prove who they are learns nothing of the disk.
    let stranger = node.ask(delivery("gh", "sha256=00", "Hello, World!")).await;
    assert_eq!(stranger.code(), "webhook_unproven");
    let page = node.admin(Method::GET, "/api/v1/webhooks/deliveries", None);
    assert_eq!(page.await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_delivery_that_cannot_be_stored_is_taken_when_it_comes_again() {
    let node = Node::start().await;
    with_source(&node).await;
    let file = node.api.data_dir.join(crate::store::DATABASE_FILE);
    let options = SqliteConnectOptions::new().filename(file);
    let mut beside = options.connect().await.unwrap();
    // Where its table should be, nothing is, as on a disk that gives errors.
    sqlx::query("ALTER TABLE webhook_deliveries RENAME TO elsewhere")
        .execute(&mut beside)
        .await
        .unwrap();
    let refused = node.ask(delivery("gh", SIGNATURE, "Hello, World!")).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.code(), "unavailable");
    assert_eq!(refused.headers["retry-after"], "5");
    assert!(!refused.text.contains("elsewhere") && !refused.text.contains("table"));

    sqlx::query("ALTER TABLE elsewhere RENAME TO webhook_deliveries")
        .execute(&mut beside)
        .await
        .unwrap();
    let taken = node.ask(delivery("gh", SIGNATURE, "Hello, World!")).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text);
}
