//! A veto on a real node: proofs, signals, both events, and a transcript that two programs count again.

use std::path::Path;
use std::process::Command;

use bllvm_node::clock::{Clock as _, SystemClock};
use bllvm_node::model::UtcTime;
use bllvm_tests::governance::{self, GOVERNANCE, Signer, comment, deliver, pull_request};
use bllvm_tests::programs::program;
use bllvm_tests::wait::until;
use bllvm_tests::{CoreRpc, TestServer};
use serde_json::{Value, json};

use crate::governance_proofs::{Owner, challenge, claim, mine, weight};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const REACHED: &str = "governance.veto_threshold_reached";
const CLOSED: &str = "governance.veto_closed";

/// A node with three economic nodes, whose pool has mined 40 of 101 blocks.
struct Vote {
    server: TestServer,
    core: CoreRpc,
    nodes: [Signer; 3],
    now: UtcTime,
}

impl Vote {
    async fn begin() -> Self {
        let builder = TestServer::builder().set("node.backend=embedded");
        let server = builder.start().await;
        let core = server.face(&server.rest.cookie.1);
        until("the base node answers", async || {
            core.call("getblockcount", json!([])).await.ok()
        })
        .await;
        let nodes = ["pool", "exchange", "holder"].map(|name| Signer::new(server.folder(), name));
        let [pool, exchange, holder] = &nodes;
        let config = json!({
            // Tier 4: 25 % of the blocks and 35 % of the coins, within a day.
            "repositories": [{ "name": "example/node", "layer": 5, "tier": 4 }],
            "economic_nodes": [
                { "name": "pool", "key": pool.key },
                { "name": "exchange", "key": exchange.key, "attested_sat": 10_000_000_000_u64 },
                { "name": "holder", "key": holder.key, "attested_sat": 5_000_000_000_u64 },
            ],
        });
        governance::run(&server, config).await;
        let miner = Owner::new(1);
        let coins = mine(&core, &miner.address(), 40).await;
        mine(&core, &Owner::new(3).address(), 60).await;
        let message = challenge(&server, &pool.key).await;
        let proof = miner.prove(&message, &coins[..2]);
        server
            .call(GOVERNANCE, "submit_proof", claim(&message, &miner, &proof))
            .await;
        until("the pool's blocks are counted", async || {
            (weight(&server, "pool").await["blocks"] == 40).then_some(())
        })
        .await;
        let now = SystemClock.now();
        Self {
            server,
            core,
            nodes,
            now,
        }
    }

    fn ago(&self, ms: i64) -> String {
        self.now.plus_ms(-ms).to_string()
    }

    /// Sends a body and waits for the verdict's code; none where it was taken.
    async fn judged(&self, id: &str, body: &Value) -> Option<String> {
        let sent = deliver(&self.server.rest, id, body).await.unwrap().done();
        let path = format!(
            "/api/v1/webhooks/deliveries/{}",
            sent["delivery"].as_str().unwrap()
        );
        until("the verdict is on the row", async || {
            let row = self.server.rest.get(&path).await.done();
            let mut attempts = row["attempts"].as_array()?.iter().rev();
            let ours = format!("module:{GOVERNANCE}");
            let verdict = attempts.find(|one| one["actor"] == ours.as_str())?;
            Some(verdict["code"].as_str().map(str::to_owned))
        })
        .await
    }

    async fn opens(&self, number: u64, ms_ago: i64) {
        let mut body = pull_request(number, &head(number), 0);
        body["pull_request"]["updated_at"] = json!(self.ago(ms_ago));
        assert_eq!(self.judged(&format!("pull-{number}"), &body).await, None);
    }

    /// What a node says, as the comment has it.
    fn says(&self, node: usize, number: u64, action: &str, nonce: &str) -> String {
        self.nodes[node].says(&[
            ("chain", "regtest"),
            ("repository", "example/node"),
            ("number", &number.to_string()),
            ("head", &head(number)),
            ("action", action),
            ("nonce", nonce),
            ("from", "0"),
            ("to", "10000"),
        ])
    }

    /// A comment under a pull request; the verdict's code.
    async fn comments(&self, number: u64, text: &str, ms_ago: i64) -> Option<String> {
        let mut body = comment(number, 1, "anybody", text, 0);
        body["comment"]["updated_at"] = json!(self.ago(ms_ago));
        let id = format!("{number}-{}", &text[text.len() - 16..]);
        self.judged(&id, &body).await
    }

    async fn transcript(&self, number: u64) -> Value {
        let params = json!({ "number": number });
        let answer = self.server.call(GOVERNANCE, "get_vetoes", params).await;
        answer["vetoes"][0].clone()
    }

    async fn told(&self, kind: &str, number: u64) -> Vec<Value> {
        let all = self.server.events(kind).await.into_iter();
        let about = format!("example/node#{number}");
        all.filter(|event| event["data"]["proposal"] == about.as_str())
            .map(|event| event["data"].clone())
            .collect()
    }

    async fn told_so_often(&self, kind: &str, number: u64, count: usize) -> Vec<Value> {
        until("it is told", async || {
            let told = self.told(kind, number).await;
            (told.len() >= count).then_some(told)
        })
        .await
    }
}

fn head(number: u64) -> String {
    format!("{number:040x}")
}

/// Both programs, one after the other: whether they take it, and what the first one said.
fn verified(folder: &Path, transcript: &Value) -> (bool, String) {
    let file = folder.join("transcript.json");
    std::fs::write(&file, serde_json::to_string_pretty(transcript).unwrap()).unwrap();
    let ours = Command::new(program(GOVERNANCE))
        .arg("verify")
        .arg(&file)
        .output()
        .unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../modules/bllvm-governance/verify_transcript.py");
    let other = Command::new("python3").arg(script).arg(&file).output();
    let said = String::from_utf8([ours.stdout, ours.stderr].concat()).unwrap();
    let (ours, other) = (ours.status.success(), other.unwrap().status.success());
    assert_eq!(ours, other, "{said}");
    (ours, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_veto_is_reached_told_once_and_counted_again_by_two_programs() {
    let vote = Vote::begin().await;
    vote.opens(7, HOUR_MS).await;
    let early = vote.transcript(7).await;
    assert_eq!(early["tally"]["vetoed"], false);
    assert_eq!(early["tally"]["reachable"], true);

    // A signal is for one pull request: the same comment under another one says nothing.
    vote.opens(9, HOUR_MS).await;
    let pools = vote.says(0, 7, "veto", "1");
    assert_eq!(
        vote.comments(9, &pools, 30 * MINUTE_MS).await.as_deref(),
        Some("bad_signature")
    );
    for _ in 0..2 {
        assert_eq!(vote.comments(7, &pools, 30 * MINUTE_MS).await, None);
    }
    assert_eq!(vote.transcript(7).await["tally"]["mining"]["veto"], 40);
    // Both sides are needed: the pool alone has two coins of five.
    vote.comments(7, &vote.says(1, 7, "support", "1"), 29 * MINUTE_MS)
        .await;
    vote.comments(7, &vote.says(1, 7, "veto", "2"), 28 * MINUTE_MS)
        .await;
    // An older word that comes later changes nothing.
    vote.comments(7, &vote.says(1, 7, "abstain", "0"), 27 * MINUTE_MS)
        .await;
    vote.comments(7, &vote.says(2, 7, "support", "1"), 26 * MINUTE_MS)
        .await;
    let open = vote.transcript(7).await;
    assert_eq!(open["closed"], false);
    let tally = &open["tally"];
    assert_eq!(
        (
            &tally["vetoed"],
            &tally["mining"]["veto"],
            &tally["mining"]["total"]
        ),
        (&json!(true), &json!(40), &json!(101)),
        "{tally:#}"
    );
    assert_eq!(tally["economic"]["veto"], 20_000_000_000_u64);
    assert_eq!(tally["economic"]["total"], 25_000_000_000_u64);
    let told = vote.told_so_often(REACHED, 7, 1).await;
    assert_eq!(told[0]["vetoed"], true);
    let (good, said) = verified(vote.server.folder(), &open);
    assert!(good && said.contains("vetoed, and still open"), "{said}");

    // Whoever alters it is found out, by signature, window, rules or sum.
    for (pointer, value) in [
        ("/tally/vetoed", json!(false)),
        ("/window_from", json!(50)),
        ("/closes_at", json!(0)),
        ("/signals/0/nonce", json!(7)),
        ("/nodes/0/proven_sat", json!(1)),
    ] {
        let mut altered = open.clone();
        *altered.pointer_mut(pointer).unwrap() = value;
        let (good, said) = verified(vote.server.folder(), &altered);
        assert!(!good, "{pointer}: {said}");
    }
    mine(&vote.core, &Owner::new(3).address(), 1).await;
    until("the next block is weighed", async || {
        (vote.transcript(7).await["height"] == 101).then_some(())
    })
    .await;
    assert_eq!(vote.told(REACHED, 7).await.len(), 1, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_the_same_whenever_its_deliveries_come() {
    let vote = Vote::begin().await;
    // Its day ended an hour ago, on both clocks; nothing was said of it so far.
    vote.opens(8, 25 * HOUR_MS).await;
    let told = vote.told_so_often(CLOSED, 8, 1).await;
    assert_eq!(told[0]["vetoed"], false);
    let empty = vote.transcript(8).await;
    assert_eq!(
        (&empty["closed"], &empty["height"]),
        (&json!(true), &json!(100))
    );

    // What was said in time counts when it comes; what was said too late never does.
    vote.comments(8, &vote.says(2, 8, "veto", "9"), 30 * MINUTE_MS)
        .await;
    assert_eq!(vote.transcript(8).await, empty);
    vote.comments(8, &vote.says(0, 8, "veto", "1"), 24 * HOUR_MS + MINUTE_MS)
        .await;
    vote.comments(8, &vote.says(1, 8, "veto", "1"), 24 * HOUR_MS + MINUTE_MS)
        .await;
    let whole = vote.transcript(8).await;
    assert_eq!(whole["tally"]["vetoed"], true, "{:#}", whole["tally"]);
    assert_eq!(whole["signals"].as_array().unwrap().len(), 2);
    let last = until("the other result is told", async || {
        let told = vote.told(CLOSED, 8).await;
        told.last().cloned().filter(|last| last["vetoed"] == true)
    })
    .await;
    assert_eq!(vote.told_so_often(REACHED, 8, 1).await.len(), 1);

    // The weights stay those of the block of the end, whatever is mined or spent since.
    mine(&vote.core, &Owner::new(3).address(), 3).await;
    until("the blocks are counted", async || {
        let census = vote
            .server
            .call(GOVERNANCE, "get_economic_nodes", json!({}));
        (census.await["height"] == 103).then_some(())
    })
    .await;
    let after = vote.transcript(8).await;
    assert_eq!(after, whole);
    let (good, said) = verified(vote.server.folder(), &after);
    assert!(good && said.contains("vetoed\n"), "{said}");
    // The event has told what the transcript's digest is.
    let digest = last["transcript_sha256"].as_str().unwrap();
    assert!(said.contains(digest), "{digest} is not in {said}");
    let mut fewer = after.clone();
    fewer["signals"].as_array_mut().unwrap().clear();
    assert!(!verified(vote.server.folder(), &fewer).0);
}
