//! The mempool over REST, by command line and in the dashboard, on the embedded base node.

use bllvm_kernel_node::anyone_can_spend;
use bllvm_kernel_node::bitcoin::consensus::encode::serialize_hex;
use bllvm_kernel_node::bitcoin::{Address, Amount, Network, OutPoint, ScriptBuf, Txid};
use bllvm_kernel_node::testing::spend;
use bllvm_tests::TestServer;
use reqwest::Method;
use serde_json::{Value, json};

const COINBASE: u64 = 50 * 100_000_000;

/// A server whose first coinbase can be spent by anybody, and its id.
async fn server() -> (TestServer, Txid) {
    let server = TestServer::builder().set("node.backend=embedded");
    let server = server.start().await;
    mine(&server, 101).await;
    let block = server.rest.get("/api/v1/node/blocks/1").await.done();
    let txid = block["transactions"][0].as_str().unwrap().parse().unwrap();
    (server, txid)
}

async fn mine(server: &TestServer, count: u32) {
    let address = Address::p2wsh(&anyone_can_spend(), Network::Regtest).to_string();
    let order = json!({ "count": count, "address": address });
    let mined = server.rest.post("/api/v1/node/mine", &order).await.done();
    server.succeeded(&mined).await;
}

/// Spends all of a coin but a fee.
fn payment(coinbase: Txid, fee: u64) -> (String, String) {
    let value = Amount::from_sat(COINBASE - fee);
    let mut payment = spend(OutPoint::new(coinbase, 0), value, ScriptBuf::new());
    payment.output[0].script_pubkey = ScriptBuf::new_p2wsh(&anyone_can_spend().wscript_hash());
    payment.input[0].witness.push([0x51]);
    (serialize_hex(&payment), payment.compute_txid().to_string())
}

async fn send(server: &TestServer, body: Value) -> Value {
    server
        .rest
        .post("/api/v1/node/transactions", &body)
        .await
        .done()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_sent_seen_templated_and_mined() {
    let (server, coinbase) = server().await;
    let (raw, txid) = payment(coinbase, 12_345);
    let empty = server.rest.get("/api/v1/node/mempool").await.done();
    assert_eq!(
        (&empty["transactions"], &empty["bands"]),
        (&json!(0), &json!([]))
    );

    let tested = send(&server, json!({ "transactions": [raw], "test": true })).await;
    assert_eq!(tested["accepted"], true, "{tested:#}");
    let before = server.audit("action=send_transactions").await.len();
    let key = "one-and-only";
    let once = || {
        let body = json!({ "transactions": [raw] }).to_string();
        server
            .rest
            .request(Method::POST, "/api/v1/node/transactions")
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(body)
    };
    let sent = server.rest.send(once()).await.done();
    assert_eq!(
        (&sent["accepted"], &sent["results"][0]["txid"]),
        (&json!(true), &json!(txid))
    );
    assert_eq!(server.rest.send(once()).await.done(), sent);
    let rows = server.audit("action=send_transactions").await;
    assert_eq!(
        rows.len(),
        before + 1,
        "the repetition is answered from what was kept"
    );
    assert_eq!(rows[0]["detail"], format!("{txid} accepted"));

    let shown = server.rest.get("/api/v1/node/mempool").await.done();
    assert_eq!(
        (&shown["transactions"], &shown["looked_at"]),
        (&json!(1), &json!(1))
    );
    let bands = shown["bands"].as_array().unwrap();
    assert_eq!((bands.len(), &bands[0]["fees_sat"]), (1, &json!(12_345)));
    let listed = server
        .rest
        .get("/api/v1/node/mempool/transactions")
        .await
        .done();
    assert_eq!(listed["items"], json!([txid]));
    let path = format!("/api/v1/node/mempool/transactions/{txid}");
    let entry = server.rest.get(&path).await.done();
    assert_eq!(
        (&entry["fee_sat"], &entry["raw"]),
        (&json!(12_345), &json!(raw))
    );
    assert_eq!(entry["ancestors"]["count"], 1);
    let template = server.rest.get("/api/v1/node/template").await.done();
    assert_eq!(template["transactions"][0]["txid"], txid);
    assert_eq!(template["coinbase_value_sat"], COINBASE + 12_345);
    let fees = server
        .rest
        .get("/api/v1/node/fees?target_blocks=2")
        .await
        .done();
    let fee = &fees["estimates"][0];
    assert!(
        fee["sat_per_kvb"].is_null() && fee["basis"] != "",
        "{fees:#}"
    );

    mine(&server, 1).await;
    assert_eq!(server.rest.get(&path).await.code(), "transaction_not_found");
    let block = server.rest.get("/api/v1/node/blocks/102").await.done();
    assert_eq!(block["transactions"][1], txid);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_transaction_is_refused_with_the_reason() {
    let (server, coinbase) = server().await;
    let (raw, txid) = payment(coinbase, 12_345);
    let (double, _) = payment(coinbase, 12_344);
    assert_eq!(
        send(&server, json!({ "transactions": [raw] })).await["accepted"],
        true
    );
    let refused = send(&server, json!({ "transactions": [double] })).await;
    assert_eq!(refused["accepted"], false);
    let reason = refused["results"][0]["reason"].as_str().unwrap();
    assert!(!reason.is_empty());

    for (transactions, part) in [
        (json!([]), "1 to 25"),
        (json!(["zz"]), "transactions[0]` is not hex"),
        (json!([raw, ""]), "transactions[1]` is empty"),
        (json!(["00"]), "transactions[0]` is no transaction"),
        (json!(vec!["00"; 26]), "1 to 25"),
    ] {
        let body = json!({ "transactions": transactions });
        let answer = server.rest.post("/api/v1/node/transactions", &body).await;
        let problem = answer.refused();
        assert_eq!(problem["code"], "invalid_request", "{problem:#}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(part), "{detail}");
    }
    let bad = server
        .rest
        .get("/api/v1/node/mempool/transactions/zz")
        .await;
    assert_eq!(bad.code(), "invalid_parameter");

    let (code, out, err) = server.cli(&["node", "send", &double]).await;
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains(&format!("refused: {reason}")), "{out}");
    let (code, out, _) = server.cli(&["node", "mempool"]).await;
    assert!(
        code == 0 && out.contains("1 transactions") && out.contains('█'),
        "{out}"
    );
    let (code, out, _) = server.cli(&["node", "mempool", &txid]).await;
    assert!(code == 0 && out.contains("12345"), "{out}");
    let (code, out, _) = server.cli(&["node", "template"]).await;
    assert!(code == 0 && out.contains(&txid), "{out}");
    let (code, out, _) = server.cli(&["node", "fees", "--target", "6"]).await;
    assert!(code == 0 && out.contains("not known"), "{out}");
}
