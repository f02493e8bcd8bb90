//! Reloads in their three modes: what happened is shown, nobody who calls is lost, and what does not
//! come up is undone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bllvm_tests::{Fixture, TestServer};
use serde_json::{Value, json};

async fn server(fixture: &Fixture) -> TestServer {
    let server = TestServer::builder()
        .set("modules.ready_deadline=1500 ms")
        .set("modules.drain_deadline=1 s")
        .start()
        .await;
    server.run(fixture).await;
    server
}

async fn greeting(server: &TestServer, name: &str) -> Value {
    server.call(name, "config", json!({})).await["greeting"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_takes_the_new_configuration_and_says_which_it_was() {
    for mode in ["in_place", "overlap", "exclusive"] {
        let fixture = Fixture::new("well")
            .reload(mode)
            .subscribe("fixture-well.*");
        let name = fixture.name();
        let server = server(&fixture).await;
        let before = server.module_pid(name).await;
        server
            .call(name, "publish", json!({ "from": 0, "count": 30 }))
            .await;

        let done = server.configure(name, json!({ "greeting": mode })).await;

        assert_eq!(done["status"], "succeeded", "{mode}: {done:#}");
        assert_eq!(done["result"]["mode"], mode, "{done:#}");
        assert_eq!(greeting(&server, name).await, mode);
        let after = server.module_pid(name).await;
        assert_eq!(before == after, mode == "in_place", "{mode}");
        let reloaded = server.events("module.reloaded").await;
        assert_eq!(reloaded.last().unwrap()["data"]["mode"], mode);
        let module = server.module(name).await;
        assert_eq!(module["revision"], module["running_revision"], "{module:#}");
        server
            .call(name, "publish", json!({ "from": 30, "count": 30 }))
            .await;
        let expected = server.event_numbers("fixture-well.tick").await;
        server.applied_all(name, &expected).await;
        server.unload(name).await;
        assert!(server.child_processes().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_that_does_not_come_up_leaves_the_old_one_serving() {
    for (mode, on_reload, code) in [
        ("overlap", "exit", "module_crashed"),
        ("overlap", "hang", "not_ready"),
        ("overlap", "never_ready", "not_ready"),
        ("exclusive", "exit", "module_crashed"),
        ("exclusive", "hang", "not_ready"),
        ("exclusive", "never_ready", "not_ready"),
        ("in_place", "exit", "module_crashed"),
        ("in_place", "refuse", "config_refused"),
        ("in_place", "garbage", "protocol_fault"),
    ] {
        let case = format!("{mode}, {on_reload}");
        let fixture = Fixture::new("well")
            .reload(mode)
            .subscribe("fixture-well.*");
        let name = fixture.name();
        let server = server(&fixture).await;
        server
            .configure(name, json!({ "greeting": "the old one" }))
            .await;
        let before = server.module_pid(name).await;

        let done = server
            .configure(
                name,
                json!({ "greeting": "the new one", "on_reload": on_reload }),
            )
            .await;

        assert_eq!(done["status"], "failed", "{case}: {done:#}");
        assert_eq!(done["failure"]["code"], code, "{case}: {done:#}");
        let after = server.module_pid(name).await;
        assert_eq!(greeting(&server, name).await, "the old one", "{case}");
        let old_lives = mode == "overlap" || on_reload == "refuse";
        assert_eq!(before == after, old_lives, "{case}");
        let config = server
            .rest
            .get(&format!("/api/v1/modules/{name}/config"))
            .await
            .done();
        assert_eq!(
            config["json"]["greeting"], "the old one",
            "{case}: rolled back"
        );
        let revisions = format!("/api/v1/modules/{name}/config/revisions");
        let revisions = server.rest.get(&revisions).await.done();
        assert_eq!(
            revisions["items"][0]["status"], "rolled_back",
            "{case}: {revisions:#}"
        );
        let failed = server.events("module.reload_failed").await;
        assert_eq!(failed.len(), 1, "{case}");
        server
            .call(name, "publish", json!({ "from": 0, "count": 30 }))
            .await;
        let expected = server.event_numbers("fixture-well.tick").await;
        server.applied_all(name, &expected).await;
        server.unload(name).await;
        assert!(server.child_processes().is_empty(), "{case}");
    }
}

/// Calls without a pause; each must succeed.
fn callers(
    server: &TestServer,
    name: &'static str,
    stop: &Arc<AtomicBool>,
) -> Vec<tokio::task::JoinHandle<u64>> {
    let lost = Arc::new(AtomicU64::new(0));
    (0..4)
        .map(|_| {
            let (rest, stop, lost) = (server.rest.clone(), Arc::clone(stop), Arc::clone(&lost));
            tokio::spawn(async move {
                let mut calls = 0;
                let path = format!("/api/v1/modules/{name}/methods/echo");
                while !stop.load(Ordering::Relaxed) {
                    let answer = rest.post(&path, &json!({})).await;
                    assert!(
                        answer.status.is_success(),
                        "lost {}: {}",
                        lost.fetch_add(1, Ordering::Relaxed),
                        answer.text
                    );
                    calls += 1;
                }
                calls
            })
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_wait_while_a_module_changes_over_and_none_is_lost() {
    for mode in ["in_place", "overlap", "exclusive"] {
        let fixture = Fixture::new("well").reload(mode);
        let server = server(&fixture).await;
        let stop = Arc::new(AtomicBool::new(false));
        let callers = callers(&server, "fixture-well", &stop);
        for n in 0..5 {
            let done = server
                .configure("fixture-well", json!({ "greeting": format!("{mode} {n}") }))
                .await;
            assert_eq!(done["status"], "succeeded", "{done:#}");
        }
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            assert!(
                caller.await.unwrap() > 0,
                "{mode}: somebody was never answered"
            );
        }
    }
}
