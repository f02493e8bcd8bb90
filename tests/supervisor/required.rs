//! On a machine that cannot put up a required layer, nothing starts, unless an operator says so.

use bllvm_manifest::ModuleName;
use bllvm_node::model::{Actor, IsolationState, ObservedState, RequiredLayer};
use bllvm_node::store::commands::Waive;
use serde_json::json;

use crate::harness::{Host, module};

async fn host_without_landlock() -> Host {
    Host::with(|settings| settings.launch = Some(env!("CARGO_BIN_EXE_without-landlock").into()))
        .await
}

async fn waive(host: &Host, name: &ModuleName, layers: &[RequiredLayer]) {
    let waive = Waive {
        name: name.clone(),
        layers: layers.iter().copied().collect(),
        by: Actor::host(),
    };
    host.store.commit(waive).await.unwrap();
    host.supervisor.wake(name);
}

#[tokio::test]
async fn a_module_does_not_start_without_a_required_layer_until_it_is_waived_by_name() {
    let host = host_without_landlock().await;
    let bare = host.install(module("well_behaved")).await;

    let failure = host.load(&bare).await.failure.unwrap();
    assert_eq!(failure.code, "sandbox_incomplete");
    assert!(failure.detail.contains("landlock_files"), "{failure:?}");
    assert!(
        failure
            .detail
            .contains("module sandbox well-behaved --waive landlock_files"),
        "{failure:?}"
    );
    host.until_state(&bare, ObservedState::Failed).await;
    host.has_no_processes().await;

    // Another layer than the missing one helps nothing.
    waive(&host, &bare, &[RequiredLayer::Seccomp]).await;
    let again = host.load(&bare).await.failure.unwrap();
    assert_eq!(again.code, "sandbox_incomplete");

    waive(&host, &bare, &[RequiredLayer::LandlockFiles]).await;
    let observed = host.until_state(&bare, ObservedState::Running).await;
    let state = |layer: &str| {
        let found = observed.isolation.iter().find(|one| one.layer == layer);
        found.map(|found| found.state)
    };
    assert_eq!(state("landlock_files"), Some(IsolationState::Unavailable));
    assert_eq!(state("seccomp"), Some(IsolationState::Enforced));
    assert_eq!(state("no_new_privileges"), Some(IsolationState::Enforced));
    assert!(host.call(&bare, "echo", json!(1)).await.is_ok());

    waive(&host, &bare, &[]).await;
    host.unload(&bare).await;
    assert_eq!(
        host.load(&bare).await.failure.unwrap().code,
        "sandbox_incomplete"
    );
}
