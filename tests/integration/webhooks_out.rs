//! Webhooks out of the real program: nothing that the journal has is lost, whoever is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bllvm_tests::wait::until;
use bllvm_tests::{Dice, TestServer, times};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const ENDPOINTS: &str = "/api/v1/webhooks/endpoints";
const CANARY: &str = "whsec_Y2FuYXJ5LTlmMmM0MWQ3ZTg1Yi1jYW5hcnk=";

/// What a receiver has: ids by the event's number.
#[derive(Clone, Debug, Default)]
struct Taken(Arc<Mutex<BTreeMap<u64, BTreeSet<String>>>>);

impl Taken {
    fn numbers(&self) -> BTreeSet<u64> {
        self.0.lock().unwrap().keys().copied().collect()
    }
}

/// A receiver that takes everything.
struct Receiver {
    url: String,
    taken: Taken,
    serving: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(
    State(taken): State<Taken>,
    headers: HeaderMap,
    axum::Json(body): axum::Json<Value>,
) -> StatusCode {
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let number = body["seq"].as_u64().unwrap_or(0);
    let mut taken = taken.0.lock().unwrap();
    taken.entry(number).or_default().insert(id);
    StatusCode::OK
}

async fn receiver() -> Receiver {
    let taken = Taken::default();
    let app = Router::new()
        .route("/hook", post(take))
        .with_state(taken.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    Receiver {
        url,
        taken,
        serving,
    }
}

async fn server() -> TestServer {
    let server = TestServer::builder().set("webhooks.allow_addresses=127.0.0.1");
    server.start().await
}

async fn endpoint(server: &TestServer, url: &str) {
    let new = json!({ "name": "ours", "url": url, "events": ["audit.*"], "key": CANARY });
    server.rest.post(ENDPOINTS, &new).await.done();
}

/// Makes events until there are enough or the server is gone; each is an audit row of a refused
/// request.
async fn make_events(server: bllvm_tests::Rest) {
    let none = json!({ "name": "", "scopes": [] });
    for _ in 0..50 {
        let request = server
            .request(reqwest::Method::POST, "/api/v1/tokens")
            .json(&none);
        if server.try_send(request).await.is_none() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_host_sends_every_event_under_one_id() {
    let receiver = receiver().await;
    let mut server = server().await;
    endpoint(&server, &receiver.url).await;
    let mut dice = Dice::new(9);
    for _ in 0..times(20) {
        let making = tokio::spawn(make_events(server.rest.clone()));
        let some = receiver.taken.numbers().len() + 1 + usize::try_from(dice.below(40)).unwrap();
        until("some are taken", async || {
            (receiver.taken.numbers().len() >= some).then_some(())
        })
        .await;
        server.kill9();
        making.await.unwrap();
        server.start_again().await;
    }
    // The endpoint's own audit row is the first that it is told of; a start makes rows before it.
    let events = server.events("audit.*").await;
    let told: BTreeSet<u64> = events
        .iter()
        .skip_while(|event| event["data"]["target"] != "ours")
        .filter_map(|event| event["seq"].as_u64())
        .collect();
    assert!(!told.is_empty());
    loop {
        let missing = told.difference(&receiver.taken.numbers()).count();
        if missing == 0 {
            break;
        }
        until("one more is taken", async || {
            let still = told.difference(&receiver.taken.numbers()).count();
            (still < missing).then_some(())
        })
        .await;
    }
    for (number, ids) in receiver.taken.0.lock().unwrap().iter() {
        assert_eq!(ids.len(), 1, "event {number} came under {ids:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_found_nowhere() {
    let receiver = receiver().await;
    let server = server().await;
    endpoint(&server, &receiver.url).await;
    let bad = json!({ "name": "bad", "url": "https://10.0.0.1/", "events": ["*"], "key": CANARY });
    let refused = server.rest.post(ENDPOINTS, &bad).await;
    assert_eq!(refused.refused()["code"], "invalid_request");
    let wrong = json!({ "key": format!("{CANARY}%") });
    let at = format!("{ENDPOINTS}/ours");
    server
        .rest
        .post(&format!("{at}/rotate"), &wrong)
        .await
        .refused();
    let tested = server
        .rest
        .post(&format!("{at}/test"), &json!({}))
        .await
        .done();
    assert_eq!(
        (&tested["delivered"], &tested["status"]),
        (&json!(true), &json!(200))
    );
    until("a message was delivered", async || {
        let page = server
            .rest
            .get("/api/v1/webhooks/messages?state=delivered")
            .await
            .done();
        (page["items"].as_array()?.len() >= 2).then_some(())
    })
    .await;
    let message = format!(
        "/api/v1/webhooks/messages/{}",
        tested["message"].as_str().unwrap()
    );
    for path in [
        ENDPOINTS,
        at.as_str(),
        "/api/v1/webhooks/messages?limit=1000",
        message.as_str(),
        "/api/v1/events?limit=1000",
        "/api/v1/audit?limit=1000",
        "/metrics",
    ] {
        let answer = server.rest.get(path).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
        assert!(!answer.text.contains(&CANARY[6..]), "{path} shows it");
    }
    assert!(!server.log().contains(&CANARY[6..]));
    for file in std::fs::read_dir(server.data_dir()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let key = &CANARY.as_bytes()[6..];
        let found = bytes.windows(key.len()).any(|part| part == key);
        assert!(!found, "{} has it", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_managed_by_command_line() {
    let receiver = receiver().await;
    let server = server().await;
    let run = async |args: &[&str]| {
        let (code, out, err) = server.cli(args).await;
        assert_eq!(code, 0, "{args:?}: {err}");
        out
    };
    let url = receiver.url.as_str();
    let added = run(&[
        "webhook", "endpoint", "add", "ours", url, "--event", "audit.*",
    ])
    .await;
    assert!(added.contains("whsec_") && added.contains(url), "{added}");
    let tested = run(&["webhook", "endpoint", "test", "ours"]).await;
    assert!(tested.contains("200"), "{tested}");
    let rotated = run(&["webhook", "endpoint", "rotate", "ours", "--signing", "v1a"]).await;
    assert!(
        rotated.contains("whpk_") && !rotated.contains("whsk_"),
        "{rotated}"
    );
    let set = run(&["webhook", "endpoint", "set", "ours", "--event", "host.*"]).await;
    assert!(set.contains("host.*") && set.contains(url), "{set}");
    let disabled = run(&["webhook", "endpoint", "disable", "ours"]).await;
    assert!(disabled.contains("an operator disabled it"), "{disabled}");
    run(&["webhook", "endpoint", "enable", "ours", "--from-now"]).await;
    until("its messages are delivered", async || {
        let waiting = run(&["--json", "webhook", "message", "list", "--state", "waiting"]).await;
        waiting.contains("\"items\": []").then_some(())
    })
    .await;
    let listed = run(&["--json", "webhook", "message", "list"]).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    let shown = run(&["webhook", "message", "show", &id]).await;
    assert!(shown.contains("answered 200"), "{shown}");
    run(&["webhook", "message", "redeliver", &id]).await;
    let all = [
        "webhook",
        "endpoint",
        "redeliver",
        "ours",
        "--state",
        "delivered",
    ];
    assert!(run(&all).await.contains("messages are sent again"));
    run(&["webhook", "endpoint", "remove", "ours"]).await;
    let (code, _, err) = server.cli(&["webhook", "endpoint", "show", "ours"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("webhook_endpoint_not_found"), "{err}");
}
