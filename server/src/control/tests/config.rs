//! Configurations, changed by program and form.

use bllvm_ipc::lifecycle::{ConfigProblem, ConfigVerdict};
use bllvm_manifest::ModuleName;
use serde_json::json;

use super::{World, lock, me};
use crate::control::{ConfigChange, ConfigInput, ControlError, SetConfig};
use crate::model::{ConfigSource, OperationKind, ReloadMode, RevisionStatus};
use crate::store::PageRequest;

impl World {
    async fn etag(&self, name: &ModuleName) -> String {
        self.control.config(name).await.unwrap().etag
    }

    pub(super) async fn set(
        &self,
        name: &ModuleName,
        input: ConfigInput,
    ) -> Result<ConfigChange, ControlError> {
        let set = SetConfig {
            input,
            if_match: Some(self.etag(name).await),
            source: ConfigSource::Api,
            dry_run: false,
        };
        let change = self.control.set_config(name, set, &me()).await?;
        if let Some(operation) = &change.operation {
            self.close_operation(operation).await;
        }
        Ok(change)
    }

    pub(super) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.config_file(name)).unwrap()
    }

    async fn count(&self, name: &ModuleName) -> usize {
        let page = PageRequest::of(1000);
        self.store.revisions(name, &page).await.unwrap().items.len()
    }
}

#[tokio::test]
async fn a_change_needs_the_tag_of_what_it_was_made_from() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    let mut set = SetConfig {
        input: ConfigInput::MergePatch(json!({ "greeting": "hi" })),
        if_match: None,
        source: ConfigSource::Form,
        dry_run: false,
    };
    let missing = world.control.set_config(&name, set.clone(), &me()).await;
    assert_eq!(missing.unwrap_err(), ControlError::PreconditionRequired);
    set.if_match = Some("old".to_owned());
    let stale = world.control.set_config(&name, set.clone(), &me()).await;
    let current = world.etag(&name).await;
    assert_eq!(
        stale.unwrap_err(),
        ControlError::PreconditionFailed {
            current: current.clone()
        }
    );

    set.if_match = Some(current.clone());
    let change = world.control.set_config(&name, set, &me()).await.unwrap();

    assert_ne!(change.etag, current);
    let operation = change.operation.unwrap();
    assert_eq!(operation.kind, OperationKind::Configure);
    let revision = change.revision.unwrap();
    assert_eq!((revision.number, revision.source), (2, ConfigSource::Form));
    assert_eq!(change.diff[0].key, "greeting");
    assert_eq!(world.refusals("set_module_config").await.len(), 2);
    assert!(world.text("clock").contains("greeting = \"hi\""));
}

#[tokio::test]
async fn three_forms_of_input_change_the_same_text_and_keep_its_comments() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    let text = "# mine\ngreeting = \"a\"\n\n[http]\nport = 1 # side\n".to_owned();
    world.set(&name, ConfigInput::Toml(text)).await.unwrap();
    let patch = json!({ "greeting": "b" });
    world
        .set(&name, ConfigInput::MergePatch(patch))
        .await
        .unwrap();
    assert_eq!(
        world.text("clock"),
        "# mine\ngreeting = \"b\"\n\n[http]\nport = 1 # side\n"
    );
    let whole = json!({ "greeting": "c" });
    world.set(&name, ConfigInput::Json(whole)).await.unwrap();
    assert_eq!(world.text("clock"), "# mine\ngreeting = \"c\"\n");
    assert_eq!(world.count(&name).await, 4);
}

#[tokio::test]
async fn what_changes_nothing_makes_no_revision_and_a_changed_secret_does() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    let secret = |text: &str| ConfigInput::MergePatch(json!({ "token": text }));
    world.set(&name, secret("canary-1")).await.unwrap();
    let before = world.etag(&name).await;

    let same = world.set(&name, secret("canary-1")).await.unwrap();
    assert_eq!((same.revision, same.operation), (None, None));
    let view = world.control.config(&name).await.unwrap();
    let again = world
        .set(&name, ConfigInput::Toml(view.toml))
        .await
        .unwrap();
    assert_eq!(again.revision, None);
    assert_eq!(view.json["token"], json!({ "secret": "set" }));

    let other = world.set(&name, secret("canary-2")).await.unwrap();
    assert!(other.revision.is_some());
    assert_ne!(other.etag, before);
    assert_eq!(other.diff[0].key, "token");
    let kept = world
        .control
        .configurations()
        .kept(&name)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.secrets.0["token"], "canary-2");
}

#[tokio::test]
async fn bad_values_are_refused_with_their_key_and_nothing_changes() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    let before = (world.text("clock"), world.etag(&name).await);
    for (input, key) in [
        (ConfigInput::Toml("greting = 1".to_owned()), "greting"),
        (
            ConfigInput::Json(json!({ "http": { "port": 0 } })),
            "http.port",
        ),
        (
            ConfigInput::MergePatch(json!({ "greeting": 1 })),
            "greeting",
        ),
        (ConfigInput::MergePatch(json!({ "new": 1 })), "new"),
        (
            ConfigInput::Json(json!({ "token": { "secret": "set" } })),
            "token",
        ),
    ] {
        let found = world
            .control
            .validate_config(&name, input.clone())
            .await
            .unwrap();
        assert!(found[0].key.contains(key), "{found:?}");
        let refused = world.set(&name, input).await.unwrap_err();
        assert!(matches!(&refused, ControlError::Invalid { problems } if problems == &found));
    }
    assert_eq!((world.text("clock"), world.etag(&name).await), before);
    assert_eq!(world.count(&name).await, 1);
}

#[tokio::test]
async fn a_running_module_is_asked_and_its_words_lose_the_secrets() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    world.runs(&name);
    let problem = ConfigProblem {
        key: "token".to_owned(),
        message: "canary-said is no good token".to_owned(),
    };
    *lock(&world.fleet.verdict) = ConfigVerdict {
        problems: vec![problem],
    };
    let patch = ConfigInput::MergePatch(json!({ "token": "canary-said" }));
    let refused = world.set(&name, patch.clone()).await.unwrap_err();
    assert!(
        refused.to_string().contains("[redacted] is no good token"),
        "{refused}"
    );

    *lock(&world.fleet.verdict) = ConfigVerdict::default();
    let change = world.set(&name, patch).await.unwrap();
    assert_eq!(change.mode_hint, Some(ReloadMode::Exclusive));
    assert_eq!(change.revision.unwrap().status, RevisionStatus::Pending);
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_records_nothing() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    let rows = world.audit().await.len();
    let set = SetConfig {
        input: ConfigInput::MergePatch(json!({ "greeting": "hi" })),
        if_match: None,
        source: ConfigSource::Api,
        dry_run: true,
    };
    let change = world.control.set_config(&name, set, &me()).await.unwrap();
    assert_eq!(change.diff.len(), 1);
    assert!(change.revision.is_none() && change.note.contains("when the module is loaded"));
    assert_eq!(
        (world.count(&name).await, world.audit().await.len()),
        (1, rows)
    );
}

#[tokio::test]
async fn an_earlier_revision_comes_back_with_its_secrets() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    let patch = |value| ConfigInput::MergePatch(value);
    world
        .set(&name, patch(json!({ "token": "canary-1" })))
        .await
        .unwrap();
    world
        .set(&name, patch(json!({ "token": null, "greeting": "x" })))
        .await
        .unwrap();

    let back = world
        .control
        .rollback_config(&name, 2, &me())
        .await
        .unwrap();

    assert_eq!(back.revision.unwrap().source, ConfigSource::Rollback);
    let kept = world
        .control
        .configurations()
        .kept(&name)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.secrets.0["token"], "canary-1");
    let none = world.control.rollback_config(&name, 99, &me()).await;
    assert!(matches!(none.unwrap_err(), ControlError::NotFound { .. }));
}

#[tokio::test]
async fn keys_that_an_upgrade_dropped_are_kept_aside_and_shown() {
    let world = World::new().await;
    let name = world.loaded("clock").await;
    let patch = ConfigInput::MergePatch(json!({ "http": { "port": 1234 } }));
    world.set(&name, patch).await.unwrap();
    let schema = r#"{ "type": "object", "properties": { "greeting": { "type": "string" } } }"#;
    std::fs::write(world.folder("clock").join("config.schema.json"), schema).unwrap();

    let view = world.control.config(&name).await.unwrap();

    assert_eq!(view.unrecognised["http"]["port"], 1234);
    assert_eq!(view.json, json!({ "greeting": "hello" }));
    let source: &dyn crate::supervisor::ConfigSource = world.control.configurations();
    let current = source.current(&name).await.unwrap().unwrap();
    assert_eq!(current.value, json!({ "greeting": "hello" }));
}
