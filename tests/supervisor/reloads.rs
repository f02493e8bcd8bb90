//! The three modes of a reload, and the way back from each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bllvm_node::model::{ObservedState, OperationStatus, RevisionStatus};
use serde_json::json;

use crate::harness::{Host, digest, millis, module, who_answers};

#[tokio::test]
async fn in_place_the_process_takes_the_new_configuration() {
    let host = Host::start().await;
    let clock = host
        .install(module("well_behaved").reload("in_place"))
        .await;
    host.configure(&clock, "size = 1").await;
    host.load(&clock).await;
    let pid = host.call(&clock, "process", json!({})).await.unwrap();

    let done = host.configure(&clock, "size = 2").await.unwrap();

    assert_eq!(done.result["mode"], "in_place", "{done:#?}");
    assert_eq!(host.call(&clock, "process", json!({})).await.unwrap(), pid);
    assert_eq!(
        host.call(&clock, "config", json!({})).await.unwrap(),
        json!({ "size": 2 })
    );
    let revision = host.store.revision(&clock, 2).await.unwrap().unwrap();
    assert_eq!(revision.status, RevisionStatus::Applied);
}

async fn a_bad_configuration_is_rolled_back(mode: &str) {
    let host = Host::start().await;
    let clock = host.install(module("well_behaved").reload(mode)).await;
    host.configure(&clock, "size = 1").await;
    host.load(&clock).await;

    let refused = host.configure(&clock, "bad = true").await.unwrap();

    assert_eq!(refused.status, OperationStatus::Failed);
    let failure = refused.failure.unwrap();
    assert_eq!(failure.code, "config_refused", "{failure:?}");
    assert!(failure.detail.contains("`bad`"), "{failure:?}");
    let running = host.until_state(&clock, ObservedState::Running).await;
    assert_eq!(running.revision, Some(1));
    assert_eq!(
        host.call(&clock, "config", json!({})).await.unwrap(),
        json!({ "size": 1 })
    );
    let revision = host.store.revision(&clock, 2).await.unwrap().unwrap();
    assert_eq!(revision.status, RevisionStatus::RolledBack);
    let kinds = host.event_kinds(&clock).await;
    assert!(
        kinds.contains(&"module.reload_failed".to_owned()),
        "{kinds:?}"
    );
    // And what is good is taken again.
    let done = host.configure(&clock, "size = 3").await.unwrap();
    assert_eq!(done.result["mode"], mode, "{done:#?}");
}

#[tokio::test]
async fn a_bad_configuration_is_rolled_back_in_place() {
    a_bad_configuration_is_rolled_back("in_place").await;
}

#[tokio::test]
async fn a_bad_configuration_is_rolled_back_by_overlap() {
    a_bad_configuration_is_rolled_back("overlap").await;
}

#[tokio::test]
async fn a_bad_configuration_is_rolled_back_exclusively() {
    a_bad_configuration_is_rolled_back("exclusive").await;
}

#[tokio::test]
async fn what_comes_while_the_worker_looks_is_rolled_back_too() {
    let host = Host::start().await;
    let clock = host
        .install(module("well_behaved").reload("in_place"))
        .await;
    host.configure(&clock, "size = 1").await;
    host.load(&clock).await;
    let looks = async {
        loop {
            host.supervisor.wake(&clock);
            tokio::time::sleep(millis(1)).await;
        }
    };
    let refused = async {
        for revision in 2..102 {
            let text = format!("bad = true # {revision}");
            let refused = host.configure(&clock, &text).await.unwrap();
            assert_eq!(refused.status, OperationStatus::Failed);
            let kept = host.store.revision(&clock, revision).await.unwrap();
            let status = kept.unwrap().status;
            assert_eq!(status, RevisionStatus::RolledBack, "revision {revision}");
        }
    };
    tokio::select! {
        () = looks => {}
        () = refused => {}
    }
}

/// Callers that never stop, counting those who were turned away.
struct Callers {
    served: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Callers {
    fn of(address: std::net::SocketAddr) -> Self {
        let (served, lost, stop): (Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicBool>) =
            Default::default();
        let threads = (0..4)
            .map(|_| {
                let (served, lost, stop) =
                    (Arc::clone(&served), Arc::clone(&lost), Arc::clone(&stop));
                std::thread::spawn(move || {
                    while !stop.load(Ordering::SeqCst) {
                        match who_answers(address) {
                            Ok(_) => served.fetch_add(1, Ordering::SeqCst),
                            Err(_) => lost.fetch_add(1, Ordering::SeqCst),
                        };
                    }
                })
            })
            .collect();
        Self {
            served,
            lost,
            stop,
            threads,
        }
    }

    fn end(self) -> (usize, usize) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
        (
            self.served.load(Ordering::SeqCst),
            self.lost.load(Ordering::SeqCst),
        )
    }
}

async fn nobody_is_turned_away(behaviour: &str, mode: &str, reloads: usize, works: bool) {
    let host = Host::with(|settings| settings.ready_deadline = millis(1500)).await;
    let clock = host
        .install(module(behaviour).reload(mode).listening())
        .await;
    host.load(&clock).await;
    let running = host.until_state(&clock, ObservedState::Running).await;
    let address = running.listeners["http"];
    let callers = Callers::of(address);

    for _ in 0..reloads {
        let before = who_answers(address).unwrap();
        let done = host.reload(&clock).await;
        if works {
            assert_eq!(done.result["mode"], mode, "{done:#?}");
            assert_ne!(who_answers(address).unwrap(), before);
        } else {
            assert_eq!(done.status, OperationStatus::Failed, "{done:#?}");
            host.until_state(&clock, ObservedState::Running).await;
            who_answers(address).unwrap();
        }
    }

    let (served, lost) = callers.end();
    assert_eq!(lost, 0, "of {served}");
    assert!(served > 0);
    let observed = host.supervisor.observed(&clock).unwrap();
    assert_eq!(observed.listeners["http"], address);
    host.unload(&clock).await;
    host.has_no_processes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overlapping_reload_loses_no_caller() {
    nobody_is_turned_away("well_behaved", "overlap", 3, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exclusive_reload_loses_no_caller() {
    nobody_is_turned_away("well_behaved", "exclusive", 2, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overlap_whose_new_process_dies_loses_no_caller() {
    nobody_is_turned_away("reload_dies", "overlap", 2, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overlap_whose_new_process_hangs_loses_no_caller() {
    nobody_is_turned_away("reload_hangs_in_prepare", "overlap", 1, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overlap_whose_new_process_is_never_ready_loses_no_caller() {
    nobody_is_turned_away("reload_never_ready", "overlap", 1, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overlap_whose_new_process_exits_when_activated_loses_no_caller() {
    nobody_is_turned_away("reload_exits_in_activate", "overlap", 1, false).await;
}

#[tokio::test]
async fn an_overlap_whose_old_process_does_not_drain_is_called_off() {
    let host = Host::with(|settings| settings.drain_deadline = millis(300)).await;
    let clock = host.install(module("slow_drain").reload("overlap")).await;
    host.load(&clock).await;
    let pid = host.call(&clock, "process", json!({})).await.unwrap();

    let failed = host.reload(&clock).await;

    assert!(failed.failure.unwrap().detail.contains("lifecycle.drain"));
    assert_eq!(host.call(&clock, "process", json!({})).await.unwrap(), pid);
}

#[tokio::test]
async fn a_reconfigure_that_hangs_starts_the_old_configuration_anew() {
    let host = Host::with(|settings| settings.ready_deadline = millis(800)).await;
    let clock = host
        .install(module("reconfigure_hangs").reload("in_place"))
        .await;
    host.configure(&clock, "size = 1").await;
    host.load(&clock).await;

    let failed = host.configure(&clock, "size = 2").await.unwrap();

    assert_eq!(failed.status, OperationStatus::Failed);
    host.until_state(&clock, ObservedState::Running).await;
    assert_eq!(
        host.call(&clock, "config", json!({})).await.unwrap(),
        json!({ "size": 1 })
    );
}

#[tokio::test]
async fn a_program_that_changed_on_disk_is_not_taken_over_unless_confirmed() {
    let host = Host::start().await;
    let clock = host.install(module("well_behaved").reload("overlap")).await;
    host.load(&clock).await;
    let pid = host.call(&clock, "process", json!({})).await.unwrap();
    let program = host.folder(&clock).join("well_behaved");
    let mut bytes = std::fs::read(&program).unwrap();
    std::fs::remove_file(&program).unwrap();
    // Bytes after the end of an ELF file change its digest and nothing else.
    bytes.extend_from_slice(b"changed");
    std::fs::write(&program, bytes).unwrap();
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, all).unwrap();

    let refused = host.reload(&clock).await;
    assert_eq!(refused.failure.unwrap().code, "digest_mismatch");
    assert_eq!(host.call(&clock, "process", json!({})).await.unwrap(), pid);

    host.confirm(&clock, digest(&program), None).await;
    let done = host.reload(&clock).await;
    assert_eq!(done.result["mode"], "overlap", "{done:#?}");
    assert_ne!(host.call(&clock, "process", json!({})).await.unwrap(), pid);
}

#[tokio::test]
async fn a_configuration_of_a_stopped_module_applies_at_its_next_start() {
    let host = Host::start().await;
    let clock = host.install(module("well_behaved")).await;
    assert!(host.configure(&clock, "size = 4").await.is_none());
    host.load(&clock).await;
    assert_eq!(
        host.call(&clock, "config", json!({})).await.unwrap(),
        json!({ "size": 4 })
    );
}
