//! Configurations: bad ones are refused with the key named, by every way in, and the running module
//! does not notice; the readable copy and the revisions agree.

use std::path::PathBuf;

use bllvm_tests::wait::until;
use bllvm_tests::{Fixture, TestServer};
use reqwest::Method;
use serde_json::{Value, json};

const NAME: &str = "fixture-well";
const CONFIG: &str = "/api/v1/modules/fixture-well/config";

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.run(&Fixture::new("well").reload("in_place")).await;
    server
}

fn file(server: &TestServer) -> PathBuf {
    server.modules_dir().join(NAME).join("config.toml")
}

/// The process and its configuration are what they were.
async fn untouched(server: &TestServer, pid: u32) {
    assert_eq!(server.module_pid(NAME).await, pid);
    let config = server.call(NAME, "config", json!({})).await;
    assert_eq!(config["greeting"], "hello");
    let view = server.rest.get(CONFIG).await.done();
    assert_eq!(view["revision"]["number"], 1, "{view:#}");
    assert_eq!(view["json"]["greeting"], "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_config_toml_is_written_from_the_defaults() {
    let server = server().await;
    let text = std::fs::read_to_string(file(&server)).unwrap();
    let written: toml::Table = text.parse().unwrap();
    assert_eq!(written["greeting"].as_str(), Some("hello"));
    assert_eq!(written["port"].as_integer(), Some(8090));
    assert!(!written.contains_key("secret"), "a secret has no default");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_by_the_api_is_refused_with_its_key() {
    let server = server().await;
    let pid = server.module_pid(NAME).await;
    for (patch, pointer) in [
        (json!({ "greetings": "hi" }), "/greetings"),
        (json!({ "port": "eight" }), "/port"),
        (json!({ "port": 0 }), "/port"),
        (json!({ "port": 65536 }), "/port"),
        (json!({ "on_reload": "dance" }), "/on_reload"),
        // The module itself says no to this one.
        (json!({ "greeting": "refuse" }), "/greeting"),
    ] {
        let refused = server.try_configure(NAME, &patch).await.refused();
        assert_eq!(refused["code"], "invalid_config", "{patch}: {refused:#}");
        let pointers: Vec<&Value> = refused["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|error| &error["pointer"])
            .collect();
        assert_eq!(pointers, [pointer], "{patch}: {refused:#}");
        untouched(&server, pid).await;
    }
    for text in [
        "greeting = ",
        "greeting = \"a\"\ngreeting = \"b\"\n",
        "\u{0}",
    ] {
        let request = server
            .rest
            .request(Method::PUT, CONFIG)
            .header("if-match", "*")
            .header("content-type", "application/toml")
            .body(text);
        let refused = server.rest.send(request).await.refused();
        assert_eq!(refused["code"], "invalid_config", "{text:?}: {refused:#}");
        untouched(&server, pid).await;
    }
    let request = server
        .rest
        .request(Method::PUT, CONFIG)
        .header("if-match", "*")
        .header("content-type", "application/toml")
        .body(&b"greeting = \"\xff\xfe\"\n"[..]);
    let refused = server.rest.send(request).await.refused();
    assert!(
        refused["detail"].to_string().contains("UTF-8"),
        "{refused:#}"
    );
    untouched(&server, pid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_was_not_seen_is_refused() {
    let server = server().await;
    let body = json!({ "greeting": "hi" }).to_string();
    let patch = |etag: Option<&str>| {
        let request = server
            .rest
            .request(Method::PATCH, CONFIG)
            .header("content-type", "application/merge-patch+json")
            .body(body.clone());
        match etag {
            Some(etag) => request.header("if-match", etag),
            None => request,
        }
    };
    let blind = server.rest.send(patch(None)).await;
    assert_eq!(blind.refused()["code"], "precondition_required");
    let old = server.rest.get(CONFIG).await.etag();
    let done = server.rest.send(patch(Some(&old))).await.done();
    server.succeeded(&done["operation"]).await;
    let late = server.rest.send(patch(Some(&old))).await;
    assert_eq!(late.refused()["code"], "precondition_failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_by_hand_becomes_a_revision_or_is_refused_with_its_key() {
    let server = server().await;
    let pid = server.module_pid(NAME).await;
    for (text, key) in [
        (&b"greetings = \"hi\"\n"[..], "greetings"),
        (b"port = \"eight\"\n", "port"),
        (b"greeting = \"refuse\"\n", "greeting"),
        (b"greeting = \n", "config.toml"),
        (b"greeting = \"\xff\"\n", "UTF-8"),
    ] {
        let before = server.events("module.config_refused").await.len();
        std::fs::write(file(&server), text).unwrap();
        let refused = until("the edit is refused", async || {
            let events = server.events("module.config_refused").await;
            (events.len() > before).then(|| events.last().unwrap().clone())
        })
        .await;
        assert!(
            refused["data"].to_string().contains(key),
            "{key}: {refused:#}"
        );
        let view = server.rest.get(CONFIG).await.done();
        assert!(
            view["file_problem"].to_string().contains(key),
            "{key}: {view:#}"
        );
        assert_eq!(
            std::fs::read(file(&server)).unwrap(),
            text,
            "the file stays, to be mended"
        );
        untouched(&server, pid).await;
    }

    std::fs::write(file(&server), "# my words\ngreeting = \"by hand\"\n").unwrap();
    until("the edit is in force", async || {
        let config = server.call(NAME, "config", json!({})).await;
        (config["greeting"] == "by hand").then_some(())
    })
    .await;
    let view = server.rest.get(CONFIG).await.done();
    assert_eq!(view["revision"]["source"], "file");
    assert_eq!(view["revision"]["number"], 2);
    assert_eq!(view["file_problem"], Value::Null);
    assert!(
        view["toml"].to_string().contains("# my words"),
        "comments stay: {view:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_while_the_node_was_down_counts_if_it_is_valid() {
    let mut server = server().await;
    server.stop().await;
    std::fs::write(file(&server), "greeting = \"overnight\"\n").unwrap();
    server.start_again().await;
    server.in_state(NAME, "running").await;
    until("the edit is in force", async || {
        let config = server.call(NAME, "config", json!({})).await;
        (config["greeting"] == "overnight").then_some(())
    })
    .await;

    server.stop().await;
    std::fs::write(file(&server), "greeting = 7\n").unwrap();
    server.start_again().await;
    server.in_state(NAME, "running").await;
    let config = server.call(NAME, "config", json!({})).await;
    assert_eq!(config["greeting"], "overnight", "the last valid one");
    until("the edit is reported", async || {
        let view = server.rest.get(CONFIG).await.done();
        view["file_problem"]
            .to_string()
            .contains("greeting")
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_revision_comes_back_as_a_new_one() {
    let server = server().await;
    server.configure(NAME, json!({ "greeting": "two" })).await;
    server.configure(NAME, json!({ "greeting": "three" })).await;
    let path = format!("{CONFIG}/revisions/2/rollback");
    let request = server
        .rest
        .request(Method::POST, &path)
        .header("if-match", "*")
        .json(&json!({}));
    let change = server.rest.send(request).await.done();
    server.succeeded(&change["operation"]).await;
    assert_eq!(
        server.call(NAME, "config", json!({})).await["greeting"],
        "two"
    );
    let view = server.rest.get(CONFIG).await.done();
    assert_eq!(view["revision"]["number"], 4);
    assert_eq!(view["revision"]["source"], "rollback");
}
