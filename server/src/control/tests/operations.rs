//! Operations, tokens and login codes.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::{World, me};
use crate::control::{ControlError, TokenRequest, secret_hash};
use crate::model::{DesiredState, OperationKind, OperationStatus, Scope, Scopes};
use crate::packages;
use crate::store::commands::{StartOperation, Want};

#[tokio::test]
async fn mining_without_a_base_node_fails_with_its_reason() {
    let world = World::new().await;
    assert!(world.control.mine(0, None, &me()).await.is_err());
    let operation = world.control.mine(3, None, &me()).await.unwrap();
    let done = world.ended(operation.id).await;
    assert_eq!(done.status, OperationStatus::Failed);
    assert_eq!(done.failure.unwrap().code, "unsupported");
    assert_eq!(world.refusals("mine_blocks").await.len(), 1);
}

#[tokio::test]
async fn what_cannot_go_on_after_a_kill_is_failed_with_its_reason() {
    let world = World::new().await;
    let mut open = Vec::new();
    for (kind, module) in [
        (OperationKind::Mine, None),
        (OperationKind::Uninstall, Some("clock")),
    ] {
        let start = StartOperation {
            kind,
            module: module.map(|name| name.parse().unwrap()),
            about: None,
            params: json!({ "count": 5 }),
            by: me(),
        };
        open.push(world.store.commit(start).await.unwrap().id);
    }
    let world = world.restarted().await;
    world.control.start().await.unwrap();
    for id in open {
        let done = world.ended(id).await;
        assert_eq!(done.status, OperationStatus::Failed);
        let failure = done.failure.unwrap();
        assert_eq!(failure.code, "interrupted");
        let what = match done.kind {
            OperationKind::Mine => "how many of the 5 blocks were mined could not be seen",
            _ => "the module is stopped and still there",
        };
        assert!(failure.detail.contains(what), "{}", failure.detail);
    }
}

#[tokio::test]
async fn an_uninstall_goes_on_after_a_kill_wherever_it_was() {
    for files_are_away in [false, true] {
        let world = World::new().await;
        let name = world.loaded("clock").await;
        let data = world.settings.places.data(&name);
        std::fs::create_dir_all(&data).unwrap();
        let want = Want {
            name: name.clone(),
            desired: DesiredState::Stopped,
            kind: OperationKind::Uninstall,
            params: json!({ "delete_data": true }),
            by: me(),
        };
        let id = world.store.commit(want).await.unwrap().id;
        if files_are_away {
            packages::put_away(&world.settings.places, &name, id, true).unwrap();
        }
        let world = world.restarted().await;

        world.control.start().await.unwrap();

        let done = world.ended(id).await;
        assert_eq!(
            done.status,
            OperationStatus::Succeeded,
            "{:?}",
            done.failure
        );
        assert!(world.store.module(&name).await.unwrap().is_none());
        assert!(!world.folder("clock").exists() && !data.exists());
    }
}

#[tokio::test]
async fn a_cancelled_load_takes_its_wish_back() {
    let world = World::new().await;
    let name = world.put("clock", "");
    world.control.rescan().await.unwrap();
    let load = world.load(&name);
    let load = load.await.unwrap();

    let ended = world
        .control
        .cancel_operation(load.id, &me())
        .await
        .unwrap();

    assert_eq!(ended.status, OperationStatus::Cancelled);
    assert_eq!(world.module("clock").await.desired, DesiredState::Stopped);
    let open = world.store.open_operation(&name).await.unwrap().unwrap();
    assert_eq!(open.kind, OperationKind::Unload);
    let again = world.control.cancel_operation(load.id, &me()).await;
    assert!(matches!(again.unwrap_err(), ControlError::Conflict { .. }));
    assert_eq!(world.refusals("cancel_operation").await.len(), 1);
}

#[tokio::test]
async fn an_unload_records_the_wish_and_of_a_stopped_module_succeeds_at_once() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    world.runs(&name);
    let unload = world.control.unload(&name, &me()).await.unwrap();
    assert_eq!(unload.status, OperationStatus::Queued);
    world.close_operation(&unload).await;
    super::lock(&world.fleet.running).clear();
    let again = world.control.unload(&name, &me()).await.unwrap();
    assert_eq!(again.result["already"], "stopped");
    assert!(world.control.retry(&name, &me()).await.is_err());
    assert!(world.control.reload(&name, None, &me()).await.is_err());
}

#[tokio::test]
async fn a_token_is_shown_once_and_kept_as_a_hash() {
    let world = World::new().await;
    let mut request = TokenRequest {
        name: "ci".to_owned(),
        scopes: Scopes::from([Scope::ModulesRead]),
        modules: BTreeSet::new(),
        expires_in: Some(Duration::from_mins(1)),
    };
    let made = world
        .control
        .create_token(request.clone(), &me())
        .await
        .unwrap();
    assert!(made.secret.starts_with("bllvm_"));
    assert!(!format!("{made:?}").contains(&made.secret));
    let found = world
        .store
        .token_by_hash(&secret_hash(&made.secret))
        .await
        .unwrap();
    assert_eq!(found.unwrap().id, made.token.id);
    let rows = format!("{:?}{}", world.audit().await, world.events().await);
    assert!(!rows.contains(&made.secret));

    world
        .control
        .revoke_token(made.token.id, &me())
        .await
        .unwrap();
    request.scopes.clear();
    assert!(world.control.create_token(request, &me()).await.is_err());
    assert_eq!(world.refusals("create_token").await.len(), 1);
}

#[tokio::test]
async fn a_login_code_works_once() {
    let world = World::new().await;
    let made = world.control.create_login_code(&me()).await.unwrap();
    world
        .control
        .redeem_login_code(&made.code, &me())
        .await
        .unwrap();
    let twice = world.control.redeem_login_code(&made.code, &me()).await;
    assert!(twice.unwrap_err().to_string().contains("used up"));
    assert!(!format!("{made:?}").contains(&made.code));
}
