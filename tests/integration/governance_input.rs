//! Bodies that are well signed and say nonsense: taken in, judged with a code on their rows, and nothing
//! of them left behind.

use bllvm_tests::TestServer;
use bllvm_tests::governance::{self, GOVERNANCE, Signer, comment, deliver_text, pull_request};
use bllvm_tests::wait::until;
use serde_json::{Value, json};

fn with(mut body: Value, pointer: &str, value: Value) -> String {
    *body.pointer_mut(pointer).unwrap() = value;
    body.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_module_sees_is_a_verdict_with_a_code_and_an_event() {
    let builder = TestServer::builder().set("node.backend=embedded");
    let server = builder.start().await;
    let known = Signer::new(server.folder(), "known");
    let stranger = Signer::new(server.folder(), "stranger");
    let config = json!({
        "repositories": [{ "name": "example/node", "layer": 5 }],
        "maintainers": [{ "login": "known", "key": known.key }],
    });
    governance::run(&server, config).await;
    let head = "a".repeat(40);
    let pull = || pull_request(7, &head, 1);
    let signed = stranger.says(&[
        ("chain", "regtest"),
        ("repository", "example/node"),
        ("number", "7"),
        ("head", head.as_str()),
        ("action", "sign"),
        ("nonce", "1"),
        ("from", "0"),
        ("to", "9"),
    ]);
    let mut nameless = pull();
    nameless.as_object_mut().unwrap().remove("repository");
    let mut titleless = pull();
    let fields = titleless["pull_request"].as_object_mut().unwrap();
    fields.remove("title");
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let cases = [
        ("{\"pull_request\":".to_owned(), "not_json", ""),
        ("\u{0}".to_owned(), "not_json", ""),
        (deep, "not_json", ""),
        (nameless.to_string(), "bad_field", "repository"),
        (titleless.to_string(), "bad_field", "title"),
        (
            with(pull(), "/pull_request/number", json!("7")),
            "bad_field",
            "number",
        ),
        (
            with(pull(), "/pull_request/number", json!(-7)),
            "bad_field",
            "number",
        ),
        (
            with(pull(), "/pull_request/head/sha", json!("main")),
            "bad_field",
            "head.sha",
        ),
        (
            with(pull(), "/pull_request/updated_at", json!("yesterday")),
            "bad_field",
            "updated_at",
        ),
        (
            with(pull(), "/repository/full_name", json!("some/body")),
            "unknown_repository",
            "some/body",
        ),
        (
            comment(7, 1, "x", &signed, 2).to_string(),
            "unknown_key",
            &stranger.key,
        ),
        ("payload=%7B%7D".to_owned(), "not_json", "application/json"),
        (
            comment(7, 2, "x", "/governance-sign what", 2).to_string(),
            "bad_command",
            "",
        ),
    ];
    let total = cases.len();
    for (place, (body, code, named)) in cases.into_iter().enumerate() {
        let sent = deliver_text(&server.rest, &format!("bad-{place}"), body).await;
        let sent = sent.unwrap();
        assert_eq!(
            sent.status.as_u16(),
            202,
            "what it means changes no answer: {}",
            sent.text
        );
        let delivery = sent.json()["delivery"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/webhooks/deliveries/{delivery}");
        let row = until("the verdict is on the row", async || {
            let row = server.rest.get(&path).await.done();
            (row["state"] != "waiting").then_some(row)
        })
        .await;
        assert_eq!(row["state"], "refused", "{place}: {row:#}");
        let attempts = row["attempts"].as_array().unwrap();
        let last = attempts.iter().rev().find(|one| one["code"] == code);
        let last = last.unwrap_or_else(|| panic!("{place}: no {code} in {row:#}"));
        assert!(last.to_string().contains(named), "{place}: {last:#}");
    }
    let status = server
        .call(GOVERNANCE, "get_webhook_status", json!({}))
        .await;
    assert_eq!(
        (&status["refused"], &status["facts"]),
        (&json!(total), &json!(0)),
        "{status:#}"
    );
    let told = until("each verdict is an event", async || {
        let told = server.events("webhook.judged").await;
        (told.len() >= total).then_some(told)
    })
    .await;
    assert!(
        told.iter()
            .all(|event| event["data"]["verdict"] == "refused"),
        "{told:#?}"
    );
    assert!(server.events("governance.*").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_keys_and_names_work_from_end_to_end() {
    let server = TestServer::builder()
        .set("node.backend=embedded")
        .start()
        .await;
    let config = json!({
        "enabled": false, "node_id": "n1", "webhook_url": "https://example.org/hook",
        "repositories": [{ "name": "example/node", "layer": 5 }],
    });
    governance::run(&server, config).await;
    let bad = json!({ "webhook_url": "example.org" });
    let refused = server.try_configure(GOVERNANCE, &bad).await;
    assert!(refused.text.contains("webhook_url"), "{}", refused.text);

    // Off, it answers that it is off, and leaves what comes where it is.
    let body = pull_request(7, &"a".repeat(40), 1).to_string();
    let sent = deliver_text(&server.rest, "one", body)
        .await
        .unwrap()
        .done();
    let path = format!(
        "/api/v1/webhooks/deliveries/{}",
        sent["delivery"].as_str().unwrap()
    );
    until("the module has passed it over", async || {
        let row = server.rest.get(&path).await.done();
        let readers = row["acknowledged_by"].as_array()?.clone();
        readers.contains(&json!(GOVERNANCE)).then_some(())
    })
    .await;
    let rpc = async |name: &str| server.rest.rpc(name, json!({})).await;
    let status = rpc("get_webhook_status").await.unwrap();
    assert_eq!(
        (
            &status["enabled"],
            &status["node_id"],
            &status["webhook_url"],
            &status["deliveries"]
        ),
        (
            &json!(false),
            &json!("n1"),
            &json!("https://example.org/hook"),
            &json!(0)
        ),
        "{status:#}"
    );
    let refused = rpc("get_economic_nodes").await.unwrap_err().to_string();
    assert!(refused.contains("enabled = true"), "{refused}");

    server
        .configure(GOVERNANCE, json!({ "enabled": true }))
        .await;
    let replay = ["webhook", "replay", "--state", "waiting"];
    let (code, out, err) = server.cli(&replay).await;
    assert_eq!(
        (code, out.trim()),
        (0, "1 deliveries are announced again."),
        "{err}"
    );
    let proposals = until("the proposal is there", async || {
        let answer = rpc("get_proposals").await.ok()?;
        (answer["proposals"].as_array()?.len() == 1).then_some(answer)
    })
    .await;
    assert_eq!(proposals["node_id"], "n1");
    assert_eq!(proposals["proposals"][0]["id"], "example/node#7");
    let census = until("the blocks are counted", async || {
        rpc("get_economic_nodes").await.ok()
    });
    assert_eq!(census.await["node_id"], "n1");

    let path = format!("/api/v1/modules/{GOVERNANCE}/methods");
    let methods = server.rest.get(&path).await.done();
    for name in ["get_proposals", "get_economic_nodes", "get_webhook_status"] {
        let mut all = methods["items"].as_array().unwrap().iter();
        let one = all.find(|one| one["name"] == name).unwrap();
        assert_eq!(one["params"]["type"], "object", "{one:#}");
        let fields = one["result"]["properties"].as_object().unwrap();
        assert!(fields.contains_key("node_id"), "{one:#}");
    }
}
