//! kill -9 of a random module, again and again, under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bllvm_tests::wait::until;
use bllvm_tests::{Dice, Fixture, Rest, TestServer, processes, times};
use reqwest::Method;
use serde_json::json;

const MODULES: u64 = 8;

/// Calls and publishes until told to stop; every request must be answered, well or badly.
async fn load(rest: Rest, name: String, stop: Arc<AtomicBool>, answered: Arc<AtomicU64>) {
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        let (method, params) = match n % 3 {
            0 => ("publish", json!({ "from": n, "count": 1 })),
            1 => ("echo", json!({ "n": n })),
            _ => ("sleep", json!({ "ms": 20 })),
        };
        let path = format!("/api/v1/modules/{name}/methods/{method}");
        let answer = rest
            .send(rest.request(Method::POST, &path).json(&params))
            .await;
        let code = answer.code();
        assert!(
            answer.status.is_success()
                || matches!(
                    &*code,
                    "module_gone" | "module_not_running" | "unavailable" | "method_not_found"
                ),
            "{} {}",
            answer.status,
            answer.text
        );
        answered.fetch_add(1, Ordering::Relaxed);
        n += 1;
        if !answer.status.is_success() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_modules_come_back_and_no_event_is_lost_or_out_of_order() {
    let server = TestServer::start().await;
    let names: Vec<String> = (1..=MODULES).map(|n| format!("fixture-well-{n}")).collect();
    for n in 1..=MODULES {
        server
            .run(&Fixture::new(format!("well-{n}")).subscribe("fixture-well*"))
            .await;
    }
    for name in &names {
        server.answers(name).await;
    }
    let (host, plumbing) = (server.pid(), processes::plumbing(server.pid()));

    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = names
        .iter()
        .map(|name| {
            tokio::spawn(load(
                server.rest.clone(),
                name.clone(),
                Arc::clone(&stop),
                Arc::clone(&answered),
            ))
        })
        .collect();
    let mut dice = Dice::new(500);
    for _ in 0..times(500) {
        let name = &names[usize::try_from(dice.below(MODULES)).unwrap()];
        let pid = server.module_pid(name).await;
        tokio::time::sleep(std::time::Duration::from_millis(dice.below(20))).await;
        processes::kill9(pid);
        until("the killed process is replaced", async || {
            let module = server.module(name).await;
            (module["state"] == "running" && module["pid"].as_u64() != Some(u64::from(pid)))
                .then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(answered.load(Ordering::Relaxed) > u64::from(times(500)));

    assert_eq!(server.pid(), host);
    let expected = server.event_numbers("fixture-well*").await;
    for name in &names {
        server.applied_all(name, &expected).await;
        server.answers(name).await;
    }
    until("no zombie is left", async || {
        server.zombies().is_empty().then_some(())
    })
    .await;
    until("each module has its process and its launcher", async || {
        (server.child_processes().len() as u64 == 2 * MODULES).then_some(())
    })
    .await;
    until("the descriptors are as before", async || {
        (processes::plumbing(host).abs_diff(plumbing) <= 2).then_some(())
    })
    .await;
}

const CALLS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_are_answered_when_their_module_is_killed_and_a_neighbours_go_on() {
    let server = TestServer::start().await;
    server.run(&Fixture::new("well-1")).await;
    server.run(&Fixture::new("well-2")).await;
    let pid = server.module_pid("fixture-well-1").await;
    let neighbour = server.module_pid("fixture-well-2").await;

    let call = |name: &'static str, method: &'static str, params: serde_json::Value| {
        let rest = server.rest.clone();
        tokio::spawn(async move {
            let path = format!("/api/v1/modules/{name}/methods/{method}");
            rest.post(&path, &params).await
        })
    };
    let hanging: Vec<_> = (0..CALLS)
        .map(|_| call("fixture-well-1", "hang", json!({})))
        .collect();
    let sleeping = call("fixture-well-2", "sleep", json!({ "ms": 2000 }));
    // Each call that is not answered is a thread of the fixture's beside its first one.
    until("the calls are there", async || {
        let neighbours = threads(neighbour) == Some(2) || sleeping.is_finished();
        (threads(pid) == Some(1 + CALLS) && neighbours).then_some(())
    })
    .await;
    processes::kill9(pid);

    for call in hanging {
        assert_eq!(call.await.unwrap().refused()["code"], "module_gone");
    }
    let slept = sleeping.await.unwrap();
    assert!(slept.status.is_success(), "{}", slept.text);
    assert_eq!(server.module_pid("fixture-well-2").await, neighbour);
    let new = server
        .module_is("fixture-well-1", "running anew", |module| {
            module["state"] == "running" && module["pid"] != json!(pid)
        })
        .await;
    assert_eq!(new["restarts"], 1, "{new:#}");
    server.answers("fixture-well-1").await;
    // No call was tried again behind its caller's back.
    let new = u32::try_from(new["pid"].as_u64().unwrap()).unwrap();
    until("nothing is left to do", async || {
        (threads(new) == Some(1)).then_some(())
    })
    .await;
}

/// How many threads a process has.
fn threads(pid: u32) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let count = status
        .lines()
        .find_map(|line| line.strip_prefix("Threads:"));
    count?.trim().parse().ok()
}
