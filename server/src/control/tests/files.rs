//! `config.toml`, edited by hand.

use std::fs;

use serde_json::json;

use super::{World, me};
use crate::control::ConfigInput;
use crate::model::{ConfigSource, RevisionStatus};
use crate::store::commands::SetRevisionStatus;

impl World {
    async fn look(&self) {
        self.control.look_at_files(false).await;
    }
}

#[tokio::test]
async fn a_valid_edit_becomes_a_revision_and_its_secret_leaves_the_file() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    let text = "greeting = \"by hand\" # note\ntoken = \"canary-file\"\n";
    fs::write(world.config_file("clock"), text).unwrap();

    world.look().await;

    let revision = world.store.current_revision(&name).await.unwrap().unwrap();
    assert_eq!((revision.number, revision.source), (2, ConfigSource::File));
    assert_eq!(revision.by, "file");
    let shown = world.text("clock");
    assert!(
        shown.contains("by hand\" # note") && !shown.contains("canary"),
        "{shown}"
    );
    world.look().await;
    assert_eq!(world.module("clock").await.revision, Some(2));
}

#[tokio::test]
async fn an_invalid_edit_stays_in_the_file_and_is_reported_once() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    for (number, bytes) in [
        &b"[http]\nport = 0\n"[..],
        b"gret = 1\n",
        b"greeting = \"\xff\"\n",
        b"greeting = \n",
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(world.config_file("clock"), bytes).unwrap();
        world.look().await;
        world.look().await;

        assert_eq!(fs::read(world.config_file("clock")).unwrap(), bytes);
        let problem = world.control.config(&name).await.unwrap().file_problem;
        assert!(!problem.unwrap().problems.is_empty());
        assert_eq!(world.refusals("set_module_config").await.len(), number + 1);
    }
    let events = world.events().await;
    assert_eq!(events.matches("\"module.config_refused\"").count(), 4);
    assert!(
        events.contains("http.port") && events.contains("line 2"),
        "{events}"
    );
    assert_eq!(world.module("clock").await.revision, Some(1));

    let patch = ConfigInput::MergePatch(json!({ "greeting": "mended" }));
    world.set(&name, patch).await.unwrap();
    assert_eq!(
        world.control.config(&name).await.unwrap().file_problem,
        None
    );
    let aside = world.folder("clock").join("config.toml.refused");
    assert_eq!(fs::read(aside).unwrap(), b"greeting = \n");
    assert!(world.text("clock").contains("mended"));
}

#[tokio::test]
async fn an_edit_made_while_the_node_was_down_counts_and_an_old_copy_does_not() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    let first = world.text("clock");
    let patch = ConfigInput::MergePatch(json!({ "greeting": "second" }));
    world.set(&name, patch).await.unwrap();
    // As if we had ended between the commit and the file.
    let file = fs::File::create(world.config_file("clock")).unwrap();
    std::io::Write::write_all(&mut &file, first.as_bytes()).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let world = world.restarted().await;
    world.control.start().await.unwrap();
    assert!(world.text("clock").contains("second"));
    assert_eq!(world.module("clock").await.revision, Some(2));

    let world = world.restarted().await;
    fs::write(world.config_file("clock"), "greeting = \"third\"\n").unwrap();
    world.control.start().await.unwrap();
    assert_eq!(world.module("clock").await.revision, Some(3));

    let world = world.restarted().await;
    fs::write(world.config_file("clock"), "greeting = 4\n").unwrap();
    world.control.start().await.unwrap();
    assert_eq!(world.module("clock").await.revision, Some(3));
    assert!(
        world
            .control
            .config(&name)
            .await
            .unwrap()
            .file_problem
            .is_some()
    );
}

#[tokio::test]
async fn a_rolled_back_revision_leaves_the_applied_text_and_keeps_the_refused_one() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    fs::write(world.config_file("clock"), "greeting = \"bad luck\"\n").unwrap();
    world.look().await;
    assert_eq!(world.module("clock").await.revision, Some(2));
    let rolled_back = SetRevisionStatus {
        module: name.clone(),
        number: 2,
        status: RevisionStatus::RolledBack,
        reason: Some("not ready".to_owned()),
    };
    world.store.commit(rolled_back).await.unwrap();

    world.look().await;

    assert!(world.text("clock").contains("hello"));
    let aside = world.folder("clock").join("config.toml.refused");
    assert!(fs::read_to_string(aside).unwrap().contains("bad luck"));
    world.look().await;
    assert_eq!(world.module("clock").await.revision, Some(1));
}

#[tokio::test]
async fn a_deleted_config_toml_is_written_again() {
    let world = World::new().await;
    world.loaded("clock").await;
    fs::remove_file(world.config_file("clock")).unwrap();
    world.look().await;
    assert!(world.text("clock").contains("hello"));
    assert_eq!(world.module("clock").await.revision, Some(1));
    assert!(
        world
            .control
            .disable(&"clock".parse().unwrap(), &me())
            .await
            .is_ok()
    );
}
