//! What each command leaves behind: its rows, its audit row, its events.

use std::collections::BTreeSet;

use bllvm_manifest::{Digest, ModuleName};
use serde_json::{Value, json};

use super::*;
use crate::model::{
    ConfigSource, DesiredState, EventEnvelope, Exit, Grant, Health, Id, ObservedState, Operation,
    OperationKind, OperationStatus, Outcome, Revision, RevisionStatus, kinds,
};
use crate::store::testing::{TestStore, found, module_name, operator};
use crate::store::{AuditFilter, PageRequest, Secret, StorageChange, StoreError};

async fn events(test: &TestStore, kind: &str) -> Vec<EventEnvelope> {
    test.store
        .events_after(0, &[kind.to_owned()], 100)
        .await
        .unwrap()
}

fn want(name: &ModuleName, desired: DesiredState) -> Want {
    Want {
        name: name.clone(),
        desired,
        kind: OperationKind::Load,
        params: Value::Null,
        by: operator(),
    }
}

fn revision(name: &ModuleName, text: &str, expect_etag: Option<&str>) -> AddRevision {
    AddRevision {
        module: name.clone(),
        text: text.to_owned(),
        etag: format!("\"{text}\""),
        source: ConfigSource::Api,
        secrets: vec![Secret {
            key_path: "seed".to_owned(),
            ciphertext: vec![1, 2, 3],
        }],
        expect_etag: expect_etag.map(str::to_owned),
        by: operator(),
    }
}

async fn finish(test: &TestStore, operation: &Operation) {
    let finish = Finish {
        id: operation.id,
        status: OperationStatus::Succeeded,
        failure: None,
        result: json!({"mode": "overlap"}),
    };
    test.store.commit(finish).await.unwrap();
}

#[tokio::test]
async fn discovery_tells_new_from_changed_from_same() {
    let test = TestStore::new().await;
    let mut clock = found("clock");
    assert_eq!(test.store.commit(clock.clone()).await, Ok(Found::New));
    assert_eq!(test.store.commit(clock.clone()).await, Ok(Found::Same));
    clock.digest = Some(Digest::of("v2"));
    assert_eq!(test.store.commit(clock.clone()).await, Ok(Found::Changed));

    let name = module_name("clock");
    let module = test.store.module(&name).await.unwrap().unwrap();
    assert_eq!(module.digest, clock.digest);
    assert_eq!(module.manifest, clock.manifest);
    assert!(module.is_waiting());
    assert_eq!(events(&test, kinds::MODULE_FOUND).await.len(), 2);

    let by = operator();
    test.store
        .commit(MarkGone {
            name: name.clone(),
            by,
        })
        .await
        .unwrap();
    assert_eq!(
        test.store.module(&name).await.unwrap(),
        None,
        "nobody ever confirmed it"
    );
}

#[tokio::test]
async fn a_wish_leaves_an_operation_an_audit_row_and_events() {
    let test = TestStore::new().await;
    let name = test.add_module("clock").await;

    let operation = test
        .store
        .commit(want(&name, DesiredState::Running))
        .await
        .unwrap();

    let module = test.store.module(&name).await.unwrap().unwrap();
    assert_eq!(module.desired, DesiredState::Running);
    assert_eq!(
        test.store.operation(operation.id).await.unwrap(),
        Some(operation.clone())
    );
    let audit = test
        .store
        .audit(&PageRequest::first(), &AuditFilter::default())
        .await
        .unwrap();
    let row = &audit.items[0];
    assert_eq!(
        (
            row.action.as_str(),
            row.target.as_str(),
            row.outcome,
            row.actor.as_str()
        ),
        (
            actions::LOAD_MODULE,
            "clock",
            Outcome::Accepted,
            "token:test"
        )
    );
    assert_eq!(events(&test, kinds::AUDIT).await[0].data, json!(row));
    assert_eq!(
        events(&test, kinds::OPERATION).await[0].data,
        json!(operation)
    );
    assert_eq!(
        events(&test, kinds::MODULE_DESIRED).await[0].data["desired"],
        "running"
    );

    let second = test.store.commit(want(&name, DesiredState::Stopped)).await;
    let conflict = StoreError::Conflict {
        operation: operation.id,
        kind: OperationKind::Load,
    };
    assert_eq!(second, Err(conflict));
    let module = test.store.module(&name).await.unwrap().unwrap();
    assert_eq!(
        module.desired,
        DesiredState::Running,
        "a refused wish changes nothing"
    );
    assert_eq!(events(&test, kinds::AUDIT).await.len(), 1);

    finish(&test, &operation).await;
    assert!(test.store.unfinished_operations().await.unwrap().is_empty());
    test.store
        .commit(want(&name, DesiredState::Stopped))
        .await
        .unwrap();
}

#[tokio::test]
async fn operations_move_on_and_end_once() {
    let test = TestStore::new().await;
    let start = StartOperation {
        kind: OperationKind::Mine,
        module: None,
        about: None,
        params: json!({"count": 3}),
        by: operator(),
    };
    let operation = test.store.commit(start).await.unwrap();
    let id = operation.id;
    let open = test.store.unfinished_operations().await.unwrap();
    assert_eq!((open.len(), &open[0].params), (1, &json!({"count": 3})));
    let progress = Progress {
        id,
        step: "mining".to_owned(),
        done: 1,
        total: 3,
    };
    let running = test.store.commit(progress.clone()).await.unwrap();
    assert_eq!(
        (running.status, running.done),
        (OperationStatus::Running, 1)
    );
    let by = operator();
    test.store
        .commit(Cancel { id, by: by.clone() })
        .await
        .unwrap();

    let late = test.store.commit(progress).await.unwrap();
    assert_eq!(late.status, OperationStatus::Cancelled);
    let again = test.store.commit(Cancel { id, by }).await;
    assert!(matches!(
        again,
        Err(StoreError::Refused {
            code: "operation_ended",
            ..
        })
    ));
    assert_eq!(events(&test, kinds::OPERATION).await.len(), 3);
}

#[tokio::test]
async fn a_revision_applies_until_it_is_rolled_back() {
    let test = TestStore::new().await;
    let name = test.add_module("clock").await;
    let add = |text, etag| test.store.commit(revision(&name, text, etag));
    let (first, operation) = add("a = 1", None).await.unwrap();
    assert_eq!(
        (first.number, first.status, operation),
        (1, RevisionStatus::Applied, None)
    );
    let stale = add("a = 2", Some("\"other\"")).await;
    assert_eq!(
        stale,
        Err(StoreError::EtagMismatch {
            current: first.etag.clone()
        })
    );

    let load = test
        .store
        .commit(want(&name, DesiredState::Running))
        .await
        .unwrap();
    finish(&test, &load).await;
    let (second, operation) = add("a = 2", Some(&first.etag)).await.unwrap();
    assert_eq!(second.status, RevisionStatus::Pending);
    assert_eq!(operation.unwrap().kind, OperationKind::Configure);
    let current = async || test.store.current_revision(&name).await.unwrap().unwrap();
    assert_eq!(current().await.number, 2);
    let set = |number, status| SetRevisionStatus {
        module: name.clone(),
        number,
        status,
        reason: Some("it was never ready".to_owned()),
    };
    test.store
        .commit(set(2, RevisionStatus::RolledBack))
        .await
        .unwrap();

    assert_eq!(current().await.number, 1);
    let all = test
        .store
        .revisions(&name, &PageRequest::of(1))
        .await
        .unwrap();
    assert_eq!(all.items[0].reason.as_deref(), Some("it was never ready"));
    let request = PageRequest {
        after: all.next,
        limit: None,
    };
    let rest = test.store.revisions(&name, &request).await.unwrap();
    assert_eq!(
        rest.items
            .iter()
            .map(|item: &Revision| item.number)
            .collect::<Vec<_>>(),
        [1]
    );
    assert_eq!(rest.next, None);
    let secrets = test.store.secrets(&name, 2).await.unwrap();
    assert_eq!(secrets[0].ciphertext, [1, 2, 3]);
    let told = events(&test, kinds::MODULE_CONFIG).await;
    assert!(
        told.iter()
            .all(|event| !event.data.to_string().contains("a = "))
    );
}

#[tokio::test]
async fn an_applied_revision_replaces_the_one_before() {
    let test = TestStore::new().await;
    let name = test.add_module("clock").await;
    for text in ["a = 1", "a = 2"] {
        test.store
            .commit(revision(&name, text, None))
            .await
            .unwrap();
    }
    let first = test.store.revision(&name, 1).await.unwrap().unwrap();
    let second = test.store.revision(&name, 2).await.unwrap().unwrap();
    assert_eq!(
        (first.status, second.status),
        (RevisionStatus::Superseded, RevisionStatus::Applied)
    );
}

#[tokio::test]
async fn runs_end_as_crashed_stopped_or_lost() {
    let test = TestStore::new().await;
    let name = test.add_module("clock").await;
    let ids: Vec<Id> = (0..3).map(|_| crate::clock::new_id(&*test.clock)).collect();
    for id in &ids {
        let run = RunStarted {
            isolation: Vec::new(),
            id: *id,
            module: name.clone(),
            version: "0.1.0".to_owned(),
            pid: Some(42),
            reload: None,
        };
        test.store.commit(run).await.unwrap();
    }
    let end = |id, exit| RunEnded {
        id,
        exit,
        last_output: vec!["bye".to_owned()],
    };
    test.store.commit(RunReady { id: ids[0] }).await.unwrap();
    test.store
        .commit(end(ids[0], Exit::Signal { signal: 9 }))
        .await
        .unwrap();
    test.store.commit(end(ids[1], Exit::Stopped)).await.unwrap();

    assert_eq!(test.store.commit(CloseLostRuns).await, Ok(1));

    assert_eq!(
        test.store.run(ids[2]).await.unwrap().unwrap().exit,
        Some(Exit::Lost)
    );
    let crashed = test.store.run(ids[0]).await.unwrap().unwrap();
    assert_eq!(crashed.exit, Some(Exit::Signal { signal: 9 }));
    assert_eq!(crashed.last_output, ["bye"]);
    assert_eq!(events(&test, kinds::MODULE_CRASHED).await.len(), 1);
    assert_eq!(
        test.store
            .runs(&name, &PageRequest::first())
            .await
            .unwrap()
            .items
            .len(),
        3
    );
}

#[tokio::test]
async fn a_state_is_told_when_it_moves() {
    let test = TestStore::new().await;
    let name = test.add_module("clock").await;
    let changed = |state, health| StateChanged {
        module: name.clone(),
        state,
        health,
        reason: None,
    };
    for _ in 0..2 {
        let running = changed(ObservedState::Running, Health::Healthy);
        test.store.commit(running).await.unwrap();
    }
    let unwell = changed(ObservedState::Running, Health::Unresponsive);
    test.store.commit(unwell).await.unwrap();
    assert_eq!(events(&test, kinds::MODULE_STATE).await.len(), 1);
    assert_eq!(events(&test, kinds::MODULE_HEALTH).await.len(), 2);
    let last = test.store.last_observed(&name).await.unwrap().unwrap();
    assert_eq!(last.health, Health::Unresponsive);
}

#[tokio::test]
async fn a_removed_module_leaves_its_history() {
    let test = TestStore::new().await;
    let name = test.add_module("clock").await;
    let (digest, grant) = (Digest::of("v1"), Some(Grant::default()));
    let confirm = Confirm {
        name: name.clone(),
        digest,
        grant,
        by: operator(),
    };
    let module = test.store.commit(confirm).await.unwrap();
    assert_eq!(module.confirmed, Some(digest));
    test.store
        .commit(SetCursor {
            module: name.clone(),
            seq: 1,
        })
        .await
        .unwrap();
    test.store
        .commit(revision(&name, "a = 1", None))
        .await
        .unwrap();
    let operation = test
        .store
        .commit(want(&name, DesiredState::Running))
        .await
        .unwrap();

    let remove = Remove {
        name: name.clone(),
        delete_data: true,
        purge: false,
        by: operator(),
    };
    test.store.commit(remove.clone()).await.unwrap();

    assert_eq!(test.store.module(&name).await.unwrap(), None);
    assert_eq!(test.store.cursor(&name).await.unwrap(), None);
    assert_eq!(test.store.current_revision(&name).await.unwrap(), None);
    assert_eq!(
        test.store.operation(operation.id).await.unwrap(),
        Some(operation)
    );
    assert!(matches!(
        test.store.commit(remove).await,
        Err(StoreError::NotFound { .. })
    ));
}

#[tokio::test]
async fn storage_is_scanned_by_prefix_and_bounded() {
    let test = TestStore::new().await;
    let module = module_name("clock");
    let change = |key: &str, value: Option<&str>| StorageChange {
        key: key.into(),
        value: value.map(Into::into),
    };
    let store = |changes| {
        let module = module.clone();
        test.store.commit(StorageTransaction {
            module,
            changes,
            quota: 20,
        })
    };
    store(vec![
        change("a1", Some("1")),
        change("a2", Some("2")),
        change("b", Some("3")),
    ])
    .await
    .unwrap();
    let refused = store(vec![change("a1", None), change("c", Some(&"x".repeat(20)))]).await;
    assert_eq!(
        refused,
        Err(StoreError::Quota {
            needed_bytes: 26,
            quota_bytes: 20
        })
    );

    let (entries, more) = test
        .store
        .storage_scan(&module, b"a", None, 1)
        .await
        .unwrap();
    assert_eq!((entries[0].key.as_slice(), more), (&b"a1"[..], true));
    let (entries, more) = test
        .store
        .storage_scan(&module, b"a", Some(b"a1"), 1)
        .await
        .unwrap();
    assert_eq!((entries[0].value.as_slice(), more), (&b"2"[..], false));
    store(vec![change("a1", None)]).await.unwrap();
    assert_eq!(test.store.storage_get(&module, b"a1").await.unwrap(), None);
    assert_eq!(test.store.storage_bytes(&module).await.unwrap(), 5);
}

#[tokio::test]
async fn tokens_end_and_codes_work_once() {
    let test = TestStore::new().await;
    let now = test.store.clock().now();
    let add = AddToken {
        modules: BTreeSet::from(["clock".parse().unwrap()]),
        name: "ci".to_owned(),
        hash: [7; 32],
        scopes: [crate::model::Scope::ModulesRead].into(),
        expires_at: Some(now.plus_ms(1000)),
        by: operator(),
    };
    let token = test.store.commit(add).await.unwrap();
    assert_eq!(
        test.store.token_by_hash(&[7; 32]).await.unwrap(),
        Some(token.clone())
    );
    assert!(token.is_valid(now) && !token.is_valid(now.plus_ms(1000)));
    test.store
        .commit(RevokeToken {
            id: token.id,
            by: operator(),
        })
        .await
        .unwrap();
    assert!(!test.store.tokens().await.unwrap()[0].is_valid(now));

    let code = AddLoginCode {
        hash: [8; 32],
        expires_at: now.plus_ms(1000),
    };
    test.store.commit(code.clone()).await.unwrap();
    assert_eq!(
        test.store.commit(RedeemLoginCode { hash: [8; 32] }).await,
        Ok(true)
    );
    assert_eq!(
        test.store.commit(RedeemLoginCode { hash: [8; 32] }).await,
        Ok(false)
    );
    test.store.commit(code).await.unwrap();
    test.clock.advance_ms(1000);
    assert_eq!(
        test.store.commit(RedeemLoginCode { hash: [8; 32] }).await,
        Ok(false)
    );
    assert_eq!(test.store.commit(DropExpired).await, Ok(1));
}

#[tokio::test]
async fn the_first_answer_under_a_key_stays() {
    let test = TestStore::new().await;
    for status in [202, 500] {
        let remember = Remember {
            key: "token:1/k".to_owned(),
            fingerprint: "f".to_owned(),
            status,
            body: b"{}".to_vec(),
        };
        test.store.commit(remember).await.unwrap();
    }
    assert_eq!(
        test.store
            .remembered("token:1/k")
            .await
            .unwrap()
            .unwrap()
            .answer
            .map(|answer| answer.status),
        Some(202)
    );
}

#[tokio::test]
async fn refusals_are_audited_and_found_again() {
    let test = TestStore::new().await;
    for target in ["a", "b"] {
        let refused = Refused {
            action: actions::LOAD_MODULE.to_owned(),
            target: target.to_owned(),
            detail: "no grant".to_owned(),
            by: operator(),
        };
        test.store.commit(refused).await.unwrap();
    }
    let filter = AuditFilter {
        target: Some("b".to_owned()),
        ..AuditFilter::default()
    };
    let found = test
        .store
        .audit(&PageRequest::first(), &filter)
        .await
        .unwrap();
    assert_eq!(
        (found.items.len(), found.items[0].outcome),
        (1, Outcome::Refused)
    );
    let bad = PageRequest {
        after: Some("nonsense".to_owned()),
        limit: None,
    };
    let refused = test.store.audit(&bad, &AuditFilter::default()).await;
    assert!(matches!(refused, Err(StoreError::BadCursor { .. })));
    assert_eq!(
        events(&test, kinds::AUDIT).await[0].data["detail"],
        Value::from("no grant")
    );
}
