//! Every method that a module may ask of the host, with and without its grant, over a real session.

use bllvm_ipc::{Capability, Direction, METHODS};
use bllvm_tests::{Fixture, TestServer};
use serde_json::json;

/// Without it the fixture cannot be asked to ask.
const NEEDED: &str = "module.register";

async fn set_grants(server: &TestServer, capabilities: &[&str]) {
    let path = "/api/v1/modules/fixture-well/grants";
    let mut granted = server.rest.get(path).await.done()["granted"].clone();
    granted["capabilities"] = json!(capabilities);
    let request = server
        .rest
        .request(reqwest::Method::PUT, path)
        .json(&granted);
    server.rest.send(request).await.done();
}

async fn ask(server: &TestServer, method: &str) -> String {
    let answer = server
        .call("fixture-well", "ask", json!({ "method": method }))
        .await;
    let code = answer["code"].as_str().unwrap_or_default().to_owned();
    assert!(!code.is_empty(), "{method}: {answer}");
    code
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_is_denied_without_its_grant_and_answered_with_it() {
    let server = TestServer::start().await;
    let all: Vec<&str> = Capability::ALL.iter().map(|one| one.as_str()).collect();
    server.run(&Fixture::new("well").capabilities(&all)).await;
    let methods: Vec<_> = METHODS
        .iter()
        .filter(|method| method.direction == Direction::ToHost)
        .collect();
    assert!(methods.len() > 30);

    for method in &methods {
        let capability = method.capability.expect("each needs one").as_str();
        // Only this one is missing.
        let but_this: Vec<&str> = all
            .iter()
            .copied()
            .filter(|one| *one != capability)
            .collect();
        if capability != NEEDED {
            set_grants(&server, &but_this).await;
            assert_eq!(ask(&server, method.name).await, "denied", "{}", method.name);
        }
        // Only this one is there.
        set_grants(&server, &[NEEDED, capability]).await;
        server
            .module_is("fixture-well", "offering its methods", |module| {
                module["methods"]
                    .as_array()
                    .is_some_and(|methods| !methods.is_empty())
            })
            .await;
        let code = ask(&server, method.name).await;
        assert_ne!(code, "denied", "{}", method.name);
        assert_ne!(code, "internal", "{}", method.name);
        if method.name == "module.register" {
            // It replaced what it offers by the sample; the next start offers everything again.
            server.reload("fixture-well").await;
        }
    }
    // A grant holds at once, without a restart.
    assert_eq!(server.module("fixture-well").await["restarts"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_publishes_under_its_own_name_only() {
    let server = TestServer::start().await;
    server.run(&Fixture::new("well")).await;
    for kind in [
        "chain.block_connected",
        "module.crashed",
        "audit.recorded",
        "fixture-other.tick",
        "fixture-well",
        "fixture-well.",
        "fixture-well.Tick",
        "*",
        "",
    ] {
        let refused = server
            .try_call(
                "fixture-well",
                "publish_as",
                &json!({ "type": kind, "data": {} }),
            )
            .await;
        assert_eq!(refused.refused()["code"], "module_refused", "{kind}");
    }
    server
        .call(
            "fixture-well",
            "publish_as",
            json!({ "type": "fixture-well.tick", "data": {} }),
        )
        .await;
    let events = server.events("fixture-well*").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["publisher"], "fixture-well");
}
