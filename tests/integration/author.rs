//! An author's way with the real programs: packed, signed, trusted, installed, loaded, and kept from
//! going back.

use std::path::Path;
use std::process::Output;

use bllvm_tests::programs::program;
use bllvm_tests::{TestServer, clock};
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
        "release 2 signed by me.example (1 keys)"
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
