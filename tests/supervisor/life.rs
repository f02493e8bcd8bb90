//! Load, run, unload, over restarts of the host, with dependencies.

use std::time::Duration;

use bllvm_node::model::{
    Actor, DesiredState, Exit, Health, ObservedState, OperationKind, OperationStatus,
};
use bllvm_node::store::commands::{Cancel, Remove};
use bllvm_node::supervisor::CallFailure;
use serde_json::json;

use crate::harness::{Host, module, name};

#[tokio::test]
async fn a_module_is_loaded_called_and_unloaded() {
    let host = Host::start().await;
    let clock = host.install(module("well_behaved")).await;

    let loaded = host.load(&clock).await;
    assert_eq!(loaded.status, OperationStatus::Succeeded, "{loaded:#?}");
    let running = host.until_state(&clock, ObservedState::Running).await;
    assert_eq!(running.health, Health::Healthy);
    assert!(running.pid.is_some());

    let answer = host.call(&clock, "echo", json!({ "a": 1 })).await.unwrap();
    assert_eq!(
        answer,
        json!({ "params": { "a": 1 }, "caller": "operator" })
    );
    let unknown = host.call(&clock, "nothing", json!({})).await;
    assert!(matches!(unknown, Err(CallFailure::NoMethod { known, .. }) if known.len() > 5));

    let unloaded = host.unload(&clock).await;
    assert_eq!(unloaded.status, OperationStatus::Succeeded, "{unloaded:#?}");
    let stopped = host.until_state(&clock, ObservedState::Stopped).await;
    assert_eq!(stopped.pid, None);
    assert_eq!(host.last_ended(&clock).await.exit, Some(Exit::Stopped));
    let refused = host.call(&clock, "echo", json!({})).await;
    assert!(matches!(refused, Err(CallFailure::NotRunning { .. })));
    host.has_no_processes().await;
}

#[tokio::test]
async fn what_was_wanted_is_brought_back_by_the_next_host() {
    let host = Host::start().await;
    let runs = host.install_as("runs", module("well_behaved")).await;
    let stays = host.install_as("stays", module("well_behaved")).await;
    host.load(&runs).await;

    let host = host.restart().await;

    host.until_state(&runs, ObservedState::Running).await;
    assert_eq!(
        host.supervisor.watch(&stays).borrow().state,
        ObservedState::Stopped
    );
    host.eventually("the second run", async || {
        (host.runs(&runs).await.len() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_operation_that_was_open_is_resumed() {
    let host = Host::start().await;
    let clock = host.install(module("well_behaved")).await;
    // Recorded, and the host ends before the supervisor hears of it.
    let want = bllvm_node::store::commands::Want {
        name: clock.clone(),
        desired: DesiredState::Running,
        kind: OperationKind::Load,
        params: serde_json::Value::Null,
        by: Actor::host(),
    };
    host.supervisor.shutdown(Duration::from_secs(5)).await;
    let operation = host.store.commit(want).await.unwrap();

    let host = host.restart().await;

    let resumed = host.finished(operation.id).await;
    assert_eq!(resumed.status, OperationStatus::Succeeded);
    host.until_state(&clock, ObservedState::Running).await;
}

#[tokio::test]
async fn a_load_that_hangs_can_be_cancelled() {
    let host = Host::start().await;
    let stuck = host.install(module("never_ready")).await;
    let load = host.want(&stuck, DesiredState::Running).await;
    host.until_state(&stuck, ObservedState::Starting).await;

    let cancel = Cancel {
        id: load,
        by: Actor::host(),
    };
    host.store.commit(cancel).await.unwrap();
    host.supervisor.wake(&stuck);

    host.until_state(&stuck, ObservedState::Stopped).await;
    host.eventually("the wish to be taken back", async || {
        let row = host.store.module(&stuck).await.unwrap().unwrap();
        (row.desired == DesiredState::Stopped).then_some(())
    })
    .await;
    host.has_no_processes().await;
}

#[tokio::test]
async fn a_module_waits_for_what_it_needs_and_starts_when_it_is_there() {
    let host = Host::start().await;
    let needy = module("well_behaved").with("[dependencies]\nbase = \"^0.1\"");
    let needy = host.install_as("needy", needy).await;

    let failed = host.load(&needy).await;
    let failure = failed.failure.unwrap();
    assert_eq!(failure.code, "dependency");
    assert!(
        failure
            .detail
            .contains("`base` ^0.1, which is not installed"),
        "{failure:?}"
    );
    let waiting = host.until(&needy, |now| now.reason.is_some()).await;
    assert_eq!(waiting.state, ObservedState::Stopped);

    let base = host.install_as("base", module("well_behaved")).await;
    host.load(&base).await;
    let running = host.until_state(&needy, ObservedState::Running).await;
    assert_eq!(running.reason, None);
}

#[tokio::test]
async fn dependents_stop_first_and_start_last() {
    let host = Host::start().await;
    let base = host.install_as("base", module("well_behaved")).await;
    let top = module("well_behaved").with("[dependencies]\nbase = \"*\"");
    let top = host.install_as("top", top).await;
    host.load(&base).await;
    host.load(&top).await;

    let report = host.supervisor.shutdown(Duration::from_secs(20)).await;

    assert!(report.killed.is_empty(), "{report:?}");
    assert_eq!(report.stopped.len(), 2);
    let (base, top) = (host.last_ended(&base).await, host.last_ended(&top).await);
    assert!(top.ended_at.unwrap() <= base.ended_at.unwrap());
    assert!(top.started_at >= base.ready_at.unwrap());
    host.has_no_processes().await;
}

#[tokio::test]
async fn the_host_stops_within_its_deadline_whatever_modules_do() {
    let host = Host::start().await;
    for behaviour in ["well_behaved", "ignores_shutdown", "slow_drain", "hangs"] {
        let module = host.install(module(behaviour)).await;
        host.load(&module).await;
    }

    let report = host.supervisor.shutdown(Duration::from_secs(6)).await;

    assert!(report.took < Duration::from_secs(8), "{report:?}");
    assert!(report.stopped.contains(&name("well-behaved")), "{report:?}");
    host.has_no_processes().await;
}

#[tokio::test]
async fn a_removed_module_leaves_no_process() {
    let host = Host::start().await;
    let clock = host.install(module("well_behaved")).await;
    host.load(&clock).await;
    host.unload(&clock).await;
    host.load(&clock).await;

    let remove = Remove {
        name: clock.clone(),
        delete_data: true,
        purge: false,
        by: Actor::host(),
    };
    host.store.commit(remove).await.unwrap();
    host.supervisor.wake_all();

    host.has_no_processes().await;
    host.eventually("the module to be forgotten", async || {
        host.supervisor.wake_all();
        host.supervisor.observed(&clock).is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn sixteen_modules_run_at_once_beside_the_bad_ones() {
    let host = Host::start().await;
    for bad in ["malformed_hello", "stalls_reading", "crash_on_start"] {
        let bad = host.install(module(bad)).await;
        host.want(&bad, DesiredState::Running).await;
    }
    let mut good = Vec::new();
    for number in 0..13 {
        let module = host
            .install_as(&format!("good-{number}"), module("well_behaved"))
            .await;
        host.want(&module, DesiredState::Running).await;
        good.push(module);
    }
    for module in &good {
        host.until_state(module, ObservedState::Running).await;
        let answer = host.call(module, "echo", json!(1)).await.unwrap();
        assert_eq!(answer["params"], json!(1));
    }
}
