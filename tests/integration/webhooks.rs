//! Webhooks into the real program: none that was answered is lost, none is there twice, and a
//! module reads and judges them over its channel.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bllvm_tests::wait::until;
use bllvm_tests::webhook::signature;
use bllvm_tests::{Answer, Dice, Fixture, Rest, TestServer, times};
use reqwest::Method;
use serde_json::{Value, json};

const SECRET: &str = "a secret between two";
const CLIENTS: u64 = 64;
const DELIVERIES: u64 = 1000;

async fn with_source(server: &TestServer) {
    let new = json!({ "name": "gh", "scheme": "github", "secret": SECRET, "rate_per_minute": 0 });
    server
        .rest
        .post("/api/v1/webhooks/sources", &new)
        .await
        .done();
}

fn body(number: u64) -> String {
    format!(
        "{{\"number\":{number},\"filler\":\"{}\"}}",
        "x".repeat(8000)
    )
}

async fn send(rest: &Rest, number: u64) -> Option<Answer> {
    let body = body(number);
    let request = rest
        .anonymous(Method::POST, "/webhooks/gh")
        .header("x-hub-signature-256", signature(SECRET, body.as_bytes()))
        .header("x-github-delivery", number.to_string())
        .body(body);
    rest.try_send(request).await
}

async fn deliveries(server: &TestServer) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/webhooks/deliveries?limit=1000{cursor}");
        let page = server.rest.get(&path).await.done();
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// Sends every delivery three times from many clients, until all are sent or the server is gone.
async fn send_all(rest: Rest, answered: Arc<Mutex<BTreeMap<u64, String>>>) {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (rest, answered) = (rest.clone(), Arc::clone(&answered));
            tokio::spawn(async move {
                for number in (0..DELIVERIES * 3).filter(|number| number % CLIENTS == client) {
                    let number = number % DELIVERIES;
                    let Some(answer) = send(&rest, number).await else {
                        return;
                    };
                    assert!(answer.status.is_success(), "{}", answer.text);
                    let id = answer.json()["delivery"].as_str().unwrap().to_owned();
                    let mut answered = answered.lock().unwrap();
                    let known = answered.entry(number).or_insert_with(|| id.clone());
                    assert_eq!(*known, id, "delivery {number} is there twice");
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_host_loses_no_delivery_and_doubles_none() {
    let mut server = TestServer::start().await;
    with_source(&server).await;
    let answered = Arc::new(Mutex::new(BTreeMap::new()));
    let mut dice = Dice::new(5);
    for _ in 0..times(40) {
        let sending = tokio::spawn(send_all(server.rest.clone(), Arc::clone(&answered)));
        let before = answered.lock().unwrap().len() as u64;
        let some = (before + 1 + dice.below(200)).min(DELIVERIES);
        until("some are answered", async || {
            (answered.lock().unwrap().len() as u64 >= some).then_some(())
        })
        .await;
        server.kill9();
        sending.await.unwrap();
        server.start_again().await;
        let there = deliveries(&server).await;
        let ids: Vec<_> = there.iter().filter_map(|one| one["id"].as_str()).collect();
        for (number, id) in answered.lock().unwrap().iter() {
            assert!(ids.contains(&id.as_str()), "delivery {number} is lost");
        }
    }
    send_all(server.rest.clone(), Arc::clone(&answered)).await;
    assert_eq!(deliveries(&server).await.len() as u64, DELIVERIES);
    let told = server.event_numbers("webhook.received").await;
    assert_eq!(told.len() as u64, DELIVERIES);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_reads_a_delivery_and_its_verdict_is_on_the_page() {
    let server = TestServer::start().await;
    with_source(&server).await;
    let all = ["module.register", "events.subscribe", "webhooks.read"];
    let fixture = Fixture::new("well").capabilities(&all);
    server.run(&fixture.subscribe("webhook.*")).await;
    let sent = send(&server.rest, 7).await.unwrap().done();
    let id = sent["delivery"].as_str().unwrap();

    let params = json!({ "delivery": id, "verdict": "refused", "code": "unknown_repository" });
    let read = server.call("fixture-well", "judge_webhook", params).await;
    assert_eq!(read["text"], body(7));

    let path = format!("/api/v1/webhooks/deliveries/{id}");
    let shown = server.rest.get(&path).await.done();
    assert_eq!(shown["state"], "refused");
    assert_eq!(shown["attempts"][1]["actor"], "module:fixture-well");
    assert_eq!(shown["attempts"][1]["code"], "unknown_repository");
    until("its event is acknowledged", async || {
        let shown = server.rest.get(&path).await.done();
        let readers = shown["acknowledged_by"].as_array()?.clone();
        readers.contains(&json!("fixture-well")).then_some(())
    })
    .await;
    let (code, out, err) = server.cli(&["webhook", "show", id, "--no-body"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("unknown_repository"), "{out}");
    let (code, out, _) = server.cli(&["webhook", "replay", "--dead"]).await;
    assert_eq!((code, out.trim()), (0, "1 deliveries are announced again."));
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_managed_by_command_line() {
    let server = TestServer::start().await;
    let run = async |args: &[&str]| {
        let (code, out, err) = server.cli(args).await;
        assert_eq!(code, 0, "{args:?}: {err}");
        out
    };
    let added = run(&["webhook", "source", "add", "ours", "--scheme", "standard"]).await;
    assert!(
        added.contains("/webhooks/ours") && added.contains("whsec_"),
        "{added}"
    );
    let tested = run(&["webhook", "source", "test", "ours"]).await;
    assert!(tested.contains("is in the inbox"), "{tested}");
    let rotated = run(&["webhook", "source", "rotate", "ours"]).await;
    assert!(rotated.contains("whsec_"), "{rotated}");
    let listed = run(&["webhook", "source", "list"]).await;
    assert!(
        listed.contains("ours") && !listed.contains("whsec_"),
        "{listed}"
    );
    let came = run(&["webhook", "deliveries", "--source", "ours"]).await;
    assert!(came.contains("waiting"), "{came}");
    run(&["webhook", "source", "remove", "ours"]).await;
    let (code, _, err) = server.cli(&["webhook", "source", "test", "ours"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("webhook_source_not_found"), "{err}");
}
