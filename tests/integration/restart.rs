//! Over a restart of the host: what was wanted runs, everything else says why it does not.

use std::os::unix::fs::PermissionsExt;

use bllvm_tests::{Fixture, TestServer};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_exactly_the_enabled_healthy_modules_run() {
    let mut server = TestServer::start().await;
    for name in ["well-1", "well-2", "well-3", "well-4", "well-5", "well-6"] {
        server.run(&Fixture::new(name)).await;
    }
    server.unload("fixture-well-2").await;
    server.verb("fixture-well-3", "disable").await.done();
    server.in_state("fixture-well-3", "stopped").await;

    server.stop().await;
    let folder = |name: &str| server.modules_dir().join(name);
    std::fs::write(folder("fixture-well-4").join("module.toml"), "name = \n").unwrap();
    let program = folder("fixture-well-5").join("fixture");
    let installed = if program.exists() {
        program
    } else {
        folder("fixture-well-5").join("bin/fixture")
    };
    std::fs::write(&installed, "#!/bin/sh\necho another program\n").unwrap();
    std::fs::set_permissions(&installed, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::remove_dir_all(folder("fixture-well-6")).unwrap();
    server.start_again().await;

    server.in_state("fixture-well-1", "running").await;
    server.answers("fixture-well-1").await;
    let stopped = server.module("fixture-well-2").await;
    assert_eq!(
        (&stopped["state"], &stopped["desired"]),
        (&json!("stopped"), &json!("stopped"))
    );
    let disabled = server.module("fixture-well-3").await;
    assert_eq!(
        (&disabled["state"], &disabled["enabled"]),
        (&json!("stopped"), &json!(false))
    );
    assert_eq!(
        server.verb("fixture-well-3", "load").await.refused()["code"],
        "module_disabled"
    );
    for name in ["fixture-well-4", "fixture-well-5", "fixture-well-6"] {
        let broken = server
            .module_is(name, "broken with a reason", |module| {
                module["reason"].is_string() || module["problem"].is_string()
            })
            .await;
        assert_ne!(broken["state"], "running", "{broken:#}");
    }
    let running: Vec<_> = server
        .states()
        .await
        .into_iter()
        .filter(|(_, state)| state == "running")
        .collect();
    assert_eq!(
        running,
        [("fixture-well-1".to_owned(), "running".to_owned())]
    );

    server.verb("fixture-well-3", "enable").await.done();
    server.load("fixture-well-3").await;
    server.answers("fixture-well-3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_a_stopped_module_missed_are_delivered_when_it_is_back() {
    let mut server = TestServer::start().await;
    server
        .run(&Fixture::new("well-1").subscribe("fixture-well-2.*"))
        .await;
    server.run(&Fixture::new("well-2")).await;
    let publish = async |server: &TestServer, from: u64| {
        let params = json!({ "from": from, "count": 100 });
        server.call("fixture-well-2", "publish", params).await;
    };
    publish(&server, 0).await;
    server.unload("fixture-well-1").await;
    publish(&server, 100).await;
    server.restart().await;
    server.in_state("fixture-well-2", "running").await;
    publish(&server, 200).await;
    server.load("fixture-well-1").await;
    publish(&server, 300).await;
    let expected = server.event_numbers("fixture-well-2.tick").await;
    assert_eq!(expected.len(), 400);
    server.applied_all("fixture-well-1", &expected).await;
}
