//! Every way in which a fixture misbehaves, the host's verdict on it, and a neighbour that does not
//! notice.

use bllvm_tests::{Fixture, TestServer, processes};
use serde_json::{Value, json};

const NEIGHBOUR: &str = "fixture-well";
/// A crashed fixture stays where it is, to be looked at.
const NEVER: u32 = 3_600_000;

/// What the host says of a fixture.
struct Verdict {
    behaviour: &'static str,
    state: &'static str,
    /// The code of the failed load; empty where the load succeeded.
    code: &'static str,
    exit: Value,
    words: &'static str,
}

const fn verdict(
    behaviour: &'static str,
    state: &'static str,
    code: &'static str,
    exit: Value,
    words: &'static str,
) -> Verdict {
    Verdict {
        behaviour,
        state,
        code,
        exit,
        words,
    }
}

fn code(code: i32) -> Value {
    json!({ "how": "code", "code": code })
}

fn signal(signal: i32) -> Value {
    json!({ "how": "signal", "signal": signal })
}

fn killed(reason: &str) -> Value {
    json!({ "how": "killed", "reason": reason })
}

async fn server() -> TestServer {
    let server = TestServer::builder()
        .set("modules.hello_deadline=700 ms")
        .set("modules.ready_deadline=1500 ms")
        .set("modules.drain_deadline=400 ms")
        .set("modules.term_deadline=400 ms")
        .set("modules.heartbeat=300 ms")
        .start()
        .await;
    let well = Fixture::new("well").subscribe("fixture-well.*");
    server.run(&well).await;
    server
}

/// The neighbour answers, publishes, and is given everything.
async fn neighbour_is_well(server: &TestServer) {
    server.answers(NEIGHBOUR).await;
    server
        .call(NEIGHBOUR, "publish", json!({ "from": 0, "count": 20 }))
        .await;
    let expected = server.event_numbers("fixture-well.tick").await;
    server.applied_all(NEIGHBOUR, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixture_that_does_not_come_up_is_judged_and_harms_nobody() {
    let verdicts = [
        verdict(
            "crash-on-start",
            "backing_off",
            "module_crashed",
            code(3),
            "exit code 3",
        ),
        verdict(
            "exits-zero",
            "backing_off",
            "module_crashed",
            code(0),
            "exit code 0",
        ),
        verdict(
            "aborts-on-start",
            "backing_off",
            "module_crashed",
            signal(6),
            "SIGABRT",
        ),
        verdict(
            "double-forks",
            "backing_off",
            "module_crashed",
            code(7),
            "exit code 7",
        ),
        verdict(
            "silent",
            "backing_off",
            "handshake_timeout",
            killed("handshake_timeout"),
            "no hello within 700 ms",
        ),
        verdict(
            "dribbles-hello",
            "backing_off",
            "handshake_timeout",
            killed("handshake_timeout"),
            "no hello within",
        ),
        verdict(
            "half-hello",
            "backing_off",
            "handshake_timeout",
            killed("handshake_timeout"),
            "no hello within",
        ),
        verdict(
            "closes-channel",
            "backing_off",
            "handshake_failed",
            killed("protocol_fault"),
            "closed its channel",
        ),
        verdict(
            "not-a-frame",
            "failed",
            "handshake_refused",
            killed("handshake_refused"),
            "cannot be understood",
        ),
        verdict(
            "ready-for-hello",
            "failed",
            "handshake_refused",
            killed("handshake_refused"),
            "a hello was expected",
        ),
        verdict(
            "malformed-hello",
            "failed",
            "handshake_refused",
            killed("handshake_refused"),
            "Hello body",
        ),
        verdict(
            "oversized-hello",
            "failed",
            "handshake_refused",
            killed("handshake_refused"),
            "65536",
        ),
        verdict(
            "wrong-version",
            "failed",
            "handshake_refused",
            killed("handshake_refused"),
            "update bllvm-node",
        ),
        verdict(
            "wrong-name",
            "failed",
            "handshake_refused",
            killed("handshake_refused"),
            "someone-else",
        ),
        verdict(
            "climbing-name",
            "failed",
            "handshake_refused",
            killed("handshake_refused"),
            "../climbs",
        ),
        verdict(
            "second-hello",
            "backing_off",
            "protocol_fault",
            killed("protocol_fault"),
            "Hello frame",
        ),
        verdict(
            "crash-after-welcome",
            "backing_off",
            "module_crashed",
            code(8),
            "exit code 8",
        ),
        verdict(
            "never-ready",
            "backing_off",
            "not_ready",
            killed("not_ready"),
            "lifecycle.activate",
        ),
        verdict(
            "refuses-config",
            "failed",
            "config_refused",
            killed("config_refused"),
            "`greeting`: it is not to my taste",
        ),
    ];
    let server = server().await;
    for expected in verdicts {
        let behaviour = expected.behaviour;
        let fixture = Fixture::new(behaviour).restart(NEVER, NEVER);
        let name = fixture.name();
        server.install(&fixture).await;
        let load = server.verb(name, "load").await.done();
        let load = server.failed(&load).await;
        let module = server.in_state(name, expected.state).await;
        let reason = module["reason"].as_str().unwrap_or_default();
        let runs = server.runs(name).await;

        assert_eq!(
            load["failure"]["code"], expected.code,
            "{behaviour}: {load:#}"
        );
        assert!(reason.contains(expected.words), "{behaviour}: {reason}");
        assert_eq!(runs.len(), 1, "{behaviour}: {runs:#?}");
        assert_eq!(runs[0]["exit"], expected.exit, "{behaviour}: {reason}");
        assert_eq!(module["pid"], Value::Null, "{behaviour}");
        let left = processes::of_data_dir(&server.module_data(name), 0);
        assert!(left.is_empty(), "{behaviour} left {left:?}");
        if expected.state == "failed" {
            assert!(module["way_out"].is_string(), "{behaviour} has no way out");
        }
        if behaviour == "crash-on-start" {
            let output = runs[0]["last_output"].to_string();
            assert!(output.contains("made of cheese"), "{output}");
        }
        neighbour_is_well(&server).await;
        server.unload(name).await;
        assert_eq!(server.module(name).await["state"], "stopped", "{behaviour}");
    }
    assert!(server.zombies().is_empty(), "{:?}", server.zombies());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixture_that_goes_wrong_while_it_runs_is_ended_and_harms_nobody() {
    let faults = [
        verdict("segfaults", "backing_off", "", signal(11), "SIGSEGV"),
        verdict(
            "hangs",
            "backing_off",
            "",
            killed("unresponsive"),
            "3 signs of life",
        ),
        verdict(
            "stalls-reading",
            "backing_off",
            "",
            killed("unresponsive"),
            "3 signs of life",
        ),
        verdict(
            "stops-itself",
            "backing_off",
            "",
            killed("unresponsive"),
            "3 signs of life",
        ),
        verdict(
            "floods-replies",
            "backing_off",
            "",
            killed("protocol_fault"),
            "nobody waits for",
        ),
        verdict(
            "oversized-frame",
            "backing_off",
            "",
            killed("protocol_fault"),
            "outside 16..=1048576",
        ),
        verdict(
            // Its silence is noticed before the ten seconds that a frame may stand still.
            "stalls-mid-frame",
            "backing_off",
            "",
            killed("unresponsive"),
            "3 signs of life",
        ),
        verdict(
            "unknown-kind",
            "backing_off",
            "",
            killed("protocol_fault"),
            "frame kind 99",
        ),
    ];
    let server = server().await;
    for expected in faults {
        let behaviour = expected.behaviour;
        let fixture = Fixture::new(behaviour)
            .restart(NEVER, NEVER)
            .subscribe("fixture-well.*");
        let name = fixture.name();
        server.install(&fixture).await;
        server.verb(name, "load").await.done();
        let module = server.in_state(name, expected.state).await;
        let reason = module["reason"].as_str().unwrap_or_default();
        let run = server.run_ended(name).await;

        assert!(reason.contains(expected.words), "{behaviour}: {reason}");
        assert_eq!(run["exit"], expected.exit, "{behaviour}: {reason}");
        let left = processes::of_data_dir(&server.module_data(name), 0);
        assert!(left.is_empty(), "{behaviour} left {left:?}");
        neighbour_is_well(&server).await;
        server.unload(name).await;
    }
    let crashed = server.events("module.crashed").await;
    assert_eq!(crashed.len(), 8, "each crash is an event: {crashed:#?}");
    assert!(server.zombies().is_empty(), "{:?}", server.zombies());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_is_cut_off_by_the_end_is_a_crash() {
    let server = server().await;
    let fixture = Fixture::new("closes-mid-frame").restart(NEVER, NEVER);
    server.install(&fixture).await;
    server.verb(fixture.name(), "load").await.done();
    server.in_state(fixture.name(), "backing_off").await;
    let exit = &server.run_ended(fixture.name()).await["exit"];
    // The end and the torn frame are seen in either order.
    assert!(
        *exit == code(0) || *exit == killed("protocol_fault"),
        "{exit}"
    );
    neighbour_is_well(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_backs_off_for_ever_and_is_never_failed() {
    let server = server().await;
    server.install(&Fixture::new("crash-after-ready")).await;
    server
        .verb("fixture-crash-after-ready", "load")
        .await
        .done();
    let module = server
        .module_is(
            "fixture-crash-after-ready",
            "restarted ten times",
            |module| module["restarts"].as_u64().unwrap_or(0) >= 10,
        )
        .await;
    assert_ne!(module["state"], "failed");
    let run = server.run_ended("fixture-crash-after-ready").await;
    assert_eq!(run["exit"], code(42));
    assert!(
        run["last_output"].to_string().contains("out of cheese"),
        "{run:#}"
    );
    neighbour_is_well(&server).await;
    server.unload("fixture-crash-after-ready").await;
    assert_eq!(
        server.module("fixture-crash-after-ready").await["state"],
        "stopped"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixture_that_asks_for_too_much_is_refused_and_goes_on() {
    let server = server().await;
    let before = server.events("chain.*").await.len();
    for (behaviour, words) in [
        ("floods-requests", ""),
        ("deep-nesting", ""),
        ("duplicate-ids", ""),
        ("unknown-method", "the host refused"),
        ("publishes-foreign", "the host refused"),
        ("asks-for-more", "the host refused"),
    ] {
        let fixture = Fixture::new(behaviour);
        server.run(&fixture).await;
        server.logged(fixture.name(), words).await;
        server.answers(fixture.name()).await;
        let module = server.module(fixture.name()).await;
        assert_eq!(module["restarts"], 0, "{behaviour}: {module:#}");
        neighbour_is_well(&server).await;
    }
    assert_eq!(
        server.events("chain.*").await.len(),
        before,
        "nothing was announced"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_log_lines_is_drained_capped_and_counted() {
    let server = server().await;
    for behaviour in ["floods-logs", "floods-log-frames"] {
        let fixture = Fixture::new(behaviour);
        let name = fixture.name();
        server.run(&fixture).await;
        for _ in 0..5 {
            neighbour_is_well(&server).await;
            server.answers(name).await;
        }
        server.logged(name, "flood").await;
        assert_eq!(server.module(name).await["restarts"], 0);
        let kept: u64 = files_below(&server.data_dir().join("logs").join(name));
        assert!(
            kept <= 10 << 20,
            "{kept} bytes of log are kept of {behaviour}"
        );
        server.unload(name).await;
    }
}

fn files_below(dir: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixture_that_ignores_its_end_is_ended() {
    let server = server().await;
    server.run(&Fixture::new("ignores-shutdown")).await;
    server.unload("fixture-ignores-shutdown").await;
    let run = server.run_ended("fixture-ignores-shutdown").await;
    assert_eq!(run["exit"], killed("stop_deadline"));

    server.run(&Fixture::new("slow-drain")).await;
    server.unload("fixture-slow-drain").await;
    let run = server.run_ended("fixture-slow-drain").await;
    assert_eq!(
        run["exit"]["how"], "stopped",
        "the goodbye was enough: {run:#}"
    );

    neighbour_is_well(&server).await;
    let left = server.child_processes();
    assert_eq!(left.len(), 2, "the neighbour and its launcher: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixture_that_never_acknowledges_falls_behind_alone() {
    let server = server().await;
    server
        .run(&Fixture::new("never-acks").subscribe("fixture-well.*"))
        .await;
    for from in (0..1100).step_by(50) {
        let params = json!({ "from": from, "count": 50 });
        server.call(NEIGHBOUR, "publish", params).await;
    }
    neighbour_is_well(&server).await;
    let module = server
        .module_is("fixture-never-acks", "behind", |module| {
            module["cursor_lag"].as_u64().unwrap_or(0) >= 1000
        })
        .await;
    assert_eq!(module["state"], "running");
    server.answers("fixture-never-acks").await;
}
