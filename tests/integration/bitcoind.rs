//! A real bitcoind, as a peer of the embedded node and as the base node of a host. Skipped, aloud,
//! where `BITCOIND_EXE` names none.

use std::time::{Duration, Instant};

use bllvm_kernel_node::bitcoin::consensus::encode::serialize_hex;
use bllvm_tests::chain::{ELSEWHERE, mine, same_tip, spending};
use bllvm_tests::wait::until;
use bllvm_tests::{Bitcoind, CoreRpc, Fixture, TestServer, times};
use reqwest::Method;
use serde_json::{Map, Value, json};

/// Sent at one, mined at the other, and gone from both mempools.
async fn crosses(from: &CoreRpc, to: &CoreRpc, coinbase_of: &Value) {
    let transaction = spending(from, coinbase_of).await;
    let raw = json!([serialize_hex(&transaction)]);
    let txid = from.done("sendrawtransaction", raw).await;
    until("the transaction arrives", async || {
        to.call("getmempoolentry", json!([txid])).await.ok()
    })
    .await;
    let hash = mine(to, 1).await.remove(0);
    assert_eq!(same_tip(from, to).await, hash);
    let shown = from.done("getblock", json!([hash, 1])).await;
    assert_eq!(shown["tx"][1], txid);
    assert_eq!(from.done("getrawmempool", json!([])).await, json!([]));
}

async fn relay(ours: &CoreRpc, theirs: &CoreRpc) {
    until("our node answers", async || {
        ours.call("getblockcount", json!([])).await.ok()
    })
    .await;
    let first = mine(theirs, 105).await;
    assert_eq!(same_tip(ours, theirs).await, first[104]);
    crosses(ours, theirs, &first[0]).await;
    crosses(theirs, ours, &first[1]).await;
    let mined = mine(ours, 3).await;
    assert_eq!(same_tip(ours, theirs).await, mined[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_node_calls_a_bitcoind_and_both_pass_on_what_they_have() {
    let Some(bitcoind) = Bitcoind::start(&[]) else {
        return;
    };
    let theirs = bitcoind.rpc().await;
    let server = TestServer::builder()
        .set("node.backend=embedded")
        .set(&format!("node.connect={}", bitcoind.p2p()))
        .start()
        .await;
    let ours = server.face(&server.rest.cookie.1);
    relay(&ours, &theirs).await;
    let peers = theirs.done("getpeerinfo", json!([])).await;
    assert!(peers[0]["subver"].as_str().unwrap().starts_with("/bllvm:"));

    // Apart, theirs grows longer than ours; together again, what ours had confirmed is unconfirmed.
    let shared = theirs.done("getblockcount", json!([])).await;
    theirs.done("setnetworkactive", json!([false])).await;
    until("they are apart", async || {
        let peers = ours.done("getpeerinfo", json!([])).await;
        (peers == json!([])).then_some(())
    })
    .await;
    let hash = theirs.done("getblockhash", json!([3])).await;
    let raw = json!([serialize_hex(&spending(&ours, &hash).await)]);
    let txid = ours.done("sendrawtransaction", raw).await;
    mine(&ours, 1).await;
    let longer = theirs
        .done("generatetoaddress", json!([3, ELSEWHERE]))
        .await;
    theirs.done("setnetworkactive", json!([true])).await;
    assert_eq!(same_tip(&ours, &theirs).await, longer[2]);
    ours.done("getmempoolentry", json!([txid])).await;
    assert_eq!(
        ours.done("getblockcount", json!([])).await,
        json!(shared.as_u64().unwrap() + 3)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bitcoind_calls_the_embedded_node_and_both_pass_on_what_they_have() {
    let server = TestServer::builder()
        .set("node.backend=embedded")
        .set("node.p2p_listen=127.0.0.1:0")
        .start()
        .await;
    let ours = server.face(&server.rest.cookie.1);
    let address = until("it listens for peers", async || {
        let view = server.rest.request(Method::GET, "/api/v1/node");
        let view = server.rest.send(view).await.done();
        view["network"]["p2p_address"].as_str().map(str::to_owned)
    })
    .await;
    let Some(bitcoind) = Bitcoind::start(&[&format!("-connect={address}")]) else {
        return;
    };
    relay(&ours, &bitcoind.rpc().await).await;
}

async fn events(server: &TestServer, kind: &str) -> usize {
    let path = format!("/api/v1/events?types={kind}&limit=200");
    let events = server.rest.request(Method::GET, &path);
    let events = server.rest.send(events).await.done();
    events["items"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_stands_on_a_bitcoind_that_dies_comes_back_and_is_reset() {
    let Some(mut bitcoind) = Bitcoind::start(&[]) else {
        return;
    };
    let theirs = bitcoind.rpc().await;
    mine(&theirs, 3).await;
    // Polled once an hour: what comes in time comes by ZMQ.
    let mut server = TestServer::builder()
        .set("node.backend=core")
        .set("node.core_poll=1 h")
        .set(&format!("node.core_url={}", bitcoind.url()))
        .set(&format!("node.core_zmq={}", bitcoind.zmq()))
        .set(&format!("node.core_cookie={}", bitcoind.cookie().display()))
        .start()
        .await;
    let height = async |server: &TestServer| {
        let request = server.rest.request(Method::GET, "/api/v1/node/tip");
        server.rest.send(request).await.json()["height"].as_u64()
    };
    until("the first blocks are there", async || {
        (height(&server).await == Some(3)).then_some(())
    })
    .await;
    mine(&theirs, 1).await;
    until("ZMQ wakes", async || {
        (height(&server).await == Some(4)).then_some(())
    })
    .await;

    let module = Fixture::new("well").capabilities(&["chain.read", "module.register"]);
    server.run(&module).await;
    let pid = server.module_pid("fixture-well").await;
    let asked = async |server: &TestServer| {
        let params = json!({ "method": "chain.tip" });
        let answer = server.call("fixture-well", "ask", params).await;
        answer["code"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(asked(&server).await, "ok");
    // It stops, and starts again with a new cookie.
    bitcoind.stop().await;
    until("the module is told", async || {
        (asked(&server).await == "unavailable").then_some(())
    })
    .await;
    let away = Instant::now();
    while away.elapsed() < Duration::from_secs(times(60).into()) {
        assert_eq!(asked(&server).await, "unavailable");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    bitcoind.start_again();
    let theirs = bitcoind.rpc().await;
    until("the module is served again", async || {
        (asked(&server).await == "ok").then_some(())
    })
    .await;
    mine(&theirs, 2).await;
    until("the new blocks are there", async || {
        (height(&server).await == Some(6)).then_some(())
    })
    .await;
    assert_eq!(server.module_pid("fixture-well").await, pid);
    assert_eq!(server.runs("fixture-well").await.len(), 1);

    assert!(server.stop().await.success());
    bitcoind.reset();
    bitcoind.start_again();
    let theirs = bitcoind.rpc().await;
    theirs
        .done("generatetoaddress", json!([2, ELSEWHERE]))
        .await;
    server.start_again().await;
    until("the reset is announced", async || {
        (events(&server, "chain.reset").await == 1).then_some(())
    })
    .await;
    until("the new chain is served", async || {
        (height(&server).await == Some(2)).then_some(())
    })
    .await;
}

/// Takes away what one node says of itself alone, and what Bitcoin Knots adds to Bitcoin Core.
fn common(value: &Value, own: &[&str]) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields
                .iter()
                .filter(|(name, _)| !own.contains(&name.as_str()));
            let kept = kept.map(|(name, value)| (name.clone(), common(value, own)));
            Value::Object(kept.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(|item| common(item, own)).collect(),
        // Printed with another number of digits.
        Value::Number(number) => json!(format!("{:.9e}", number.as_f64().unwrap())),
        other => other.clone(),
    }
}

/// Of each node its own: its disk, its clock, its order, its digits; and fields of Bitcoin Knots.
const OWN: &[&str] = &[
    "size_on_disk",
    "usage",
    "curtime",
    "longpollid",
    "header_version",
    "txcount",
    "currentpriority",
    "startingpriority",
    "dustdynamic",
    "dustrelayfee",
    "dustrelayfeefloor",
    "rbf_policy",
    "truc_policy",
    // Of Bitcoin Core 29, too; nothing here has more to say than the reason.
    "reject-details",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_face_answers_what_a_bitcoind_answers() {
    let relay_fee = ["-minrelaytxfee=0.000001", "-incrementalrelayfee=0.000001"];
    let Some(bitcoind) = Bitcoind::start(&relay_fee) else {
        return;
    };
    let theirs = bitcoind.rpc().await;
    let server = TestServer::builder()
        .set("node.backend=embedded")
        .set(&format!("node.connect={}", bitcoind.p2p()))
        .start()
        .await;
    let ours = server.face(&server.rest.cookie.1);
    until("our node answers", async || {
        ours.call("getblockcount", json!([])).await.ok()
    })
    .await;
    let mined = mine(&theirs, 110).await;
    same_tip(&ours, &theirs).await;
    let unconfirmed = spending(&theirs, &mined[0]).await;
    let raw = json!([serialize_hex(&unconfirmed)]);
    let txid = theirs.done("sendrawtransaction", raw).await;
    until("the transaction arrives", async || {
        ours.call("getmempoolentry", json!([txid])).await.ok()
    })
    .await;
    let hex = async |at: usize, more: u64| {
        let mut transaction = spending(&theirs, &mined[at]).await;
        transaction.output[0].value += bllvm_kernel_node::bitcoin::Amount::from_sat(more);
        serialize_hex(&transaction)
    };
    let block = theirs.done("getblock", json!([mined[5], 1])).await;
    let coinbase = &block["tx"][0];
    let nobody = "11".repeat(32);
    let segwit = json!({ "rules": ["segwit"] });
    let cases = [
        ("getblockchaininfo", json!([])),
        ("getbestblockhash", json!([])),
        ("getblockhash", json!([5])),
        ("getblockhash", json!([999])),
        ("getblockhash", json!([-1])),
        ("getblockhash", json!(["x"])),
        ("getblockheader", json!([mined[5]])),
        ("getblockheader", json!([mined[109]])),
        ("getblockheader", json!([mined[5], false])),
        ("getblockheader", json!([nobody])),
        ("getblockheader", json!(["zz"])),
        ("getblock", json!([mined[5], 0])),
        ("getblock", json!([mined[5], 1])),
        ("getblock", json!([mined[5], 2])),
        ("getblock", json!([mined[5], 3])),
        ("getblock", json!([nobody])),
        ("getblock", json!([5])),
        ("getblockfilter", json!([mined[5]])),
        ("getblockfilter", json!([mined[5], "odd"])),
        ("gettxout", json!([coinbase, 0])),
        ("gettxout", json!([coinbase, 7])),
        ("gettxout", json!([txid, 0])),
        ("gettxout", json!([txid, 0, false])),
        ("getrawtransaction", json!([coinbase])),
        ("getrawtransaction", json!([coinbase, true])),
        ("getrawtransaction", json!([coinbase, true, mined[5]])),
        ("getrawtransaction", json!([coinbase, true, mined[6]])),
        ("getrawtransaction", json!([nobody])),
        ("getrawtransaction", json!([txid, true])),
        ("getrawmempool", json!([])),
        ("getmempoolinfo", json!([])),
        ("getmempoolentry", json!([nobody])),
        ("sendrawtransaction", json!(["00"])),
        ("testmempoolaccept", json!([[hex(1, 0).await]])),
        ("testmempoolaccept", json!([[hex(1, 10_000).await]])),
        ("testmempoolaccept", json!([[hex(1, 10_001).await]])),
        ("testmempoolaccept", json!([[hex(0, 0).await]])),
        ("testmempoolaccept", json!([[hex(0, 1000).await]])),
        ("testmempoolaccept", json!([[hex(105, 0).await]])),
        ("testmempoolaccept", json!([[]])),
        ("testmempoolaccept", json!([["zz"]])),
        ("submitpackage", json!([[]])),
        ("estimatesmartfee", json!([0])),
        ("estimatesmartfee", json!([2000])),
        ("estimatesmartfee", json!(["x"])),
        ("getblocktemplate", json!([segwit])),
        ("submitblock", json!(["00"])),
        ("getconnectioncount", json!([])),
        ("getdifficulty", json!([])),
        ("nosuch", json!([])),
    ];
    let mut differ = Vec::new();
    for (method, params) in cases {
        let (a, b) = (
            theirs.call(method, params.clone()).await,
            ours.call(method, params.clone()).await,
        );
        let shown = |answer: &Result<Value, (i64, String)>| match answer {
            Ok(value) => common(value, OWN),
            Err((code, words)) => json!([code, words]),
        };
        let (a, b) = (shown(&a), shown(&b));
        if a != b {
            differ.push(format!(
                "{method} {params}:\n  bitcoind {a}\n  ours     {b}"
            ));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bitcoin_cli_shows_the_embedded_node_and_its_peers() {
    let Some(bitcoind) = Bitcoind::start(&[]) else {
        return;
    };
    let Some(cli) = bitcoind.cli() else {
        eprintln!("SKIPPED: no bitcoin-cli beside BITCOIND_EXE");
        return;
    };
    mine(&bitcoind.rpc().await, 3).await;
    let server = TestServer::builder()
        .set("node.backend=embedded")
        .set(&format!("node.connect={}", bitcoind.p2p()))
        .start()
        .await;
    let ours = server.face(&server.rest.cookie.1);
    until("the blocks are there", async || {
        (ours.call("getblockcount", json!([])).await.ok()? == 3).then_some(())
    })
    .await;
    let port = ours.url.rsplit(':').next().unwrap();
    let cookie = server.data_dir().join(".cookie");
    for (words, shown) in [
        (["-getinfo", ""], "Blocks: 3"),
        (["-netinfo", "4"], "/Satoshi:"),
        (["getblockhash", "3"], ""),
    ] {
        let done = tokio::process::Command::new(&cli)
            .args(["-regtest", &format!("-rpcport={port}")])
            .arg(format!("-rpccookiefile={}", cookie.display()))
            .args(words.iter().filter(|word| !word.is_empty()))
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let failed = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{words:?}: {failed}");
        assert!(said.contains(shown), "{words:?}: {said}");
    }
}
