//! An author's way with the real programs: packed, signed, trusted, installed, loaded, and kept from
//! going back.

use std::path::Path;
use std::process::Output;

use bllvm_tests::programs::program;
use bllvm_tests::{Dice, TestServer, clock, times};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

/// Runs `cargo bllvm-module` in a folder, on the node of a server.
async fn author(folder: &Path, server: &TestServer, arguments: &[&str]) -> Output {
    Command::new(program("cargo-bllvm-module"))
        .args(arguments)
        .env("BLLVM__DATA_DIR", server.data_dir())
        .current_dir(folder)
        .output()
        .await
        .unwrap()
}

/// The same, for its JSON.
async fn told(folder: &Path, server: &TestServer, arguments: &[&str]) -> Value {
    let output = author(folder, server, &[arguments, &["--json"]].concat()).await;
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_is_signed_installed_loaded_and_never_goes_back() {
    let server = TestServer::start().await;
    let work = tempfile::tempdir().unwrap();
    let hello = clock::samples().join("hello").display().to_string();
    let binary = program("hello").display().to_string();
    let key = told(work.path(), &server, &["keygen", "me.key"]).await;
    let key = key["public_key"].as_str().unwrap();
    let pack = async |release: &'static str| {
        let arguments = [
            "package",
            "--path",
            &hello,
            "--program",
            &binary,
            "--publisher",
            "me.example",
            "--release-seq",
            release,
            "--key",
            "me.key",
            "--out",
            release,
        ];
        told(work.path(), &server, &arguments).await
    };
    pack("1").await;
    let packed = pack("2").await;
    let refused = told(work.path(), &server, &["install", "2"]).await;
    let detail = refused["error"]["detail"].as_str().unwrap();
    assert!(
        detail.contains("publisher_unknown") && detail.contains("trust add"),
        "{detail}"
    );

    let (code, said, _) = server
        .cli(&["trust", "add", "me.example", "--key", key])
        .await;
    assert_eq!((code, said.as_str()), (0, "me.example is trusted.\n"));
    let installed = told(work.path(), &server, &["install", "2"]).await;

    assert_eq!(
        installed["vouched_for"],
        "release 2 signed by me.example (1 key)"
    );
    assert!(
        installed["rating"].as_str().unwrap().starts_with("low: "),
        "{installed}"
    );
    let module = server.module("hello").await;
    assert_eq!(
        (&module["trust"], &module["waiting"]),
        (&json!("signed"), &json!(true))
    );
    server.load("hello").await;
    server.in_state("hello", "running").await;

    let (_, list, _) = server.cli(&["trust", "list"]).await;
    let digest = packed["digest"].as_str().unwrap();
    for part in [key, "1 of 1 must sign", "hello", digest] {
        assert!(list.contains(part), "{part} is in\n{list}");
    }
    let older = told(work.path(), &server, &["install", "1"]).await;
    assert!(
        older["error"]["detail"]
            .as_str()
            .unwrap()
            .contains("release_rollback"),
        "{older}"
    );
    let gone = author(
        work.path(),
        &server,
        &["uninstall", "hello", "--confirm", "hello"],
    )
    .await;
    assert!(gone.status.success(), "{gone:?}");
    let older = told(work.path(), &server, &["install", "1"]).await;
    assert!(
        older["error"]["detail"]
            .as_str()
            .unwrap()
            .contains("release_below_floor"),
        "{older}"
    );
    let actions: Vec<Value> = server
        .audit("")
        .await
        .iter()
        .map(|row| row["action"].clone())
        .collect();
    assert!(actions.contains(&json!("add_publisher")), "{actions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn run_shows_a_module_a_scripted_chain() {
    let server = TestServer::start().await;
    let work = tempfile::tempdir().unwrap();
    std::fs::write(
        work.path().join("chain"),
        "block 2\nreorg 1\ncall count {}\n",
    )
    .unwrap();
    let hello = clock::samples().join("hello").display().to_string();
    let binary = program("hello").display().to_string();
    let arguments = [
        "run",
        "--path",
        &hello,
        "--program",
        &binary,
        "--script",
        "chain",
    ];

    let output = author(work.path(), &server, &arguments).await;

    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for part in [
        "hello is ready.",
        "chain.block_connected at height 101: applied",
        "chain.block_disconnected at height 102: it does not ask for these",
        "count answered {\"blocks\":4,\"height\":103}",
        "It shows: Blocks 4",
        "It logged: block 103 joined the chain",
        "hello stopped.",
    ] {
        assert!(text.contains(part), "{part} is in\n{text}");
    }
    let told = told(work.path(), &server, &arguments).await;
    assert_eq!(told["acknowledged"], 4, "{told}");
}

/// Killed at any moment of an installation, a signed module is whole and remembered, or not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_installation_that_was_cut_off_is_whole_or_not_there() {
    let mut server = TestServer::start().await;
    let work = tempfile::tempdir().unwrap();
    let hello = clock::samples().join("hello").display().to_string();
    let binary = program("hello").display().to_string();
    let key = told(work.path(), &server, &["keygen", "me.key"]).await;
    let key = key["public_key"].as_str().unwrap();
    let arguments = [
        "package",
        "--path",
        &hello,
        "--program",
        &binary,
        "--publisher",
        "me.example",
        "--release-seq",
        "1",
        "--key",
        "me.key",
        "--out",
        "hello",
    ];
    let packed = told(work.path(), &server, &arguments).await;
    let publisher = json!({ "name": "me.example", "keys": [key] });
    server
        .rest
        .post("/api/v1/publishers", &publisher)
        .await
        .done();
    let folder = server.modules_dir().join("hello").display().to_string();
    let mut dice = Dice::new(18);
    let mut whole = 0;
    for _ in 0..times(100) {
        let (rest, path) = (server.rest.clone(), work.path().join("hello"));
        let asked = tokio::spawn(async move {
            let request = rest.request(Method::POST, "/api/v1/modules");
            rest.try_send(request.json(&json!({ "path": path }))).await
        });
        tokio::time::sleep(std::time::Duration::from_millis(dice.below(1200))).await;
        server.kill9();
        let _ = asked.await.unwrap();
        server.start_again().await;
        // What was begun goes on after the start.
        let open = server.rest.get("/api/v1/operations?limit=1").await.done();
        if open["items"][0]["kind"] == "install" {
            server.finished(&open["items"][0]).await;
        }
        let left: Vec<_> = std::fs::read_dir(server.modules_dir())
            .unwrap()
            .flatten()
            .collect();
        if left.is_empty() {
            continue;
        }
        whole += 1;
        assert_eq!(left.len(), 1, "left half-done: {left:?}");
        let check = ["verify", &folder, "--publisher", "me.example", "--key", key];
        let checked = told(work.path(), &server, &check).await;
        assert_eq!(checked["digest"], packed["digest"], "{checked}");
        assert_eq!(server.module("hello").await["trust"], "signed");
        let releases = server.rest.get("/api/v1/releases").await.done();
        assert_eq!(releases["items"][0]["digest"], packed["digest"]);
        let gone = author(
            work.path(),
            &server,
            &["uninstall", "hello", "--confirm", "hello"],
        )
        .await;
        assert!(gone.status.success(), "{gone:?}");
    }
    println!(
        "{whole} of {} came in whole, the others not at all",
        times(100)
    );
}
