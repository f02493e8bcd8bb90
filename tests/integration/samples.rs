//! The samples, as people copy them: block-clock reloads under load without losing a request.

#[cfg(feature = "kernel")]
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[cfg(feature = "kernel")]
use bllvm_tests::clock::samples;
use bllvm_tests::clock::{self, CLOCK};
#[cfg(feature = "kernel")]
use bllvm_tests::wait::until;
use bllvm_tests::{TestServer, times};
#[cfg(feature = "kernel")]
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_is_reloaded_under_load_and_no_request_is_lost() {
    let server = TestServer::start().await;
    let address = clock::run(&server).await;
    let before = server.module_pid(CLOCK).await;
    let total = u64::from(times(10_000));
    let (asked, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));

    let mut asking = Vec::new();
    for connections in 0..8 {
        // Half of the callers keep their connection, half come anew each time.
        let client = reqwest::Client::builder().no_proxy();
        let keeps = connections % 2 == 1;
        let client = if keeps {
            client
        } else {
            client.pool_max_idle_per_host(0)
        };
        let client = client.build().unwrap();
        let (address, asked, answered) =
            (address.clone(), Arc::clone(&asked), Arc::clone(&answered));
        asking.push(tokio::spawn(async move {
            while asked.fetch_add(1, Ordering::Relaxed) < total {
                let ask = || client.get(&address).timeout(Duration::from_mins(1)).send();
                let mut answer = ask().await;
                // A kept connection may close while a request is on its way; a client asks
                // again then (RFC 9112, section 9.3.1). A new connection is never refused.
                if keeps && answer.as_ref().is_err_and(reqwest::Error::is_request) {
                    answer = ask().await;
                }
                let answer = answer.unwrap_or_else(|error| panic!("lost: {error:?}"));
                assert!(answer.status().is_success(), "{}", answer.status());
                answer
                    .bytes()
                    .await
                    .unwrap_or_else(|error| panic!("cut off: {error:?}"));
                answered.fetch_add(1, Ordering::Relaxed);
                // 300 requests a second over eight callers.
                tokio::time::sleep(Duration::from_millis(26)).await;
            }
        }));
    }
    let mut reloads = 0;
    while answered.load(Ordering::Relaxed) < total * 3 / 4 {
        let done = server.reload(CLOCK).await;
        assert_eq!(done["status"], "succeeded", "{done:#}");
        assert_eq!(done["result"]["mode"], "overlap", "{done:#}");
        reloads += 1;
    }
    for one in asking {
        one.await.unwrap();
    }

    assert_eq!(
        answered.load(Ordering::Relaxed),
        total,
        "over {reloads} reloads"
    );
    assert!(reloads > 0);
    assert_ne!(server.module_pid(CLOCK).await, before);
}

/// It starts with the host, and so before the base node can answer.
#[cfg(feature = "kernel")]
#[tokio::test(flavor = "multi_thread")]
async fn the_clock_shows_a_chain_without_blocks_as_soon_as_the_node_is_ready() {
    let builder = TestServer::builder().set("node.backend=embedded");
    let mut server = builder.start().await;
    clock::run(&server).await;
    server.stop().await;
    server.start_again().await;
    server.in_state(CLOCK, "running").await;
    let module = server.module(CLOCK).await;
    let address = format!("http://{}/", module["listeners"]["http"].as_str().unwrap());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    until("the clock knows the first block", async || {
        let shown = http.get(&address).send().await.unwrap();
        let shown: serde_json::Value = shown.json().await.unwrap();
        (shown["height"] == 0).then_some(())
    })
    .await;
}

/// A Python that has msgpack; none is told on the way out.
#[cfg(feature = "kernel")]
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("BLLVM_TEST_PYTHON").map(PathBuf::from);
    [named, Some(PathBuf::from("/usr/bin/python3"))]
        .into_iter()
        .flatten()
        .find(|python| {
            let tried = std::process::Command::new(python)
                .args(["-c", "import msgpack"])
                .stderr(std::process::Stdio::null())
                .status();
            tried.is_ok_and(|status| status.success())
        })
}

/// The log's lines without number and time: what happened at which height.
#[cfg(feature = "kernel")]
fn logged(server: &TestServer, file: &str) -> Vec<String> {
    let path = server.module_data("block-log").join(file);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| {
            line.split(' ')
                .skip(2)
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

#[cfg(feature = "kernel")]
async fn mine(server: &TestServer, count: u32) {
    let mined = server
        .rest
        .post("/api/v1/node/mine", &json!({ "count": count }))
        .await
        .done();
    server.succeeded(&mined).await;
}

#[cfg(feature = "kernel")]
const NAME: &str = "block-log";

/// Heights in fee-watch's file, and the newest estimates.
#[cfg(feature = "kernel")]
fn watched(server: &TestServer) -> (Vec<u32>, String) {
    let path = server.module_data("fee-watch").join("fees.csv");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let heights = text
        .lines()
        .filter_map(|line| line.split(',').nth(2)?.parse().ok());
    let newest = text.lines().last().unwrap_or_default().to_owned();
    (heights.collect(), newest)
}

#[cfg(feature = "kernel")]
#[tokio::test(flavor = "multi_thread")]
async fn the_fee_sample_notes_what_the_next_blocks_cost() {
    const WATCH: &str = "fee-watch";
    let Some(python) = python() else {
        eprintln!("SKIPPED: no python3 with msgpack here; ./test makes one");
        return;
    };
    let python = format!("modules.interpreters.python3={}", python.display());
    let builder = TestServer::builder()
        .set("node.backend=embedded")
        .set(&python);
    let server = builder.start().await;
    let folder = samples().join(WATCH);
    let package = json!({ "path": folder });
    let installed = server.rest.post("/api/v1/modules", &package).await;
    server.succeeded(&installed.done()).await;
    server.load(WATCH).await;
    let noted = async |height: u32| {
        until("the newest block is noted", async || {
            watched(&server).0.ends_with(&[height]).then_some(())
        })
        .await;
    };

    mine(&server, 2).await;
    noted(2).await;
    bllvm_tests::processes::kill9(server.module_pid(WATCH).await);
    mine(&server, 3).await;
    noted(5).await;
    let done = server.configure(WATCH, json!({ "targets": [2, 10] })).await;
    assert_eq!(done["result"]["mode"], "in_place", "{done:#}");
    mine(&server, 1).await;
    noted(6).await;
    let (heights, newest) = watched(&server);
    assert!(heights.is_sorted_by(|one, next| one < next), "{heights:?}");
    // A chain of empty blocks gives no estimate, and none is made up.
    assert!(newest.ends_with(",2=-,10=-"), "{newest}");
    let fees = server.call(WATCH, "fees", json!({ "lines": 1 })).await;
    assert_eq!(fees, json!([newest]));
    let refused = server.try_configure(WATCH, &json!({ "targets": [] })).await;
    refused.refused();
    until("the estimates are on the dashboard", async || {
        let module = server.rest.get("/api/v1/modules/fee-watch").await.done();
        module
            .to_string()
            .contains("Within 10 blocks")
            .then_some(())
    })
    .await;
    server.unload(WATCH).await;
    server.load(WATCH).await;
    assert_eq!(watched(&server).0, heights);
}

#[cfg(feature = "kernel")]
#[tokio::test(flavor = "multi_thread")]
async fn the_python_sample_logs_each_block_once_over_kills_and_absences() {
    let Some(python) = python() else {
        eprintln!("SKIPPED: no python3 with msgpack here; ./test makes one");
        return;
    };
    let server = TestServer::builder()
        .set("node.backend=embedded")
        .set(&format!(
            "modules.interpreters.python3={}",
            python.display()
        ))
        .start()
        .await;
    let folder = samples().join(NAME);
    let installed = server
        .rest
        .post("/api/v1/modules", &json!({ "path": folder }))
        .await;
    server.succeeded(&installed.done()).await;
    server.load(NAME).await;
    let connected = |range: std::ops::RangeInclusive<u32>| -> Vec<String> {
        range.map(|height| format!("connected {height}")).collect()
    };

    mine(&server, 5).await;
    until("five blocks are logged", async || {
        (logged(&server, "blocks.log").len() >= 5).then_some(())
    })
    .await;
    bllvm_tests::processes::kill9(server.module_pid(NAME).await);
    mine(&server, 5).await;
    server.in_state(NAME, "running").await;
    server.unload(NAME).await;
    mine(&server, 5).await;
    server.load(NAME).await;
    until("fifteen blocks are logged", async || {
        (logged(&server, "blocks.log").len() >= 15).then_some(())
    })
    .await;
    assert_eq!(logged(&server, "blocks.log"), connected(1..=15));

    let done = server
        .configure(NAME, json!({ "file_name": "more.log" }))
        .await;
    assert_eq!(done["result"]["mode"], "in_place", "{done:#}");
    mine(&server, 3).await;
    until("the new file has what came since", async || {
        (logged(&server, "more.log").len() >= 3).then_some(())
    })
    .await;
    assert_eq!(logged(&server, "more.log"), connected(16..=18));
    let tail = server.call(NAME, "tail", json!({ "lines": 1 })).await;
    assert!(tail.to_string().contains("connected 18"), "{tail}");
}
