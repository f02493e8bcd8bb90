//! What a running module may ask, and what comes of it.

use bllvm_ipc::{Capability, Direction, METHODS};
use bllvm_node::model::{Grant, NewEvent, ObservedState};
use serde_json::json;

use crate::harness::{Host, module, signal};

#[tokio::test]
async fn each_method_is_denied_without_its_capability_and_served_with_it() {
    let host = Host::start().await;
    let bare = host
        .install_as("bare", module("well_behaved").without_capabilities())
        .await;
    host.load(&bare).await;
    // Without the right to offer methods nobody could call it.
    let register = [Capability::ModuleRegister];
    let only = |more: Option<Capability>| Grant {
        capabilities: register.into_iter().chain(more).collect(),
        ..Grant::default()
    };
    host.grant(&bare, only(None)).await;
    host.unload(&bare).await;
    host.load(&bare).await;

    for method in METHODS {
        let ask = async || {
            host.call(&bare, "raw", json!({ "method": method.id }))
                .await
                .unwrap()
        };
        if method.direction == Direction::ToModule {
            assert_eq!(ask().await, "unsupported", "{}", method.name);
            continue;
        }
        let Some(needed) = method
            .capability
            .filter(|needed| !register.contains(needed))
        else {
            continue;
        };
        assert_eq!(ask().await, "denied", "{}", method.name);
        host.grant(&bare, only(Some(needed))).await;
        host.eventually("the grant to apply", async || {
            let code = ask().await;
            (code != "denied").then_some(code)
        })
        .await;
        host.grant(&bare, only(None)).await;
        host.eventually("the grant to be gone", async || {
            (ask().await == "denied").then_some(())
        })
        .await;
    }
    let unknown = host.call(&bare, "raw", json!({ "method": 0xfff0 })).await;
    assert_eq!(unknown.unwrap(), "unsupported");
}

#[tokio::test]
async fn one_that_asks_for_more_is_denied_and_goes_on() {
    let host = Host::start().await;
    let mut recipe = module("well_behaved");
    recipe.grant.capabilities = [Capability::ModuleRegister].into();
    let bad = host.install(recipe).await;
    host.load(&bad).await;
    let denied = host.call(&bad, "tip", json!({})).await.unwrap_err();
    assert!(denied.to_string().contains("chain.read"), "{denied}");
    assert!(host.call(&bad, "echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn storage_is_the_modules_own_and_outlives_it() {
    let host = Host::start().await;
    let one = host.install_as("one", module("well_behaved")).await;
    let two = host.install_as("two", module("well_behaved")).await;
    host.load(&one).await;
    host.load(&two).await;
    host.call(&one, "put", json!({ "value": "kept" }))
        .await
        .unwrap();
    host.unload(&one).await;
    host.load(&one).await;
    assert_eq!(host.call(&one, "get", json!({})).await.unwrap(), "kept");
    assert_eq!(
        host.call(&two, "get", json!({})).await.unwrap(),
        json!(null)
    );
}

#[tokio::test]
async fn a_module_publishes_in_its_own_name_only() {
    let host = Host::start().await;
    let mesh = host.install_as("bllvm-mesh", module("well_behaved")).await;
    host.load(&mesh).await;
    let publish = async |kind: &str| host.call(&mesh, "publish", json!({ "type": kind })).await;
    assert!(publish("mesh.peer_found").await.is_ok());
    for foreign in [
        "chain.block_connected",
        "meshed.x",
        "mesh.",
        "bllvm-mesh.x",
        "mesh.X",
    ] {
        assert!(publish(foreign).await.is_err(), "{foreign}");
    }
    let events = host
        .store
        .events_after(0, &["mesh.*".to_owned()], 10)
        .await
        .unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].publisher, "bllvm-mesh");
}

#[tokio::test]
async fn a_module_calls_another_one() {
    let host = Host::start().await;
    let one = host.install_as("one", module("well_behaved")).await;
    let two = host.install_as("two", module("well_behaved")).await;
    host.load(&one).await;
    let away = host.call(&one, "other", json!({ "module": "two" })).await;
    assert!(away.unwrap_err().to_string().contains("stopped"));
    host.load(&two).await;
    let answer = host
        .call(&one, "other", json!({ "module": "two" }))
        .await
        .unwrap();
    assert_eq!(answer, json!({ "params": 1, "caller": "module:one" }));
}

#[tokio::test]
async fn no_event_is_lost_over_a_crash_and_a_reload() {
    let host = Host::start().await;
    let reader = host
        .install_as("reader", module("subscribes").reload("overlap"))
        .await;
    host.load(&reader).await;
    let publish = async |count: usize| {
        for number in 0..count {
            let event = NewEvent::host("test.event", json!({ "number": number }));
            host.journal.publish(vec![event]).await.unwrap();
        }
    };
    let read_all = async |at_least: usize| {
        host.eventually("the events", async || {
            let events = host.call(&reader, "events", json!({})).await.ok()?;
            let events: Vec<u64> = serde_json::from_value(events).unwrap();
            (events.len() >= at_least).then_some(events)
        })
        .await
    };
    publish(5).await;
    let first = read_all(5).await;
    assert!(first.is_sorted());

    let running = host.supervisor.observed(&reader).unwrap();
    signal(running.pid.unwrap(), "KILL");
    publish(5).await;
    host.until(&reader, |now| {
        now.state == ObservedState::Running && now.run != running.run
    })
    .await;
    let second = read_all(5).await;
    assert!(
        second
            .iter()
            .all(|seq| !first[..4].contains(seq) || second.len() > 5)
    );

    let done = host.reload(&reader).await;
    assert_eq!(done.result["mode"], "overlap", "{done:#?}");
    publish(5).await;
    let third = read_all(5).await;
    assert!(third.last() > second.last());
}

#[tokio::test]
async fn deep_nesting_is_refused_and_nothing_else_happens() {
    let host = Host::start().await;
    let bad = host.install(module("deep_nesting")).await;
    host.load(&bad).await;
    assert!(host.call(&bad, "echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn secrets_do_not_reach_the_log() {
    let host = Host::start().await;
    let bad = host.install(module("crash_on_start")).await;
    host.configure(&bad, "password = \"hunter2\"").await;
    host.load(&bad).await;
    assert!(!host.log(&bad).contains("hunter2"));
}
