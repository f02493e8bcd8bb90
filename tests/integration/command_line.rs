//! The command line against the real program: what an operator reads and types.

use bllvm_tests::wait::until;
use bllvm_tests::{Fixture, TestServer};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

const NAME: &str = "fixture-well";

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.run(&Fixture::new("well").reload("exclusive")).await;
    server
}

/// What a command prints, once it says what is waited for.
async fn said(server: &TestServer, args: &[&str], text: &str) -> String {
    until(&format!("`{args:?}` says `{text}`"), async || {
        let (status, out, err) = server.cli(args).await;
        assert_eq!(status, 0, "{err}");
        out.contains(text).then_some(out)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_program_is_shown_and_confirmed_by_its_digest() {
    let server = server().await;
    let program = server.modules_dir().join(NAME).join("fixture");
    // A trailing byte changes the digest and not what the program does.
    let mut bytes = std::fs::read(&program).unwrap();
    bytes.push(0);
    let new = program.with_extension("new");
    std::fs::write(&new, bytes).unwrap();
    std::fs::set_permissions(&new, std::fs::metadata(&program).unwrap().permissions()).unwrap();
    std::fs::rename(&new, &program).unwrap();

    said(&server, &["module", "list"], "its program changed").await;
    let info = said(&server, &["module", "info", NAME], "module reload").await;
    let digest = info
        .split_once("--digest ")
        .and_then(|(_, rest)| rest.split(['`', ' ']).next())
        .unwrap();
    let (status, _, err) = server.cli(&["module", "reload", NAME]).await;
    assert_eq!(status, 1, "a changed program needs a word: {err}");
    assert!(err.contains(digest), "{err}");
    let (status, out, err) = server
        .cli(&["module", "reload", NAME, "--digest", digest])
        .await;

    assert_eq!(status, 0, "{err}");
    assert!(out.contains("is reloaded"), "{out}");
    let module = server.in_state(NAME, "running").await;
    assert_eq!(module["confirmed"], digest);
    let (_, list, _) = server.cli(&["module", "list"]).await;
    assert!(!list.contains("program changed"), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_config_file_is_shown_until_it_is_mended() {
    let server = server().await;
    let file = server.modules_dir().join(NAME).join("config.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("port = 8090", "port = \"eight\"")).unwrap();

    let list = said(&server, &["module", "list"], "config.toml is not in force").await;
    assert!(list.contains("port"), "{list}");
    let info = said(
        &server,
        &["module", "info", NAME],
        "config.toml is not in force",
    )
    .await;
    assert!(info.contains("config.toml, line"), "{info}");
    std::fs::write(&file, &good).unwrap();

    until("the list has nothing to say any more", async || {
        let (_, list, _) = server.cli(&["module", "list"]).await;
        (!list.contains("not in force")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn followed_logs_show_the_past_and_go_on() {
    let server = server().await;
    server.call(NAME, "say", json!({ "text": "before" })).await;
    server.logged(NAME, "before").await;
    let mut child = server.cli_spawn(&["module", "logs", NAME, "-f"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next_with = async |text: &str| {
        let found = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains(text) {
                    return;
                }
            }
            panic!("the stream ended before it said `{text}`");
        };
        let found = tokio::time::timeout(bllvm_tests::wait::DEADLINE, found).await;
        found.unwrap_or_else(|_| panic!("`{text}` did not come"));
    };
    next_with("before").await;
    server.call(NAME, "say", json!({ "text": "after" })).await;
    next_with("after").await;

    let pid = rustix::process::Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = tokio::time::timeout(bllvm_tests::wait::DEADLINE, child.wait()).await;
    assert!(ended.expect("it ends when asked").unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_a_method_does_not_take_never_reach_the_module() {
    let server = server().await;
    let pid = server.module_pid(NAME).await;
    let (status, _, err) = server
        .cli(&["module", "call", NAME, "exit", "{\"code\": \"nine\"}"])
        .await;
    assert_eq!(status, 1);
    assert!(err.contains("`code`") && err.contains("`exit`"), "{err}");

    let refused = server.try_call(NAME, "exit", &json!({ "code": 256 })).await;
    let refused = refused.refused();
    assert_eq!(refused["code"], "invalid_body", "{refused:#}");
    assert_eq!(refused["errors"][0]["pointer"], "/code");
    let refused = server
        .rest
        .rpc("callmodule", json!([NAME, "exit", { "code": -1 }]))
        .await;
    assert!(
        refused.unwrap_err()["message"]
            .to_string()
            .contains("`code`")
    );
    assert_eq!(
        server.module_pid(NAME).await,
        pid,
        "nobody was asked to exit"
    );
}
