//! Processes that end, hang or break the protocol after they were ready.

use std::time::{Duration, Instant};

use bllvm_node::model::{Exit, Health, ObservedState, OperationStatus};
use bllvm_node::supervisor::CallFailure;
use serde_json::json;

use crate::harness::{Host, millis, module, signal};

#[tokio::test]
async fn a_killed_module_comes_back_and_says_why() {
    let host = Host::start().await;
    let clock = host.install(module("well_behaved")).await;
    host.load(&clock).await;
    let before = host.until_state(&clock, ObservedState::Running).await;

    signal(before.pid.unwrap(), "KILL");

    let after = host
        .until(&clock, |now| {
            now.state == ObservedState::Running && now.run != before.run
        })
        .await;
    assert_ne!(after.pid, before.pid);
    assert_eq!(after.restarts, 1);
    let ended = host.last_ended(&clock).await;
    assert_eq!(ended.exit, Some(Exit::Signal { signal: 9 }));
    let kinds = host.event_kinds(&clock).await;
    assert!(kinds.contains(&"module.crashed".to_owned()), "{kinds:?}");
}

#[tokio::test]
async fn a_caller_in_flight_is_answered_when_the_module_dies() {
    let host = Host::start().await;
    let clock = host.install(module("well_behaved")).await;
    host.load(&clock).await;
    let pid = host.call(&clock, "process", json!({})).await;
    assert!(pid.is_ok());
    let pid = host.supervisor.observed(&clock).unwrap().pid.unwrap();

    let caller = host.call(&clock, "never", json!({}));
    let killer = async {
        tokio::time::sleep(millis(100)).await;
        signal(pid, "KILL");
        Instant::now()
    };
    let (answer, killed) = tokio::join!(caller, killer);

    assert_eq!(answer, Err(CallFailure::Gone));
    assert!(
        killed.elapsed() < Duration::from_secs(1),
        "{:?}",
        killed.elapsed()
    );
}

#[tokio::test]
async fn a_crash_loop_backs_off_and_never_fails() {
    let host = Host::start().await;
    let bad = host.install(module("crash_on_start")).await;

    let failed = host.load(&bad).await;

    assert_eq!(failed.status, OperationStatus::Failed);
    let failure = failed.failure.unwrap();
    assert_eq!(failure.code, "module_crashed");
    assert!(failure.detail.contains("exit code 3"), "{failure:?}");
    host.until(&bad, |now| now.restarts > 8).await;
    let observed = host.supervisor.observed(&bad).unwrap();
    assert_ne!(observed.state, ObservedState::Failed);
    let run = host.last_ended(&bad).await;
    assert_eq!(run.exit, Some(Exit::Code { code: 3 }));
    assert_eq!(run.last_output, ["the database is on fire"]);
    assert!(host.log(&bad).contains("the database is on fire"));
}

#[tokio::test]
async fn an_exit_without_error_is_restarted_too() {
    let host = Host::start().await;
    let bad = host.install(module("exits_zero")).await;
    host.load(&bad).await;
    host.until(&bad, |now| now.restarts > 1).await;
    assert_eq!(
        host.last_ended(&bad).await.exit,
        Some(Exit::Code { code: 0 })
    );
}

#[tokio::test]
async fn an_abort_is_seen_as_its_signal() {
    let host = Host::start().await;
    let bad = host.install(module("aborts")).await;
    host.load(&bad).await;
    host.until(&bad, |now| now.restarts > 0).await;
    assert_eq!(
        host.last_ended(&bad).await.exit,
        Some(Exit::Signal { signal: 6 })
    );
}

async fn becomes_unresponsive(behaviour: &str) {
    let host = Host::with(|settings| settings.heartbeat = millis(200)).await;
    let bad = host.install(module(behaviour)).await;
    let good = host.install(module("well_behaved")).await;
    host.load(&good).await;
    host.load(&bad).await;

    host.until(&bad, |now| now.health == Health::Unresponsive)
        .await;
    host.until(&bad, |now| now.restarts > 0).await;

    let run = host.last_ended(&bad).await;
    let reason = "unresponsive".to_owned();
    assert_eq!(run.exit, Some(Exit::Killed { reason }));
    let kinds = host.event_kinds(&bad).await;
    assert!(kinds.contains(&"module.health_changed".to_owned()));
    assert!(host.call(&good, "echo", json!(1)).await.is_ok());
}

#[tokio::test]
async fn a_busy_loop_is_unresponsive_and_replaced() {
    becomes_unresponsive("hangs").await;
}

#[tokio::test]
async fn a_stopped_process_is_unresponsive_and_replaced() {
    becomes_unresponsive("sigstops_itself").await;
}

#[tokio::test]
async fn one_that_stops_reading_is_unresponsive_and_replaced() {
    becomes_unresponsive("stalls_reading").await;
}

#[tokio::test]
async fn a_stalled_host_blames_nobody() {
    let host = Host::with(|settings| settings.heartbeat = millis(100)).await;
    let good = host.install(module("well_behaved")).await;
    host.load(&good).await;

    // The one thread of this runtime stands still, and with it the host.
    std::thread::sleep(Duration::from_secs(2));

    tokio::time::sleep(millis(300)).await;
    let observed = host.supervisor.observed(&good).unwrap();
    assert_eq!(observed.state, ObservedState::Running);
    assert_eq!(observed.restarts, 0);
}

async fn breaks_the_protocol(behaviour: &str) {
    let host = Host::start().await;
    let bad = host.install(module(behaviour)).await;
    host.load(&bad).await;
    host.until(&bad, |now| now.restarts > 0).await;
    let run = host.last_ended(&bad).await;
    let reason = "protocol_fault".to_owned();
    assert_eq!(run.exit, Some(Exit::Killed { reason }), "{behaviour}");
}

#[tokio::test]
async fn an_oversized_frame_ends_the_session() {
    breaks_the_protocol("oversized_frame").await;
}

#[tokio::test]
async fn an_unknown_kind_of_frame_ends_the_session() {
    breaks_the_protocol("unknown_kind").await;
}

#[tokio::test]
async fn a_flood_of_replies_ends_the_session() {
    breaks_the_protocol("floods_replies").await;
}

#[tokio::test]
async fn a_process_without_a_channel_is_ended() {
    breaks_the_protocol("lets_go_of_channel").await;
}

#[tokio::test]
async fn one_that_leaves_in_the_middle_of_a_frame_is_restarted() {
    let host = Host::start().await;
    let bad = host.install(module("closes_mid_frame")).await;
    host.load(&bad).await;
    host.until(&bad, |now| now.restarts > 1).await;
}

#[tokio::test]
async fn a_second_hello_ends_the_session() {
    let host = Host::start().await;
    let bad = host.install(module("second_hello")).await;
    let failed = host.load(&bad).await;
    assert_eq!(failed.failure.unwrap().code, "protocol_fault");
}

#[tokio::test]
async fn killing_at_random_leaks_no_descriptor_and_no_zombie() {
    let host = Host::start().await;
    let module = module("well_behaved").with("[restart]\ninitial_ms = 1\nmax_ms = 5");
    let clock = host.install(module.listening()).await;
    host.load(&clock).await;
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    // Other tests of this binary open and close descriptors, too, so that only growth counts.
    let before = descriptors();

    let mut last = None;
    let mut waits = Vec::new();
    for round in 0..25 {
        let asked = Instant::now();
        let running = host
            .until(&clock, |now| {
                now.state == ObservedState::Running && now.run != last
            })
            .await;
        if round > 0 {
            waits.push(asked.elapsed());
        }
        last = running.run;
        signal(running.pid.unwrap(), "KILL");
    }
    waits.sort();
    println!(
        "kill → running: median {:?}, longest {:?}",
        waits[12], waits[23]
    );
    host.until(&clock, |now| {
        now.state == ObservedState::Running && now.run != last
    })
    .await;

    assert!(descriptors() < before + 100, "{before} → {}", descriptors());
    host.unload(&clock).await;
    host.has_no_processes().await;
}
