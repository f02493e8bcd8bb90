//! A program is asked for its schema in the sandbox, before it is ever a module.

use std::path::Path;
use std::process::Command;

use bllvm_manifest::Digest;
use bllvm_node::supervisor::{AskError, Asker};
use tokio_util::task::TaskTracker;

use crate::harness::{Host, digest, name};

struct Asked {
    host: Host,
    asker: Asker,
    digest: Digest,
    called: &'static str,
}

impl Asked {
    async fn new(called: &'static str, launch: Option<&str>) -> Self {
        let host = Host::with(|settings| settings.launch = launch.map(Into::into)).await;
        let module = name(called);
        let folder = host.folder(&module);
        std::fs::create_dir_all(&folder).unwrap();
        let program = folder.join(called);
        std::fs::copy(env!("CARGO_BIN_EXE_asked"), &program).unwrap();
        let manifest =
            format!("name = \"{called}\"\nversion = \"0.1.0\"\nentry_point = \"{called}\"\n");
        host.found(manifest.parse().unwrap(), &program).await;
        let mut settings = bllvm_node::supervisor::SupervisorSettings::new(host.dir.path());
        settings.launch = launch.map(Into::into);
        let asker = Asker::new(host.store.clone(), settings, TaskTracker::new());
        Self {
            asker,
            digest: digest(&program),
            host,
            called,
        }
    }

    async fn ask(&self, confirmed: Digest) -> Result<String, AskError> {
        let module = self.host.store.module(&name(self.called)).await.unwrap();
        let module = module.unwrap();
        let asked = self
            .asker
            .ask(&module, confirmed, "--config-schema", 10_000);
        asked
            .await
            .map(|text| String::from_utf8(text).unwrap().trim_end().to_owned())
    }

    fn left(&self) -> Vec<String> {
        let folder = self.host.dir.path().join("module-data");
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    }
}

/// What comes through where nothing is in the way, so that the test means something.
fn without_a_sandbox(folder: &Path) -> String {
    let here = folder.join("here");
    std::fs::create_dir(&here).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_asked"))
        .arg("--config-schema")
        .current_dir(here)
        .env("HOME", folder)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_program_that_is_asked_reaches_nothing() {
    let control = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let open = without_a_sandbox(control.path());
    assert_eq!(open.matches(',').count(), 4, "{open}");
    let asked = Asked::new("well-meaning", None).await;

    let answer = asked.ask(asked.digest).await.unwrap();

    assert_eq!(answer, "--config-schema");
    assert_eq!(asked.left(), Vec::<String>::new());
    asked.host.has_no_processes().await;
}

#[tokio::test]
async fn one_that_talks_too_much_or_fails_is_told_so() {
    let loud = Asked::new("loud", None).await;
    let refused = loud.ask(loud.digest).await.unwrap_err();
    assert!(matches!(refused, AskError::TooLong(10_000)), "{refused}");
    loud.host.has_no_processes().await;

    let fails = Asked::new("fails", None).await;
    let refused = fails.ask(fails.digest).await.unwrap_err();
    assert_eq!(refused.to_string(), "it ended with exit code 7");

    // It answers by its output, and keeps nothing.
    let writes = Asked::new("writes", None).await;
    let refused = writes.ask(writes.digest).await.unwrap_err();
    assert!(matches!(refused, AskError::Ended(_)), "{refused}");
    assert_eq!(writes.left(), Vec::<String>::new());
}

#[tokio::test]
async fn only_the_confirmed_bytes_are_asked() {
    let asked = Asked::new("well-meaning", None).await;
    let refused = asked.ask(Digest::of("other")).await.unwrap_err();
    assert!(matches!(refused, AskError::Program(_)), "{refused}");
}

#[tokio::test]
async fn without_a_required_layer_nothing_is_asked() {
    let wrapper = env!("CARGO_BIN_EXE_without-landlock");
    let asked = Asked::new("well-meaning", Some(wrapper)).await;
    let refused = asked.ask(asked.digest).await.unwrap_err().to_string();
    assert!(refused.contains("landlock_files"), "{refused}");
    assert!(refused.contains("--waive"), "{refused}");
}
