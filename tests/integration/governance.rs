//! bllvm-governance on a real node: signed deliveries in, proposals out, whatever dies between.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bllvm_tests::governance::{self, GOVERNANCE, Signer, comment, deliver, pull_request, stamp};
use bllvm_tests::wait::{DEADLINE, until};
use bllvm_tests::{Dice, Rest, TestServer, processes, times};
use serde_json::{Value, json};
use tokio::sync::RwLock;

const CLIENTS: usize = 16;
/// Deliveries of one pull request's life.
const OF_ONE: u32 = 20;

async fn start() -> TestServer {
    TestServer::builder()
        .set("node.backend=embedded")
        .start()
        .await
}

fn config(maintainers: &[Signer], nodes: &[Signer]) -> Value {
    let login = |(place, signer): (usize, &Signer)| json!({ "login": format!("m{}", place + 1), "key": signer.key });
    let name = |(place, signer): (usize, &Signer)| json!({ "name": format!("e{}", place + 1), "key": signer.key });
    json!({
        "node_id": "ours", "webhook_url": "https://example.org/hook",
        "repositories": [{ "name": "Example/Node", "layer": 5, "tier": 1 }],
        "maintainers": maintainers.iter().enumerate().map(login).collect::<Vec<_>>(),
        "economic_nodes": nodes.iter().enumerate().map(name).collect::<Vec<_>>(),
    })
}

/// Waits until so many deliveries were taken in and all verdicts are told: as long as it goes on.
async fn settled(server: &TestServer, deliveries: usize) -> Value {
    let path = format!("/api/v1/modules/{GOVERNANCE}/methods/get_webhook_status");
    let wanted = deliveries as u64;
    let progress = |status: &Value| {
        let number = |key: &str| status[key].as_u64().unwrap_or_default();
        (number("deliveries"), u64::MAX - number("untold"))
    };
    let mut last = (0, 0);
    loop {
        let status = until("more deliveries are taken in", async || {
            let answer = server.rest.post(&path, &json!({})).await;
            let status = answer
                .status
                .is_success()
                .then(|| answer.json()["result"].clone())?;
            (progress(&status) > last || progress(&status) == (wanted, u64::MAX)).then_some(status)
        })
        .await;
        last = progress(&status);
        if last == (wanted, u64::MAX) {
            return status;
        }
    }
}

async fn sent(server: &TestServer, id: &str, body: &Value) -> String {
    let answer = deliver(&server.rest, id, body).await.unwrap().done();
    answer["delivery"].as_str().unwrap().to_owned()
}

async fn verdict(server: &TestServer, delivery: &str) -> (String, Option<String>) {
    let path = format!("/api/v1/webhooks/deliveries/{delivery}");
    until("the verdict is on the delivery's row", async || {
        let shown = server.rest.get(&path).await.done();
        let judged = shown["attempts"]
            .as_array()?
            .iter()
            .rev()
            .find_map(|attempt| {
                let ours = attempt["actor"] == format!("module:{GOVERNANCE}");
                ours.then(|| attempt["code"].as_str().map(str::to_owned))
            })?;
        // The row and its attempts are not of one moment.
        let state = shown["state"].as_str()?;
        (state != "waiting").then(|| (state.to_owned(), judged))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_become_proposals_and_forged_statements_leave_nothing() {
    let server = start().await;
    let signers: Vec<_> = (1..=4)
        .map(|n| Signer::new(server.folder(), &format!("m{n}")))
        .collect();
    let node = Signer::new(server.folder(), "node");
    let config = config(&signers[..3], std::slice::from_ref(&node));
    governance::run(&server, config).await;
    let head = "a".repeat(40);
    let says = |signer: &Signer, change: &[(&str, &str)]| {
        let mut all = vec![
            ("chain", "regtest"),
            ("repository", "example/node"),
            ("number", "7"),
            ("head", head.as_str()),
            ("action", "sign"),
            ("nonce", "1"),
            ("from", "0"),
            ("to", "1000"),
        ];
        for (name, value) in change {
            all.retain(|(known, _)| known != name);
            all.push((name, value));
        }
        signer.says(&all)
    };

    sent(&server, "pr", &pull_request(7, &head, 1)).await;
    for (place, signer) in signers[..2].iter().enumerate() {
        let body = comment(7, place as u64, "anybody", &says(signer, &[]), 2);
        let delivery = sent(&server, &format!("good-{place}"), &body).await;
        assert_eq!(
            verdict(&server, &delivery).await,
            ("applied".to_owned(), None)
        );
    }
    let before = settled(&server, 3).await;
    assert_eq!(before["facts"], 4, "{before:#}");

    // Forged, each with its own word, and none of them leaves a row behind.
    let mainnet = says(&signers[2], &[("chain", "main")]);
    let other_repository = says(&signers[2], &[("repository", "example/other")]);
    let support = says(&node, &[("action", "support")]).replace("-support", "-veto");
    let forged = [
        (says(&signers[3], &[]), "unknown_key"),
        (says(&node, &[]), "unknown_key"),
        (mainnet, "other_chain"),
        (
            says(&signers[2], &[("rules", "maintainer_only_2026")]),
            "other_rules",
        ),
        (other_repository, "bad_signature"),
        (
            says(&signers[2], &[]).replace("nonce=1", "nonce=2"),
            "bad_signature",
        ),
        (support, "other_action"),
        ("/governance-sign key=".to_owned(), "bad_command"),
    ];
    for (place, (text, code)) in forged.iter().enumerate() {
        let body = comment(7, 100 + place as u64, "mallory", text, 3);
        let delivery = sent(&server, &format!("forged-{place}"), &body).await;
        let found = verdict(&server, &delivery).await;
        assert_eq!(
            found,
            ("refused".to_owned(), Some((*code).to_owned())),
            "{text}"
        );
    }
    let stranger = json!({ "repository": { "full_name": "some/body" }, "pull_request": {} });
    let delivery = sent(&server, "stranger", &stranger).await;
    let found = verdict(&server, &delivery).await;
    assert_eq!(found.1.as_deref(), Some("unknown_repository"));
    let after = settled(&server, 12).await;
    assert_eq!(after["facts_sha256"], before["facts_sha256"], "{after:#}");
    assert_eq!(after["refused"], 9);

    // Upstream's signature is read, shown as weak, and not counted.
    let weak = format!("/governance-sign {} \"fine\"", "ab".repeat(64));
    let delivery = sent(&server, "weak", &comment(7, 200, "m3", &weak, 4)).await;
    let found = verdict(&server, &delivery).await;
    assert_eq!(
        found,
        ("applied".to_owned(), Some("weak_signature".to_owned()))
    );
    let answer = server
        .call(GOVERNANCE, "get_proposals", json!({ "number": 7 }))
        .await;
    let proposal = &answer["proposals"][0];
    assert_eq!(answer["node_id"], "ours");
    assert_eq!(
        (&proposal["signed"], &proposal["standing"]),
        (&json!(2), &json!("waiting"))
    );
    assert_eq!(proposal["weak"][0]["login"], "m3");
    assert_eq!(
        proposal["needs"]["signatures"],
        json!({ "needed": 3, "of": 5 })
    );
    let missing = proposal["missing"].to_string();
    assert!(
        missing.contains("1 more signature of aaaaaaaaaaaa"),
        "{missing}"
    );
    assert!(missing.contains("review is open until"), "{missing}");

    // A push takes the signatures away.
    sent(&server, "push", &pull_request(7, &"b".repeat(40), 5)).await;
    settled(&server, 14).await;
    let rpc = json!([GOVERNANCE, "get_proposals", {}]);
    let answer = server.rest.rpc("callmodule", rpc).await.unwrap();
    let proposal = &answer["proposals"][0];
    assert_eq!(proposal["signed"], 0);
    assert_eq!(proposal["signatures"][0]["code"], "other_head");

    let told = server.events("governance.*").await;
    let kinds: Vec<_> = told
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "governance.proposal_created",
            "governance.statement_received",
            "governance.statement_received",
            "governance.proposal_updated"
        ]
    );
}

/// What happens to so many pull requests, in order, each with an id of its own.
fn history(pulls: u32) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for step in 0..OF_ONE {
        for number in 1..=u64::from(pulls) {
            let head = |n: u32| format!("{:040x}", number * 1000 + u64::from(n));
            let id = number * 100 + u64::from(step);
            let body = match step {
                0..8 => {
                    let mut body = pull_request(number, &head(step / 2), step);
                    if step % 2 == 1 {
                        body["pull_request"]["labels"] = json!([{ "name": format!("l{step}") }]);
                    }
                    body
                }
                8..12 => {
                    let mut body = pull_request(number, &head(3), step);
                    body["action"] = json!(if step == 11 { "dismissed" } else { "submitted" });
                    body["review"] = json!({ "id": number * 10 + u64::from(step % 3),
                        "user": { "login": format!("r{step}") }, "state": "approved",
                        "commit_id": head(3), "submitted_at": stamp(step) });
                    body
                }
                12..15 => {
                    let text = format!("/governance-tier-override {} \"{step}\"", step - 11);
                    comment(number, id, "m1", &text, step)
                }
                15..17 => {
                    let text = format!("/governance-sign {id:0>128x}");
                    comment(number, id, "m2", &text, step)
                }
                17 => json!({ "action": "published", "repository": { "full_name": "example/node" },
                    "release": { "id": number, "tag_name": format!("v{number}"),
                        "target_commitish": "main", "draft": false, "prerelease": number % 2 == 0,
                        "author": { "login": "m1" }, "published_at": stamp(step) } }),
                _ => {
                    let mut body = pull_request(number, &head(3), step);
                    body["action"] = json!("closed");
                    body["pull_request"]["state"] = json!("closed");
                    if step == 19 && number % 3 != 0 {
                        body["pull_request"]["merged"] = json!(true);
                        body["pull_request"]["merged_at"] = json!(stamp(step));
                    }
                    body
                }
            };
            all.push((format!("{number}-{step}"), body));
        }
    }
    all
}

/// Sends one until it is taken.
async fn taken(rest: &RwLock<Rest>, id: &str, body: &Value) {
    loop {
        // Read anew each time: a node that was started again has another address.
        let rest = rest.read().await.clone();
        let answer = deliver(&rest, id, body).await;
        if answer.is_some_and(|answer| answer.status.is_success()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sends everything from several clients; each tries again until it is taken.
async fn send_all(rest: Arc<RwLock<Rest>>, all: Arc<Vec<(String, Value)>>, done: Arc<AtomicUsize>) {
    let next = Arc::new(AtomicUsize::new(0));
    let clients = (0..CLIENTS).map(|_| {
        let (rest, all) = (Arc::clone(&rest), Arc::clone(&all));
        let (next, done) = (Arc::clone(&next), Arc::clone(&done));
        tokio::spawn(async move {
            while let Some((id, body)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                let taken = taken(&rest, id, body);
                tokio::time::timeout(DEADLINE, taken).await.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shuffled_and_repeated_deliveries_over_kills_end_as_the_ordered_ones_do() {
    let ordered = history(times(500));
    let distinct = ordered.len();
    let at = json!({ "at": 1_790_000_000 });

    let calm = start().await;
    governance::run(&calm, config(&[], &[])).await;
    for (id, body) in &ordered {
        sent(&calm, id, body).await;
    }
    let wanted = settled(&calm, distinct).await;
    let wanted_proposals = calm.call(GOVERNANCE, "get_proposals", at.clone()).await;

    // Three in ten come twice, half of these under another id; then all are shuffled.
    let mut dice = Dice::new(77);
    let mut shuffled = ordered.clone();
    for place in 0..distinct * 3 / 10 {
        let (id, body) = ordered[(place * 7919) % distinct].clone();
        let id = if place % 2 == 0 {
            id
        } else {
            format!("{id}-again")
        };
        shuffled.push((id, body));
    }
    for place in (1..shuffled.len()).rev() {
        let other = usize::try_from(dice.below(place as u64 + 1)).unwrap();
        shuffled.swap(place, other);
    }
    let mut stormy = start().await;
    governance::run(&stormy, config(&[], &[])).await;
    let rest = Arc::new(RwLock::new(stormy.rest.clone()));
    let (all, done) = (Arc::new(shuffled), Arc::new(AtomicUsize::new(0)));
    let total = all.len();
    let sending = tokio::spawn(send_all(Arc::clone(&rest), all, Arc::clone(&done)));
    let kills = usize::try_from(times(40)).unwrap();
    for kill in 0..kills {
        let some = total * (kill + 1) / (kills + 2);
        until("some are taken", async || {
            (done.load(Ordering::Relaxed) >= some).then_some(())
        })
        .await;
        if kill % 2 == 0 {
            let pid = stormy.module_pid(GOVERNANCE).await;
            processes::kill9(pid);
            stormy
                .module_is(GOVERNANCE, "running anew", |module| {
                    module["state"] == "running" && module["pid"] != json!(pid)
                })
                .await;
        } else {
            stormy.kill9();
            stormy.start_again().await;
            *rest.write().await = stormy.rest.clone();
            stormy.in_state(GOVERNANCE, "running").await;
        }
    }
    sending.await.unwrap();
    let found = settled(&stormy, distinct).await;
    assert_eq!(found, wanted);
    let mut proposals = stormy.call(GOVERNANCE, "get_proposals", at).await;
    proposals["height"].clone_from(&wanted_proposals["height"]);
    assert_eq!(proposals, wanted_proposals);
    let merged = wanted_proposals["proposals"].as_array().unwrap().iter();
    let merged: BTreeSet<_> = merged.map(|one| one["standing"].to_string()).collect();
    assert_eq!(merged.len(), 2, "some are merged and some closed");
}
