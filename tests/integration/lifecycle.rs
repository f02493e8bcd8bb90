//! The newcomer's path, four times: by REST, by JSON-RPC, by command line, and by hand.

use bllvm_tests::wait::until;
use bllvm_tests::{Fixture, TestServer};
use serde_json::{Value, json};

const NAME: &str = "fixture-well";

#[tokio::test(flavor = "multi_thread")]
async fn a_module_lives_from_install_to_uninstall_by_rest() {
    let server = TestServer::start().await;

    server.install(&Fixture::new("well")).await;
    let module = server.module(NAME).await;
    assert_eq!(module["state"], "stopped");
    assert_eq!(module["desired"], "stopped");
    assert_eq!(
        module["waiting"], true,
        "nothing runs before it is confirmed"
    );
    assert!(server.runs(NAME).await.is_empty());

    server.load(NAME).await;
    let module = server.module(NAME).await;
    assert_eq!(module["state"], "running");
    assert_eq!(module["health"]["status"], "healthy");
    assert_eq!(module["waiting"], false);
    assert_eq!(module["confirmed"], module["digest"]);
    server.answers(NAME).await;
    let methods = server
        .rest
        .get(&format!("/api/v1/modules/{NAME}/methods"))
        .await
        .done();
    assert!(methods.to_string().contains("\"echo\""), "{methods}");

    let configured = server
        .configure(NAME, json!({ "greeting": "good day" }))
        .await;
    assert_eq!(configured["status"], "succeeded", "{configured:#}");
    assert_eq!(
        server.call(NAME, "config", json!({})).await["greeting"],
        "good day"
    );
    let text = std::fs::read_to_string(server.modules_dir().join(NAME).join("config.toml"));
    assert!(
        text.unwrap().contains("good day"),
        "the readable copy follows"
    );

    let before = server.module_pid(NAME).await;
    let reloaded = server.reload(NAME).await;
    assert_eq!(reloaded["status"], "succeeded", "{reloaded:#}");
    assert_eq!(reloaded["result"]["mode"], "exclusive");
    assert_ne!(server.module_pid(NAME).await, before);

    server.unload(NAME).await;
    assert_eq!(server.module(NAME).await["state"], "stopped");
    assert!(
        server.child_processes().is_empty(),
        "{:?}",
        server.child_processes()
    );
    assert_eq!(server.runs(NAME).await[0]["exit"]["how"], "stopped");

    let path = format!("/api/v1/modules/{NAME}?confirm={NAME}&delete_data=true");
    let request = server.rest.request(reqwest::Method::DELETE, &path);
    let answer = server.rest.send(request).await.done();
    server.succeeded(&answer).await;
    let gone = server.rest.get(&format!("/api/v1/modules/{NAME}")).await;
    assert_eq!(gone.refused()["code"], "module_not_found");
    assert!(!server.modules_dir().join(NAME).exists());
    assert!(!server.module_data(NAME).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_lives_from_install_to_unload_by_json_rpc() {
    let server = TestServer::start().await;
    let folder = Fixture::new("well").write_below(&server.folder().join("incoming"));
    let rpc = &server.rest;

    rpc.rpc("installmodule", json!([folder])).await.unwrap();
    rpc.rpc("loadmodule", json!([NAME])).await.unwrap();
    let listed = rpc.rpc("listmodules", json!([])).await.unwrap();
    assert_eq!(listed[0]["name"], NAME);
    assert_eq!(listed[0]["state"], "running");
    let answer = rpc
        .rpc("callmodule", json!([NAME, "echo", { "a": 1 }]))
        .await;
    assert_eq!(answer.unwrap(), json!({ "a": 1 }));
    // What one module alone offers is there by its own name.
    for params in [json!({ "a": 2 }), json!([{ "a": 2 }])] {
        assert_eq!(rpc.rpc("echo", params).await, Ok(json!({ "a": 2 })));
    }
    let refused = rpc.rpc("echo", json!([1, 2])).await.unwrap_err();
    assert_eq!(refused["code"], -32602, "{refused}");
    let other = Fixture::new("well-2").write_below(&server.folder().join("incoming"));
    rpc.rpc("installmodule", json!([other])).await.unwrap();
    rpc.rpc("loadmodule", json!(["fixture-well-2"]))
        .await
        .unwrap();
    let refused = rpc.rpc("echo", json!({ "a": 3 })).await.unwrap_err();
    let text = refused["message"].as_str().unwrap();
    assert!(text.contains("fixture-well and fixture-well-2"), "{text}");
    assert!(text.contains("callmodule"), "{text}");
    rpc.rpc("unloadmodule", json!(["fixture-well-2"]))
        .await
        .unwrap();
    assert_eq!(
        rpc.rpc("echo", json!({ "a": 4 })).await,
        Ok(json!({ "a": 4 }))
    );
    rpc.rpc(
        "setmoduleconfig",
        json!({ "name": NAME, "config": { "greeting": "tag" } }),
    )
    .await
    .unwrap();
    let config = rpc.rpc("getmoduleconfig", json!([NAME])).await.unwrap();
    assert_eq!(config["config"]["greeting"], "tag");
    assert_eq!(
        server.call(NAME, "config", json!({})).await["greeting"],
        "tag"
    );
    let reloaded = rpc.rpc("reloadmodule", json!([NAME])).await.unwrap();
    assert_eq!(reloaded["result"]["mode"], "exclusive");
    rpc.rpc("unloadmodule", json!([NAME])).await.unwrap();
    let info = rpc.rpc("getmoduleinfo", json!([NAME])).await.unwrap();
    assert_eq!(info["state"], "stopped");

    let refused = rpc.rpc("loadmodule", json!(["no-such-module"])).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("no-such-module"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_lives_from_install_to_unload_by_command_line() {
    let server = TestServer::start().await;
    let folder = Fixture::new("well").write_below(&server.folder().join("incoming"));
    let folder = folder.to_str().unwrap();
    let done = async |args: &[&str]| {
        let (status, out, err) = server.cli(args).await;
        assert_eq!(status, 0, "{args:?}: {out}{err}");
        out
    };

    done(&["module", "install", folder]).await;
    done(&["module", "load", NAME]).await;
    let listed = done(&["module", "list"]).await;
    assert!(
        listed.contains(NAME) && listed.contains("running"),
        "{listed}"
    );
    let echoed = done(&["--json", "module", "call", NAME, "echo", r#"{"a":1}"#]).await;
    assert_eq!(
        serde_json::from_str::<Value>(&echoed).unwrap(),
        json!({ "a": 1 })
    );
    done(&["module", "config", "set", NAME, "greeting=\"salut\""]).await;
    let config = done(&["module", "config", "get", NAME]).await;
    assert!(config.contains("salut"), "{config}");
    assert_eq!(
        server.call(NAME, "config", json!({})).await["greeting"],
        "salut"
    );
    let reloaded = done(&["module", "reload", NAME]).await;
    assert!(reloaded.contains("exclusive"), "{reloaded}");
    let status = done(&["status"]).await;
    assert!(status.contains(NAME) || status.contains('1'), "{status}");
    done(&["module", "logs", NAME]).await;
    done(&["module", "runs", NAME]).await;
    done(&["module", "unload", NAME]).await;
    let info = done(&["--json", "module", "info", NAME]).await;
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["state"], "stopped");

    let (status, _, err) = server.cli(&["module", "load", "no-such-module"]).await;
    assert_eq!(status, 1);
    assert!(err.contains("no-such-module"), "{err}");
}

/// The four steps as the project's founding document has them: build; copy the binary to
/// `modules/<name>/target/release/`; write module.toml; load it at run time.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_was_put_there_by_hand_is_found_at_run_time_and_loaded() {
    let server = TestServer::start().await;
    let fixture = Fixture::new("well").program_at("target/release/fixture");

    fixture.write_below(&server.modules_dir());
    let load = until("the module is found", async || {
        let answer = server.verb(NAME, "load").await;
        answer.status.is_success().then(|| answer.json())
    })
    .await;
    server.succeeded(&load).await;
    server.answers(NAME).await;
}

/// The same with a restart instead.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_was_put_there_by_hand_waits_after_a_restart_and_is_loaded() {
    let mut server = TestServer::start().await;
    let fixture = Fixture::new("well").program_at("target/release/fixture");

    server.stop().await;
    fixture.write_below(&server.modules_dir());
    server.start_again().await;
    assert_eq!(server.module(NAME).await["waiting"], true);
    server.load(NAME).await;
    server.answers(NAME).await;
}

/// The operator's word in the node's configuration stands for a load.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_the_configuration_names_runs_from_the_start() {
    let builder = TestServer::builder()
        .set("modules.fixture-well.enabled=true")
        .set("modules.fixture-well.grant=requested");
    Fixture::new("well").write_below(&builder.modules_dir());
    Fixture::new("well-2").write_below(&builder.modules_dir());

    let server = builder.start().await;
    server.in_state(NAME, "running").await;
    server.answers(NAME).await;
    let other = server.module("fixture-well-2").await;
    assert_eq!(
        (&other["state"], &other["waiting"]),
        (&json!("stopped"), &json!(true))
    );
}
