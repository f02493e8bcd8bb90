//! Sending, proposing and submitting: Core's verdicts, and a row of the audit trail for each.

use std::time::Instant;

use bllvm_kernel_node::bitcoin::consensus::encode::{deserialize, serialize, serialize_hex};
use bllvm_kernel_node::bitcoin::{
    Address, Amount, Block, BlockHash, CompactTarget, Network, OutPoint, ScriptBuf, Transaction,
};
use bllvm_kernel_node::testing::spend;
use bllvm_kernel_node::{BlockPlan, anyone_can_spend};
use bllvm_tests::{CoreRpc, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{token, with_blocks};

fn hash_of(text: &Value) -> BlockHash {
    text.as_str().unwrap().parse().unwrap()
}

/// Ripe coinbases that anyone can spend.
async fn with_coins() -> (TestServer, CoreRpc, Vec<Value>) {
    let (server, core, _) = with_blocks(1).await;
    let payee = Address::p2wsh(&open(), Network::Regtest).to_string();
    let mined = core.done("generatetoaddress", json!([102, payee])).await;
    let mined = serde_json::from_value(mined).unwrap();
    (server, core, mined)
}

/// A script that is true, as everybody may use it behind its hash.
fn open() -> ScriptBuf {
    ScriptBuf::from_bytes(vec![0x51])
}

async fn coinbase(core: &CoreRpc, hash: &Value) -> OutPoint {
    let raw = core.done("getblock", json!([hash, 0])).await;
    let raw = hex::decode(raw.as_str().unwrap()).unwrap();
    let block: Block = deserialize(&raw).unwrap();
    OutPoint::new(block.txdata[0].compute_txid(), 0)
}

fn paying(from: OutPoint, fee: u64) -> Transaction {
    let value = Amount::from_int_btc(50) - Amount::from_sat(fee);
    let mut transaction = spend(from, value, ScriptBuf::new());
    transaction.input[0].witness.push(open());
    transaction.output[0].script_pubkey = open().to_p2wsh();
    transaction
}

/// What a miner makes of a template.
fn assemble(template: &Value) -> Block {
    let bits = u32::from_str_radix(template["bits"].as_str().unwrap(), 16).unwrap();
    let plan = BlockPlan {
        prev: hash_of(&template["previousblockhash"]),
        height: template["height"].as_u64().unwrap().try_into().unwrap(),
        time: template["curtime"].as_u64().unwrap().try_into().unwrap(),
        min_time: template["mintime"].as_u64().unwrap().try_into().unwrap(),
        bits: CompactTarget::from_consensus(bits),
        halving: 150,
    };
    let pays = Amount::from_sat(template["coinbasevalue"].as_u64().unwrap());
    let coinbase = plan.coinbase(pays, &anyone_can_spend(), 1, None);
    let transactions = template["transactions"].as_array().unwrap();
    let transactions = transactions.iter().map(|one| {
        let raw = hex::decode(one["data"].as_str().unwrap()).unwrap();
        deserialize(&raw).unwrap()
    });
    plan.assemble(coinbase, transactions.collect())
}

async fn propose(core: &CoreRpc, block: &Block) -> Value {
    let request = json!({ "mode": "proposal", "data": serialize_hex(block) });
    core.done("getblocktemplate", json!([request])).await
}

async fn audited(server: &TestServer, action: &str) -> Vec<Value> {
    let request = server.rest.request(Method::GET, "/api/v1/audit?limit=200");
    let rows = server.rest.send(request).await.done();
    let mut rows = rows["items"].as_array().unwrap().clone();
    rows.retain(|row| row["action"] == action);
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_proposed_and_submitted_and_each_submission_is_written_down() {
    let (server, core, mined) = with_coins().await;
    let sent = paying(coinbase(&core, &mined[0]).await, 2000);
    let hex = serialize_hex(&sent);
    let judged = core.done("testmempoolaccept", json!([[hex]])).await;
    assert_eq!(judged[0]["allowed"], true);
    assert_eq!(judged[0]["fees"]["base"], 0.000_02);
    let txid = core.done("sendrawtransaction", json!([hex])).await;
    assert_eq!(txid, json!(sent.compute_txid()));
    let again = core.done("testmempoolaccept", json!([[hex]])).await;
    assert_eq!(again[0]["reject-reason"], "txn-already-in-mempool");
    // Sending it once more is no fault, as with Bitcoin Core.
    core.done("sendrawtransaction", json!([hex])).await;
    let mempool = core.done("getmempoolinfo", json!([])).await;
    assert_eq!(mempool["total_fee"], 0.000_02);
    assert!(mempool["usage"].as_u64().unwrap() > 0);

    let template = core
        .done("getblocktemplate", json!([{ "rules": ["segwit"] }]))
        .await;
    assert_eq!(template["transactions"][0]["fee"], 2000);
    assert!(template["transactions"][0]["sigops"].is_u64());
    assert_eq!(template["coinbasevalue"], 5_000_002_000_u64);
    let mut block = assemble(&template);
    let commitment = &block.txdata[0].output[1].script_pubkey;
    assert_eq!(
        template["default_witness_commitment"],
        commitment.to_hex_string()
    );
    assert_eq!(propose(&core, &block).await, Value::Null);
    let mut greedy = block.clone();
    greedy.txdata[0].output[0].value += Amount::ONE_SAT;
    greedy.header.merkle_root = greedy.compute_merkle_root().unwrap();
    assert_eq!(propose(&core, &greedy).await, "bad-cb-amount");
    let mut torn = block.clone();
    torn.txdata[1].version.0 += 1;
    assert_eq!(propose(&core, &torn).await, "bad-txnmrklroot");

    let target = block.header.target();
    while block.header.validate_pow(target).is_err() {
        block.header.nonce += 1;
    }
    let raw = hex::encode(serialize(&block));
    let pool = server.face(&token(&server, &["node:control"]).await);
    assert_eq!(pool.done("submitblock", json!([raw])).await, Value::Null);
    assert_eq!(propose(&core, &block).await, "duplicate");
    let rows = audited(&server, "submit_block").await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["target"], format!("block {}", block.block_hash()));

    // Confirmed: the index finds it, and it cannot be spent or sent again.
    let found = core.done("getrawtransaction", json!([txid, true])).await;
    assert_eq!(found["blockhash"], json!(block.block_hash()));
    let refused = core.call("sendrawtransaction", json!([hex])).await;
    assert_eq!(refused.unwrap_err().0, -27);
    let rival = serialize_hex(&paying(sent.input[0].previous_output, 9000));
    let refused = core.call("sendrawtransaction", json!([rival])).await;
    let words = "bad-txns-inputs-missingorspent".to_owned();
    assert_eq!(refused, Err((-25, words)));
    let rows = audited(&server, "send_transactions").await;
    assert_eq!(rows.len(), 4, "{rows:?}");
    let target = format!("transaction {}", sent.compute_txid());
    assert_eq!(rows.iter().filter(|row| row["target"] == target).count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longpoll_answers_when_a_transaction_comes() {
    let (_server, core, mined) = with_coins().await;
    let request = json!([{ "rules": ["segwit"] }]);
    let first = core.done("getblocktemplate", request).await;
    let waiting = {
        let core = core.clone();
        let request = json!([{ "rules": ["segwit"], "longpollid": first["longpollid"] }]);
        tokio::spawn(async move { core.done("getblocktemplate", request).await })
    };
    let sent = paying(coinbase(&core, &mined[0]).await, 2000);
    core.done("sendrawtransaction", json!([serialize_hex(&sent)]))
        .await;
    let second = waiting.await.unwrap();
    assert_ne!(second["longpollid"], first["longpollid"]);
    assert_eq!(
        second["transactions"][0]["txid"],
        json!(sent.compute_txid())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_alone_cost_who_waits_a_template_a_second_at_the_most() {
    const LAST: u64 = 20_000;
    let (_server, core, mined) = with_coins().await;
    let coin = coinbase(&core, &mined[0]).await;
    let (miner, began) = (core.clone(), Instant::now());
    let waiting = tokio::spawn(async move {
        let request = json!([{ "rules": ["segwit"] }]);
        let mut template = miner.done("getblocktemplate", request).await;
        let mut templates = 1;
        while template["transactions"][0]["fee"] != LAST {
            let request = json!([{ "rules": ["segwit"], "longpollid": template["longpollid"] }]);
            template = miner.done("getblocktemplate", request).await;
            templates += 1;
        }
        templates
    });
    // Each takes the place of the one before.
    for fee in (1000..=LAST).step_by(1000) {
        let sent = serialize_hex(&paying(coin, fee));
        core.done("sendrawtransaction", json!([sent])).await;
    }
    let templates = waiting.await.unwrap();
    let seconds = began.elapsed().as_secs();
    assert!(
        templates <= seconds + 2,
        "{templates} templates in {seconds} s"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_for_a_template_keep_nobody_from_asking() {
    const ASKING: usize = 20;
    const WAITING: usize = 8;
    let (_server, core, _) = with_blocks(1).await;
    let request = json!([{ "rules": ["segwit"] }]);
    let first = core.done("getblocktemplate", request).await;
    let mut asking = JoinSet::new();
    for _ in 0..ASKING {
        let core = core.clone();
        let request = json!([{ "rules": ["segwit"], "longpollid": first["longpollid"] }]);
        asking.spawn(async move { core.call("getblocktemplate", request).await });
    }
    for _ in WAITING..ASKING {
        let refused = asking.join_next().await.unwrap().unwrap().unwrap_err();
        assert_eq!(refused.0, -1);
        assert!(refused.1.contains("longpolls"), "{refused:?}");
    }
    core.done("generatetoaddress", json!([1, super::ADDRESS]))
        .await;
    while let Some(answered) = asking.join_next().await {
        assert_eq!(answered.unwrap().unwrap()["height"], 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_keeps_to_what_its_sender_wants_to_pay() {
    let (server, core, mined) = with_coins().await;
    let dear = paying(coinbase(&core, &mined[0]).await, 50_000_000);
    let mut child = spend(
        OutPoint::new(dear.compute_txid(), 0),
        dear.output[0].value - Amount::from_sat(5000),
        ScriptBuf::new(),
    );
    child.input[0].witness.push(open());
    child.output[0].script_pubkey = open().to_p2wsh();
    let other = paying(coinbase(&core, &mined[1]).await, 10_000);
    let sent = async |list: &[&Transaction], limit: Value| {
        let raw: Vec<String> = list.iter().map(|one| serialize_hex(*one)).collect();
        core.call("submitpackage", json!([raw, limit])).await
    };
    let error = |answer: &Value, of: &Transaction| {
        answer["tx-results"][of.compute_wtxid().to_string()]["error"].clone()
    };

    let strangers = sent(&[&dear, &other], Value::Null).await.unwrap_err();
    assert_eq!(strangers.0, -25);
    assert!(strangers.1.starts_with("package topology disallowed"));
    let refused = sent(&[&dear, &child], Value::Null).await.unwrap();
    assert_eq!(refused["package_msg"], "transaction failed");
    assert_eq!(error(&refused, &dear), "max feerate exceeded");
    assert_eq!(error(&refused, &child), "bad-txns-inputs-missingorspent");
    assert_eq!(core.done("getrawmempool", json!([])).await, json!([]));
    let rows = audited(&server, "send_transactions").await;
    let failed = rows.iter().filter(|row| row["outcome"] != "ok");
    assert_eq!(failed.count(), 1, "{rows:?}");

    let taken = sent(&[&dear, &child], json!(0)).await.unwrap();
    assert_eq!(taken["package_msg"], "success", "{taken}");
    let pool = core.done("getrawmempool", json!([])).await;
    assert_eq!(pool.as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_of_more_than_a_number_holds_are_refused_in_cores_words() {
    let (_server, core, mined) = with_coins().await;
    let mut huge = paying(coinbase(&core, &mined[0]).await, 0);
    huge.output[0].value = Amount::from_sat(u64::MAX);
    huge.output.push(huge.output[0].clone());
    let raw = serialize_hex(&huge);
    let refused = core.call("sendrawtransaction", json!([raw])).await;
    assert_eq!(refused.unwrap_err().1, "bad-txns-vout-negative");
    let refused = core.done("submitpackage", json!([[raw]])).await;
    assert_eq!(refused["package_msg"], "transaction failed", "{refused}");
}
