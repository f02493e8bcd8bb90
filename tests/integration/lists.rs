//! Lists of transactions, judged and sent by `testmempoolaccept` and `submitpackage`: our embedded
//! node says what a real bitcoind says. Skipped, aloud, where `BITCOIND_EXE` names none.

use bllvm_kernel_node::bitcoin::consensus::encode::serialize_hex;
use bllvm_kernel_node::bitcoin::transaction::Version;
use bllvm_kernel_node::bitcoin::{Amount, OutPoint, ScriptBuf, Transaction};
use bllvm_kernel_node::testing::spend;
use bllvm_tests::chain::{mine, open, same_tip, spending};
use bllvm_tests::wait::until;
use bllvm_tests::{Bitcoind, CoreRpc, TestServer};
use serde_json::{Value, json};

/// Spends the first output of a transaction and pays a fee.
fn child(of: &Transaction, fee: u64) -> Transaction {
    let value = of.output[0].value - Amount::from_sat(fee);
    let outpoint = OutPoint::new(of.compute_txid(), 0);
    let mut transaction = spend(outpoint, value, ScriptBuf::new());
    transaction.input[0].witness.push(open());
    transaction.output[0].script_pubkey = open().to_p2wsh();
    transaction.version = of.version;
    transaction
}

/// Spends a coinbase and pays a fee.
async fn parent(core: &CoreRpc, block: &Value, fee: u64, version: i32) -> Transaction {
    let mut transaction = spending(core, block).await;
    transaction.output[0].value = Amount::from_sat(5_000_000_000 - fee);
    transaction.version = Version(version);
    transaction
}

/// What both say, without what only Bitcoin Core 29 and Bitcoin Knots have: the numbers behind a reason.
fn shown(answer: Result<Value, (i64, String)>) -> Value {
    let mut shown = match answer {
        Ok(value) => value,
        Err((code, words)) => return json!([code, words]),
    };
    // Ours says nothing of what left, unless nothing did.
    if let Value::Object(fields) = &mut shown
        && fields
            .get("replaced-transactions")
            .is_some_and(|left| *left != json!([]))
    {
        fields.remove("replaced-transactions");
    }
    if let Some(Value::String(message)) = shown.get_mut("package_msg")
        && message.starts_with("package RBF failed")
    {
        "transaction failed".clone_into(message);
    }
    let judged = match &mut shown {
        Value::Array(items) => items.iter_mut().collect::<Vec<_>>(),
        Value::Object(fields) => match fields.get_mut("tx-results") {
            Some(Value::Object(results)) => results.values_mut().collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    for one in judged {
        if let Value::Object(fields) = one {
            fields.remove("reject-details");
            fields.remove("usage");
            if let Some(Value::String(error)) = fields.get_mut("error") {
                error.truncate(error.find(", ").unwrap_or(error.len()));
            }
            for amount in ["base", "effective-feerate"] {
                if let Some(found) = fields.get_mut("fees").and_then(|fees| fees.get_mut(amount)) {
                    *found = json!(format!("{:.8}", found.as_f64().unwrap()));
                }
            }
        }
    }
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_judged_as_a_bitcoind_judges_it() {
    let settings = ["-minrelaytxfee=0.000001", "-incrementalrelayfee=0.000001"];
    let Some(bitcoind) = Bitcoind::start(&settings) else {
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
    let mined = mine(&theirs, 120).await;
    same_tip(&ours, &theirs).await;
    let of = async |at: usize, fee, version| parent(&theirs, &mined[at], fee, version).await;

    let known = of(0, 10_000, 2).await;
    let raw = json!([serialize_hex(&known)]);
    let txid = theirs.done("sendrawtransaction", raw).await;
    until("the transaction arrives", async || {
        ours.call("getmempoolentry", json!([txid])).await.ok()
    })
    .await;

    // From here on each has what it was sent itself.
    theirs.done("setnetworkactive", json!([false])).await;

    let good = of(1, 10_000, 2).await;
    let other = of(2, 20_000, 2).await;
    let free = of(3, 0, 2).await;
    let free3 = of(4, 0, 3).await;
    let stolen = {
        let mut transaction = of(5, 0, 2).await;
        transaction.output[0].value += Amount::from_sat(1);
        transaction
    };
    let twice = of(1, 30_000, 2).await;
    let replaces = of(0, 30_000, 2).await;
    let low3 = of(6, 5, 3).await;
    let unknown = {
        let mut transaction = spending(&theirs, &mined[7]).await;
        transaction.input[0].previous_output.vout = 9;
        transaction
    };
    let dear = of(8, 50_000_000, 2).await;
    let sibling3 = {
        let mut second = child(&low3, 9_000);
        second.output[0].value -= Amount::from_sat(1);
        second
    };
    let cases: Vec<(&str, Vec<Transaction>)> = vec![
        ("parent and child", vec![good.clone(), child(&good, 5000)]),
        ("strangers", vec![good.clone(), other.clone()]),
        ("free parent", vec![free.clone(), child(&free, 5000)]),
        ("free TRUC parent", vec![free3.clone(), child(&free3, 5000)]),
        ("low TRUC parent", vec![low3.clone(), child(&low3, 5000)]),
        (
            "two TRUC children",
            vec![low3.clone(), child(&low3, 5000), sibling3],
        ),
        ("child first", vec![child(&good, 5000), good.clone()]),
        ("the same twice", vec![good.clone(), good.clone()]),
        ("a conflict within", vec![good.clone(), twice.clone()]),
        (
            "a replacement beside another",
            vec![replaces.clone(), other.clone()],
        ),
        (
            "a replacement and its child",
            vec![replaces.clone(), child(&replaces, 5000)],
        ),
        ("a replacement alone", vec![replaces]),
        (
            "theft and its child",
            vec![stolen.clone(), child(&stolen, 5000)],
        ),
        (
            "good, theft, good",
            vec![good.clone(), stolen, other.clone()],
        ),
        (
            "good, unknown input, good",
            vec![good.clone(), unknown, other.clone()],
        ),
        (
            "known and its child",
            vec![known.clone(), child(&known, 5000)],
        ),
        ("known and a stranger", vec![known.clone(), other.clone()]),
        ("dear and its child", vec![dear.clone(), child(&dear, 5000)]),
        (
            "good, dear",
            vec![good.clone(), dear.clone(), other.clone()],
        ),
        ("dear alone", vec![dear]),
        (
            "child without its parent",
            vec![child(&good, 5000), other.clone()],
        ),
    ];
    let mut differ = Vec::new();
    for (name, list) in &cases {
        let raw: Vec<String> = list.iter().map(serialize_hex).collect();
        let (a, b) = (
            shown(theirs.call("testmempoolaccept", json!([raw])).await),
            shown(ours.call("testmempoolaccept", json!([raw])).await),
        );
        if a != b {
            differ.push(format!("judging {name}:\n  bitcoind {a}\n  ours     {b}"));
        }
    }
    // Bitcoin Knots takes them without their rules, and so without what they may do.
    let info = theirs.done("getmempoolinfo", json!([])).await;
    let without_truc = info["truc_policy"] == "accept";
    for (name, list) in &cases {
        if without_truc && name.contains("TRUC") {
            continue;
        }
        let raw: Vec<String> = list.iter().map(serialize_hex).collect();
        let (a, b) = (
            shown(theirs.call("submitpackage", json!([raw])).await),
            shown(ours.call("submitpackage", json!([raw])).await),
        );
        if a != b {
            differ.push(format!("sending {name}:\n  bitcoind {a}\n  ours     {b}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
