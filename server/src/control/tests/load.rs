//! The first load, later ones, and what stands in their way.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use bllvm_manifest::Digest;

use super::{LoadRequest, World, me};
use crate::control::{ControlCode, ControlError};
use crate::model::{ConfigSource, DesiredState, OperationKind, OperationStatus};

fn code(error: &ControlError) -> Option<ControlCode> {
    match error {
        ControlError::Conflict { code, .. } | ControlError::Refused { code, .. } => Some(*code),
        _ => None,
    }
}

#[tokio::test]
async fn the_first_load_confirms_grants_and_writes_the_defaults() {
    let world = World::new().await;
    let name = world.put("clock", "[network.listeners]\nhttp = \"127.0.0.1:0\"\n");
    world.control.rescan().await.unwrap();

    let load = world.load(&name);
    let operation = load.await.unwrap();

    assert_eq!(
        (operation.kind, operation.status),
        (OperationKind::Load, OperationStatus::Queued)
    );
    let module = world.module("clock").await;
    assert_eq!(module.confirmed, module.digest);
    assert_eq!(module.desired, DesiredState::Running);
    let grant = world.store.grant(&name).await.unwrap();
    assert_eq!((grant.capabilities.len(), grant.listeners.len()), (1, 1));
    let revision = world.store.current_revision(&name).await.unwrap().unwrap();
    assert_eq!(
        (revision.number, revision.source),
        (1, ConfigSource::Default)
    );
    let file = world.config_file("clock");
    assert_eq!(fs::read_to_string(&file).unwrap(), revision.text);
    assert!(revision.text.contains("greeting = \"hello\""));
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let actions: Vec<_> = world
        .audit()
        .await
        .into_iter()
        .map(|row| row.action)
        .collect();
    for action in [
        "confirm_module",
        "set_module_grants",
        "set_module_config",
        "load_module",
    ] {
        assert!(
            actions.iter().any(|one| one == action),
            "{action} in {actions:?}"
        );
    }
}

#[tokio::test]
async fn a_load_of_what_runs_succeeds_at_once_and_an_open_operation_is_in_the_way() {
    let world = World::new().await;
    let name = world.put("clock", "");
    world.control.rescan().await.unwrap();
    let first = world.load(&name);
    let first = first.await.unwrap();

    let second = world.load(&name);
    let ControlError::Conflict {
        code, operation, ..
    } = second.await.unwrap_err()
    else {
        panic!("it is a conflict");
    };
    assert_eq!(
        (code, operation),
        (ControlCode::OperationOpen, Some(first.id))
    );

    world.close_operation(&first).await;
    world.runs(&name);
    let third = world.load(&name);
    let third = third.await.unwrap();
    assert_eq!(third.status, OperationStatus::Succeeded);
    assert_eq!(third.result["already"], "running");
}

#[tokio::test]
async fn each_refusal_names_its_reason_and_is_audited() {
    let world = World::new().await;
    let name = world.put("clock", "");
    let needy = world.put("needy", "[dependencies]\nmissing-one = \"^1\"\n");
    world.control.rescan().await.unwrap();
    let load = async |name, request| world.control.load(name, request, &me()).await;

    let named = LoadRequest {
        digest: Some(Digest::of("something else")),
        grant: None,
    };
    let mismatch = load(&name, named).await.unwrap_err();
    assert_eq!(code(&mismatch), Some(ControlCode::DigestMismatch));
    let missing = load(&needy, LoadRequest::default()).await.unwrap_err();
    assert_eq!(code(&missing), Some(ControlCode::DependencyMissing));
    assert!(missing.to_string().contains("missing-one"));
    world.control.disable(&name, &me()).await.unwrap();
    let disabled = load(&name, LoadRequest::default()).await.unwrap_err();
    assert_eq!(code(&disabled), Some(ControlCode::ModuleDisabled));
    let nobody = "nobody".parse().unwrap();
    let unknown = load(&nobody, LoadRequest::default()).await;
    assert!(matches!(
        unknown.unwrap_err(),
        ControlError::NotFound { .. }
    ));

    assert_eq!(world.refusals("load_module").await.len(), 4);
    assert!(world.module("clock").await.is_waiting());
    world.control.enable(&name, &me()).await.unwrap();
    assert!(load(&name, LoadRequest::default()).await.is_ok());
}

#[tokio::test]
async fn a_changed_program_that_asks_for_more_stops_for_approval() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    let (before, grant) = (
        world.module("clock").await,
        world.store.grant(&name).await.unwrap(),
    );
    super::program(&world.folder("clock").join("clock"), b"\x7fELF two");
    let manifest = super::manifest("clock", "[network]\noutgoing = [443]\n")
        .replace("[\"chain.read\"]", "[\"chain.read\", \"tx.broadcast\"]");
    fs::write(world.folder("clock").join("module.toml"), manifest).unwrap();
    world.control.rescan().await.unwrap();
    let digest = world.module("clock").await.digest;
    let load = async |grant| {
        let request = LoadRequest { digest, grant };
        world.control.load(&name, request, &me()).await
    };

    let stopped = load(None).await.unwrap_err();

    assert_eq!(code(&stopped), Some(ControlCode::GrantExceeded));
    let text = stopped.to_string();
    for part in [
        "`tx.broadcast` (send transactions",
        "port 443",
        "--grant kept",
    ] {
        assert!(text.contains(part), "{part} is in {text}");
    }
    assert!(!text.contains("`chain.read`"), "{text}");
    let reload = world
        .control
        .reload(&name, digest, &me())
        .await
        .unwrap_err();
    assert_eq!(code(&reload), Some(ControlCode::GrantExceeded));
    assert_eq!(world.module("clock").await.confirmed, before.confirmed);
    // To give no more than before is a word, too.
    world
        .close_operation(&load(Some(grant.clone())).await.unwrap())
        .await;
    assert_eq!(world.module("clock").await.confirmed, digest);
    assert_eq!(world.store.grant(&name).await.unwrap(), grant);
}

#[tokio::test]
async fn an_existing_config_toml_becomes_revision_one_and_its_secrets_leave_the_file() {
    let world = World::new().await;
    let name = world.put("clock", "");
    let file = world.config_file("clock");
    fs::write(
        &file,
        "# mine\ngreeting = \"hi\"\ntoken = \"canary-first\"\n",
    )
    .unwrap();
    world.control.rescan().await.unwrap();

    let load = world.load(&name);
    load.await.unwrap();

    let revision = world.store.current_revision(&name).await.unwrap().unwrap();
    assert_eq!((revision.number, revision.source), (1, ConfigSource::File));
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("# mine\ngreeting = \"hi\"") && !text.contains("canary"),
        "{text}"
    );
    assert!(!world.folder("clock").join("config.toml.refused").exists());
    let kept = world
        .control
        .configurations()
        .kept(&name)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.secrets.0["token"], "canary-first");
}

#[tokio::test]
async fn a_bad_config_toml_refuses_the_first_load_with_key_and_line() {
    let world = World::new().await;
    let name = world.put("clock", "");
    fs::write(world.config_file("clock"), "[http]\n\nport = 70000\n").unwrap();
    world.control.rescan().await.unwrap();

    let load = world.load(&name);
    let refused = load.await.unwrap_err().to_string();

    assert!(
        refused.contains("`http.port`") && refused.contains("line 3"),
        "{refused}"
    );
    assert!(world.module("clock").await.is_waiting());
    assert_eq!(world.store.current_revision(&name).await.unwrap(), None);
}

#[tokio::test]
async fn a_grant_gives_at_most_what_the_manifest_asks_for() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    let mut grant = world.store.grant(&name).await.unwrap();
    grant
        .capabilities
        .insert(bllvm_ipc::Capability::TxBroadcast);
    let refused = world.control.set_grant(&name, grant.clone(), &me()).await;
    assert!(refused.unwrap_err().to_string().contains("tx.broadcast"));

    grant.capabilities.clear();
    world.control.set_grant(&name, grant, &me()).await.unwrap();
    assert!(
        world
            .store
            .grant(&name)
            .await
            .unwrap()
            .capabilities
            .is_empty()
    );
    assert_eq!(world.refusals("set_module_grants").await.len(), 1);
}

#[tokio::test]
async fn a_call_is_audited_without_what_was_said() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    world.runs(&name);
    let said = serde_json::json!({ "word": "canary-call" });
    let answer = world.control.call(&name, "echo", said.clone(), &me()).await;
    assert_eq!(answer.unwrap(), said);
    let refused = world.control.call(&name, "nothing", said, &me()).await;
    assert!(refused.unwrap_err().to_string().contains("echo"));
    let rows = world.audit().await;
    assert_eq!(
        rows.iter()
            .filter(|row| row.action == "call_module")
            .count(),
        2
    );
    assert!(!format!("{rows:?}").contains("canary-call"));
}
