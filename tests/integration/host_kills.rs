//! kill -9 of the host at random moments under load: nothing that was answered is lost.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bllvm_node::clock::SystemClock;
use bllvm_node::store::Store;
use bllvm_tests::wait::until;
use bllvm_tests::{Dice, Fixture, Rest, TestServer, processes, times};
use reqwest::Method;
use serde_json::{Value, json};

const NAMES: [&str; 3] = ["fixture-well-1", "fixture-well-2", "fixture-well-3"];

/// What the server said yes to.
#[derive(Default)]
struct Promises {
    /// Numbers in the journal.
    events: BTreeSet<u64>,
    /// The greeting of the last revision that was recorded.
    greeting: Option<String>,
    /// A greeting that was asked for and not answered.
    pending: Option<String>,
    /// Operations.
    operations: BTreeSet<String>,
}

/// Publishes, configures, unloads and loads until the server goes away.
async fn ask_until_it_is_gone(
    rest: Rest,
    stop: Arc<AtomicBool>,
    round: u32,
    promises: Arc<Mutex<Promises>>,
) {
    let module = "/api/v1/modules/fixture-well-1";
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let publish = rest
            .request(Method::POST, &format!("{module}/methods/publish_as"))
            .json(&json!({ "type": "fixture-well-1.tick", "data": { "n": n } }));
        let Some(answer) = rest.try_send(publish).await else {
            return;
        };
        if let Some(seq) = answer.json()["result"]["seq"].as_u64() {
            promises.lock().unwrap().events.insert(seq);
        }
        let greeting = format!("round {round}, {n}");
        promises.lock().unwrap().pending = Some(greeting.clone());
        let configure = rest
            .request(Method::PATCH, "/api/v1/modules/fixture-well-2/config")
            .header("if-match", "*")
            .header("content-type", "application/merge-patch+json")
            .body(json!({ "greeting": greeting }).to_string());
        let Some(answer) = rest.try_send(configure).await else {
            return;
        };
        {
            let mut promises_now = promises.lock().unwrap();
            promises_now.pending = None;
            if answer.status.is_success() {
                promises_now.greeting = Some(greeting);
                keep_operation(&mut promises_now, &answer.json()["operation"]);
            }
        }
        let verb = if n % 2 == 0 { "reload" } else { "load" };
        let wish = rest.request(
            Method::POST,
            &format!("/api/v1/modules/fixture-well-3/{verb}"),
        );
        let Some(answer) = rest.try_send(wish.json(&json!({}))).await else {
            return;
        };
        if answer.status.is_success() {
            keep_operation(&mut promises.lock().unwrap(), &answer.json());
        }
    }
}

fn keep_operation(promises: &mut Promises, operation: &Value) {
    if let Some(id) = operation["id"].as_str() {
        promises.operations.insert(id.to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_host_keeps_every_promise_and_leaves_no_orphan() {
    let mut server = TestServer::start().await;
    for n in 1..=3 {
        server
            .run(&Fixture::new(format!("well-{n}")).subscribe("fixture-well*"))
            .await;
    }
    let promises = Arc::new(Mutex::new(Promises::default()));
    let mut dice = Dice::new(100);
    for round in 0..times(100) {
        let stop = Arc::new(AtomicBool::new(false));
        let asking = tokio::spawn(ask_until_it_is_gone(
            server.rest.clone(),
            Arc::clone(&stop),
            round,
            Arc::clone(&promises),
        ));
        tokio::time::sleep(std::time::Duration::from_millis(50 + dice.below(900))).await;
        let children = server.child_processes();
        server.kill9();
        stop.store(true, Ordering::Relaxed);
        asking.await.unwrap();

        // Those that were seen as its children, and any that was started meanwhile.
        assert!(!children.is_empty());
        let dir = server.data_dir();
        until("no orphan is left", async || {
            let left = processes::of_data_dir(&dir, std::process::id());
            (left.is_empty() && !children.iter().any(|child| processes::lives(child.pid)))
                .then_some(())
        })
        .await;
        let store = Store::open(&dir, Arc::new(SystemClock)).await.unwrap();
        store.quick_check().await.unwrap();
        store.close().await;

        server.start_again().await;
        for name in NAMES {
            server.in_state(name, "running").await;
        }
        keeps(&server, &promises).await;
    }
    let expected = server.event_numbers("fixture-well*").await;
    for name in NAMES {
        server.applied_all(name, &expected).await;
    }
}

async fn keeps(server: &TestServer, promises: &Arc<Mutex<Promises>>) {
    let journal: BTreeSet<u64> = server
        .event_numbers("fixture-well*")
        .await
        .into_iter()
        .collect();
    let operations = {
        let mut promises = promises.lock().unwrap();
        let lost: Vec<_> = promises.events.difference(&journal).collect();
        assert!(lost.is_empty(), "acknowledged and gone: {lost:?}");
        std::mem::take(&mut promises.operations)
    };
    for id in operations {
        let operation = server.finished(&json!({ "id": id })).await;
        assert!(
            operation["status"] == "succeeded" || operation["failure"]["detail"].is_string(),
            "{operation:#}"
        );
    }
    let config = server
        .rest
        .get("/api/v1/modules/fixture-well-2/config")
        .await
        .done();
    let now = config["json"]["greeting"].as_str().map(str::to_owned);
    let (promised, pending) = {
        let promises = promises.lock().unwrap();
        (promises.greeting.clone(), promises.pending.clone())
    };
    if let Some(promised) = promised {
        // What was not answered may have been done or not.
        assert!(
            now.as_ref() == Some(&promised) || now == pending,
            "{now:?} instead of {promised:?} or {pending:?}"
        );
    }
    let mut promises = promises.lock().unwrap();
    promises.greeting = now;
    promises.pending = None;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_that_was_cut_off_is_whole_or_not_there() {
    let mut server = TestServer::start().await;
    let mut dice = Dice::new(7);
    for round in 0..times(100) {
        let fixture = Fixture::new(format!("well-{round}"));
        let folder = fixture.write_below(&server.folder().join("incoming"));
        let rest = server.rest.clone();
        let asked = tokio::spawn(async move {
            let request = rest.request(Method::POST, "/api/v1/modules");
            rest.try_send(request.json(&json!({ "path": folder })))
                .await
        });
        tokio::time::sleep(std::time::Duration::from_millis(dice.below(60))).await;
        server.kill9();
        let answered = asked.await.unwrap();
        server.start_again().await;
        if let Some(answer) = answered
            && answer.status.is_success()
        {
            let operation = server.finished(&answer.json()).await;
            assert!(
                operation["status"] == "succeeded" || operation["failure"]["detail"].is_string(),
                "{operation:#}"
            );
        }
        let folder = server.modules_dir().join(fixture.name());
        if folder.exists() {
            until("the module is found", async || {
                server
                    .states()
                    .await
                    .contains_key(fixture.name())
                    .then_some(())
            })
            .await;
            server.load(fixture.name()).await;
            server.answers(fixture.name()).await;
            server.unload(fixture.name()).await;
        }
        // An installation that was accepted but not answered goes on after the start.
        until("nothing half-done to be left", async || {
            let mut all = std::fs::read_dir(server.modules_dir()).unwrap().flatten();
            let is_whole = |entry: std::fs::DirEntry| {
                let name = entry.file_name();
                name.to_string_lossy().starts_with("fixture-well-")
            };
            all.all(is_whole).then_some(())
        })
        .await;
    }
}
