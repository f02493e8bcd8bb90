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
    let (host, descriptors) = (server.pid(), server.descriptors());

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
    // Connections of the client that are kept open are descriptors, too.
    let most = descriptors + 2 + 2 * usize::try_from(MODULES).unwrap();
    until("the descriptors are back", async || {
        (server.descriptors() <= most).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_is_answered_when_its_module_is_killed() {
    let server = TestServer::start().await;
    server.run(&Fixture::new("well")).await;
    let pid = server.module_pid("fixture-well").await;

    let rest = server.rest.clone();
    let call = tokio::spawn(async move {
        rest.post("/api/v1/modules/fixture-well/methods/hang", &json!({}))
            .await
    });
    until("the call is there", async || {
        // A method that never answers leaves a thread behind.
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.contains("Threads:\t2").then_some(())
    })
    .await;
    processes::kill9(pid);
    let answer = call.await.unwrap();

    assert_eq!(answer.refused()["code"], "module_gone");
    server
        .module_is("fixture-well", "running anew", |module| {
            module["state"] == "running" && module["pid"] != json!(pid)
        })
        .await;
    server.answers("fixture-well").await;
}
