//! A store in a folder of its own, for tests of this crate.

use std::sync::Arc;

use bllvm_manifest::{Manifest, ModuleName};
use serde_json::json;
use tempfile::TempDir;

use super::commands::FoundModule;
use super::{Options, Store};
use crate::clock::FixedClock;
use crate::model::{Actor, NewEvent, Source, TrustClass};

/// A moment that tests start at.
pub(crate) const START_MS: i64 = 1_795_374_000_000;

/// A store that is removed with its folder.
pub(crate) struct TestStore {
    pub(crate) dir: TempDir,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) store: Store,
}

impl TestStore {
    pub(crate) async fn new() -> Self {
        Self::with(options()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = FixedClock::at(START_MS);
        let store = Store::open_with(dir.path(), clock.clone(), options)
            .await
            .unwrap();
        Self { dir, clock, store }
    }

    /// Closes the store and opens its file again.
    pub(crate) async fn reopened(self) -> Self {
        let Self { dir, clock, store } = self;
        store.close().await;
        let store = Store::open_with(dir.path(), clock.clone(), options())
            .await
            .unwrap();
        Self { dir, clock, store }
    }

    pub(crate) async fn add_module(&self, name: &str) -> ModuleName {
        self.store.commit(found(name)).await.unwrap();
        module_name(name)
    }
}

/// The machine that runs the tests may have little space left.
pub(crate) fn options() -> Options {
    Options {
        disk_floor: 0,
        ..Options::default()
    }
}

pub(crate) fn module_name(name: &str) -> ModuleName {
    ModuleName::new(name).unwrap()
}

pub(crate) fn operator() -> Actor {
    Actor {
        id: "token:test".to_owned(),
        request: Some("r1".to_owned()),
        once: None,
    }
}

pub(crate) fn found(name: &str) -> FoundModule {
    let text = format!("name = \"{name}\"\nversion = \"0.1.0\"\nentry_point = \"{name}\"\n");
    FoundModule {
        manifest: Manifest::parse(&text).unwrap(),
        dir: format!("/modules/{name}").into(),
        source: Source::Directory,
        trust: TrustClass::Local,
        digest: None,
        problem: None,
        by: Actor::host(),
    }
}

pub(crate) fn event(number: u64) -> NewEvent {
    NewEvent::host("test.counted", json!({"number": number}))
}
