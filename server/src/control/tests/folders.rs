//! Modules taken in and put away.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::{World, lock, me, put_at};
use crate::control::{ControlCode, ControlError, Extent, InstallRequest, UninstallRequest};
use crate::model::{ObservedState, OperationKind, OperationStatus, Source};
use crate::store::commands::StartOperation;

async fn install(world: &World, path: &Path) -> Result<crate::model::Operation, ControlError> {
    let request = InstallRequest {
        path: path.to_owned(),
        as_local: false,
    };
    let operation = world.control.install(request, &me()).await?;
    Ok(world.ended(operation.id).await)
}

#[tokio::test]
async fn a_folder_is_taken_in_whole_and_waits_for_its_first_load() {
    let world = World::new().await;
    let source = tempfile::tempdir().unwrap();
    put_at(&source.path().join("target/release"), "clock", "");
    put_at(source.path(), "clock", "");
    fs::write(source.path().join("README.md"), "read me").unwrap();
    fs::write(source.path().join("main.rs"), "not taken").unwrap();

    let done = install(&world, source.path()).await.unwrap();

    assert_eq!(
        done.status,
        OperationStatus::Succeeded,
        "{:?}",
        done.failure
    );
    let module = world.module("clock").await;
    assert!(module.is_waiting() && module.source == Source::Folder);
    let mut names: Vec<_> = fs::read_dir(world.folder("clock"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["README.md", "clock", "config.schema.json", "module.toml"]
    );
    let mode = fs::metadata(world.folder("clock").join("clock"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
    world.control.rescan().await.unwrap();
    assert_eq!(world.module("clock").await, module);

    let ControlError::Conflict { code, detail, .. } =
        install(&world, source.path()).await.unwrap_err()
    else {
        panic!("the name is taken");
    };
    assert_eq!(code, ControlCode::ModuleExists);
    assert!(detail.contains("uninstall it first"));
}

#[tokio::test]
async fn what_cannot_be_taken_in_is_refused_before_anything_is_copied() {
    let world = World::new().await;
    let source = tempfile::tempdir().unwrap();
    for path in [
        source.path(),
        Path::new("relative"),
        Path::new("/nowhere/at/all"),
    ] {
        assert!(install(&world, path).await.is_err());
    }
    put_at(source.path(), "clock", "");
    fs::remove_file(source.path().join("clock")).unwrap();
    let refused = install(&world, source.path()).await.unwrap_err();
    assert!(refused.to_string().contains("no program was found"));
    assert_eq!(fs::read_dir(world.modules()).unwrap().count(), 0);
    assert_eq!(world.refusals("install_module").await.len(), 4);
}

#[tokio::test]
async fn an_install_that_a_kill_cut_short_goes_on_at_the_next_start() {
    let world = World::new().await;
    let source = tempfile::tempdir().unwrap();
    put_at(source.path(), "clock", "");
    put_at(&world.modules().join(".incoming-clock-x"), "clock", "");
    let digest = bllvm_manifest::Digest::of(b"\x7fELF one");
    let open = |path: &Path| StartOperation {
        kind: OperationKind::Install,
        module: Some("clock".parse().unwrap()),
        about: None,
        params: json!({ "path": path, "digest": digest }),
        by: me(),
    };
    let operation = world.store.commit(open(source.path())).await.unwrap();

    let world = world.restarted().await;
    world.control.start().await.unwrap();
    let done = world.ended(operation.id).await;
    assert_eq!(
        done.status,
        OperationStatus::Succeeded,
        "{:?}",
        done.failure
    );
    assert!(!world.modules().join(".incoming-clock-x").exists());

    // Renamed, and killed before its row was written.
    let operation = world.store.commit(open(Path::new("/gone"))).await.unwrap();
    let world = world.restarted().await;
    world.control.start().await.unwrap();
    let done = world.ended(operation.id).await;
    assert_eq!(
        done.status,
        OperationStatus::Succeeded,
        "{:?}",
        done.failure
    );
}

#[tokio::test]
async fn an_uninstall_asks_for_the_name_stops_the_module_and_keeps_its_folder_in_the_trash() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    let data = world.dir.path().join("module-data/clock");
    fs::create_dir_all(&data).unwrap();
    let mut request = UninstallRequest {
        extent: Extent::Data,
        confirm_name: "clok".to_owned(),
    };
    let refused = world.control.uninstall(&name, request.clone(), &me()).await;
    let ControlError::Conflict { code, .. } = refused.unwrap_err() else {
        panic!("the name was not confirmed");
    };
    assert_eq!(code, ControlCode::ConfirmationMismatch);
    world.runs(&name);
    request.confirm_name = "clock".to_owned();

    let operation = world
        .control
        .uninstall(&name, request, &me())
        .await
        .unwrap();
    lock(&world.fleet.running).insert(name.clone(), ObservedState::Stopped);
    let done = world.ended(operation.id).await;

    assert_eq!(
        done.status,
        OperationStatus::Succeeded,
        "{:?}",
        done.failure
    );
    assert_eq!(world.store.module(&name).await.unwrap(), None);
    assert!(!world.folder("clock").exists());
    let trash = Path::new(done.result["folder"].as_str().unwrap()).join("module.toml");
    assert!(trash.exists());
    // Deleted after the answer.
    for _ in 0..1000 {
        if fs::read_dir(world.dir.path().join("trash"))
            .unwrap()
            .count()
            == 1
        {
            break;
        }
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(!data.exists());
    world.control.rescan().await.unwrap();
    assert!(world.store.modules().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_module_that_others_run_on_is_not_removed() {
    let world = World::new().await;
    let base = world.loaded("base").await;
    let needy = world.put("needy", "[dependencies]\nbase = \"^0.1\"\n");
    world.control.rescan().await.unwrap();
    world.load(&needy).await.unwrap();
    let request = UninstallRequest {
        extent: Extent::Program,
        confirm_name: "base".to_owned(),
    };
    let refused = world
        .control
        .uninstall(&base, request, &me())
        .await
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("`needy` runs and needs `base`")
    );
}
