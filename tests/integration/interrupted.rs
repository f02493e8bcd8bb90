//! What a kill -9 of the node interrupts goes on after its start.

use std::collections::BTreeSet;

use bllvm_tests::TestServer;
use bllvm_tests::wait::until;
use serde_json::{Value, json};

async fn operation(server: &TestServer, id: &str) -> Value {
    let path = format!("/api/v1/operations/{id}");
    server.rest.get(&path).await.done()
}

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
