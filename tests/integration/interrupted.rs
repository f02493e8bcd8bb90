//! What a kill -9 of the node interrupts goes on after its start, and nothing is done twice.

use std::collections::BTreeSet;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bllvm_tests::wait::until;
use bllvm_tests::{Answer, Fixture, Rest, TestServer};
use reqwest::Method;
use serde_json::{Value, json};

#[cfg(feature = "kernel")]
async fn operation(server: &TestServer, id: &str) -> Value {
    let path = format!("/api/v1/operations/{id}");
    server.rest.get(&path).await.done()
}

#[cfg(feature = "kernel")]
#[tokio::test(flavor = "multi_thread")]
async fn mining_goes_on_after_a_kill_and_mines_no_block_too_many() {
    let mut server = TestServer::builder()
        .set("node.backend=embedded")
        .start()
        .await;
    until("the base node answers", async || {
        let tip = server.rest.get("/api/v1/node/tip").await;
        tip.json()["height"].is_u64().then_some(())
    })
    .await;
    let count = 400;
    let asked = server
        .rest
        .post("/api/v1/node/mine", &json!({ "count": count }))
        .await
        .done();
    let id = asked["id"].as_str().unwrap().to_owned();
    until("some blocks are mined", async || {
        let now = operation(&server, &id).await;
        (now["done"].as_u64().unwrap() > 0).then_some(())
    })
    .await;

    server.kill9();
    server.start_again().await;

    let done = server.succeeded(&asked).await;
    let hashes: BTreeSet<String> = done["result"]["hashes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hash| hash.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(hashes.len(), count);
    let tip = server.rest.get("/api/v1/node/tip").await.done();
    assert_eq!(tip["height"], count, "{tip}");
    let steps = server.events("operation.changed").await;
    let looked = "looking for the blocks that are there";
    assert!(steps.iter().any(|event| event["data"]["step"] == looked));
}

async fn enable(rest: &Rest, key: u32) -> Option<Answer> {
    let request = rest
        .request(Method::POST, "/api/v1/modules/fixture-well/enable")
        .header("idempotency-key", key.to_string());
    rest.try_send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_repeated_after_a_kill_is_carried_out_once() {
    let mut server = TestServer::start().await;
    server.install(&Fixture::new("well")).await;
    let mut key = 0;
    for round in 0..3 {
        let sent = Arc::new(AtomicU32::new(key));
        let asking = tokio::spawn({
            let (rest, sent) = (server.rest.clone(), Arc::clone(&sent));
            async move {
                loop {
                    let key = sent.fetch_add(1, Ordering::Relaxed) + 1;
                    if enable(&rest, key).await.is_none() {
                        return key;
                    }
                }
            }
        });
        until("some requests were answered", async || {
            (sent.load(Ordering::Relaxed) > key + 20).then_some(())
        })
        .await;
        server.kill9();
        key = asking.await.unwrap();
        server.start_again().await;

        let again = enable(&server.rest, key).await.unwrap();

        let lost = again.json()["code"] == "idempotency_answer_lost";
        assert!(lost || again.json()["enabled"] == true, "{}", again.json());
        let rows = server.audit("action=enable_module&outcome=accepted").await;
        assert_eq!(rows.len(), key as usize, "round {round}");
    }
}
