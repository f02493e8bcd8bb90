//! A secret that was typed anywhere is found nowhere.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::{World, me};
use crate::control::{ConfigInput, SetConfig};
use crate::model::ConfigSource;
use crate::store::PageRequest;

const CANARY: &str = "canary-7f3a";

/// Every file below a directory that has the canary in it.
fn files_with_it(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_with_it(&path, found);
            continue;
        }
        let bytes = fs::read(&path).unwrap_or_default();
        let held = bytes
            .windows(CANARY.len())
            .any(|part| part == CANARY.as_bytes());
        if held {
            found.push(path.display().to_string());
        }
    }
}

#[tokio::test]
async fn a_secret_typed_by_any_way_is_found_nowhere() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    let text = |way: &str| format!("{CANARY}-{way}");
    let mut said: Vec<String> = Vec::new();
    let inputs = [
        ConfigInput::Toml(format!("token = \"{}\"\n", text("toml"))),
        ConfigInput::Json(json!({ "token": text("json") })),
        ConfigInput::MergePatch(json!({ "token": text("patch") })),
        // Refused, and the words of the refusal must not repeat it.
        ConfigInput::Toml(format!("token = {{ a = \"{}\" }}\n", text("type"))),
        ConfigInput::Toml(format!("token = \"{}\n", text("syntax"))),
        ConfigInput::Json(json!({ "token": text("null"), "greeting": null })),
    ];
    for input in inputs {
        for dry_run in [true, false] {
            let set = SetConfig {
                input: input.clone(),
                if_match: Some("*".to_owned()),
                source: ConfigSource::Form,
                dry_run,
            };
            said.push(format!("{set:?}"));
            let change = world.control.set_config(&name, set, &me()).await;
            said.push(format!("{change:?}"));
            if let Err(error) = &change {
                said.push(error.to_string());
            }
            if let Ok(change) = change
                && let Some(operation) = change.operation
            {
                world.close_operation(&operation).await;
            }
        }
        said.push(format!(
            "{:?}",
            world.control.validate_config(&name, input).await
        ));
    }
    let file = world.config_file("clock");
    fs::write(&file, format!("token = \"{}\"\n", text("file"))).unwrap();
    world.control.look_at_files(false).await;
    let open = world.store.open_operation(&name).await.unwrap().unwrap();
    world.close_operation(&open).await;
    world
        .control
        .rollback_config(&name, 2, &me())
        .await
        .unwrap();

    said.push(format!("{:?}", world.control.config(&name).await.unwrap()));
    said.push(format!(
        "{:?}",
        world.control.configurations().kept(&name).await.unwrap()
    ));
    let source: &dyn crate::supervisor::ConfigSource = world.control.configurations();
    let current = source.current(&name).await.unwrap().unwrap();
    assert_eq!(current.value["token"], text("toml"));
    assert_eq!(current.secrets, [text("toml")]);
    said.push(format!("{current:?}{:?}", world.audit().await));
    said.push(world.events().await);
    let revisions = world.store.revisions(&name, &PageRequest::of(100)).await;
    let revisions = revisions.unwrap().items;
    assert_eq!(revisions.len(), 6, "{revisions:?}");
    said.push(format!("{revisions:?}"));
    for revision in &revisions {
        let sealed = world.store.secrets(&name, revision.number).await;
        said.push(format!("{:?}", sealed.unwrap()));
    }
    let said = said.join("\n");
    assert!(!said.contains(CANARY), "{said}");

    let mut found = Vec::new();
    files_with_it(world.dir.path(), &mut found);
    assert_eq!(found, Vec::<String>::new());
}
