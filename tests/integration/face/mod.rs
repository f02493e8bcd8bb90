//! The Core-compatible face: what Bitcoin Core's clients read, its words for what is refused, and
//! who may ask for what.

#[cfg(feature = "kernel")]
mod encodings;
#[cfg(feature = "kernel")]
mod parameters;
mod requests;
#[cfg(feature = "kernel")]
mod submitting;

use bllvm_tests::{CoreRpc, TestServer};
use reqwest::{Method, StatusCode};
use serde_json::json;

const GENESIS: &str = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";
const ADDRESS: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

async fn token(server: &TestServer, scopes: &[&str]) -> String {
    let body = json!({ "name": "tool", "scopes": scopes });
    let made = server
        .rest
        .request(Method::POST, "/api/v1/tokens")
        .json(&body);
    let made = server.rest.send(made).await.done();
    made["token"].as_str().unwrap().to_owned()
}

fn cookie(server: &TestServer) -> CoreRpc {
    server.face(&server.rest.cookie.1)
}

#[cfg(feature = "kernel")]
async fn with_blocks(count: u32) -> (TestServer, CoreRpc, Vec<String>) {
    let server = TestServer::builder().set("node.backend=embedded");
    let server = server.start().await;
    let core = cookie(&server);
    bllvm_tests::wait::until("the base node answers", async || {
        core.call("getblockcount", json!([])).await.ok()
    })
    .await;
    let mined = core
        .done("generatetoaddress", json!([count, ADDRESS]))
        .await;
    let mined = serde_json::from_value(mined).unwrap();
    (server, core, mined)
}

#[cfg(feature = "kernel")]
#[tokio::test(flavor = "multi_thread")]
async fn blocks_and_headers_are_what_bitcoin_cores_clients_read() {
    let (_server, core, mined) = with_blocks(14).await;
    let info = core.done("getblockchaininfo", json!([])).await;
    assert_eq!(
        (&info["chain"], &info["blocks"]),
        (&json!("regtest"), &json!(14))
    );
    assert_eq!(info["bestblockhash"], mined[13]);
    // Each regtest block stands for two hashes.
    assert_eq!(info["chainwork"], format!("{:064x}", 2 * 15));
    assert_eq!(info["pruned"], false);
    assert_eq!(core.done("getbestblockhash", json!([])).await, mined[13]);
    assert_eq!(
        core.done("getblockhash", json!({ "height": 0 })).await,
        GENESIS
    );

    let header = core.done("getblockheader", json!([mined[12]])).await;
    assert_eq!(header["height"], 13);
    assert_eq!(header["confirmations"], 2);
    assert_eq!(header["previousblockhash"], mined[11]);
    assert_eq!(header["nextblockhash"], mined[13]);
    assert_eq!(header["chainwork"], format!("{:064x}", 2 * 14));
    assert_eq!(
        (&header["bits"], &header["nTx"]),
        (&json!("207fffff"), &json!(1))
    );
    let mut times = Vec::new();
    for hash in &mined[2..13] {
        times.push(
            core.done("getblockheader", json!([hash])).await["time"]
                .as_u64()
                .unwrap(),
        );
    }
    times.sort_unstable();
    assert_eq!(header["mediantime"], times[5]);
    let raw = core.done("getblockheader", json!([mined[12], false])).await;
    assert_eq!(raw.as_str().unwrap().len(), 160);
    let genesis = core.done("getblockheader", json!([GENESIS])).await;
    assert_eq!(genesis.get("previousblockhash"), None);

    let hex = core.done("getblock", json!([mined[0], 0])).await;
    let ids = core.done("getblock", json!([mined[0]])).await;
    let whole = core.done("getblock", json!([mined[0], 2])).await;
    assert!(
        hex.as_str()
            .unwrap()
            .starts_with(&raw_header(&core, &mined[0]).await)
    );
    assert_eq!(ids["tx"][0], whole["tx"][0]["txid"]);
    assert_eq!(
        ids["size"].as_u64().unwrap() * 2,
        hex.as_str().unwrap().len() as u64
    );
    let paid = &whole["tx"][0]["vout"][0];
    assert_eq!(paid["value"], 50.0);
    assert_eq!(paid["scriptPubKey"]["address"], ADDRESS);
    assert_eq!(paid["scriptPubKey"]["type"], "witness_v0_keyhash");
    let txid = whole["tx"][0]["txid"].as_str().unwrap();
    let found = core
        .done("getrawtransaction", json!([txid, 1, mined[0]]))
        .await;
    assert_eq!(found["hex"], whole["tx"][0]["hex"]);
    assert_eq!(found["in_active_chain"], true);

    let filter = core.done("getblockfilter", json!([GENESIS])).await;
    // BIP158's filter of the regtest genesis block commits to zeros below it.
    assert_eq!(filter["header"].as_str().unwrap().len(), 64);
    let next = core.done("getblockfilter", json!([mined[0]])).await;
    assert_ne!(next["header"], filter["header"]);

    let out_of_range = core.call("getblockhash", json!([15])).await;
    assert_eq!(
        out_of_range,
        Err((-8, "Block height out of range".to_owned()))
    );
    let unknown = core.call("getblock", json!(["00".repeat(32)])).await;
    assert_eq!(unknown, Err((-5, "Block not found".to_owned())));
    let elsewhere = core
        .call("generatetoaddress", json!([1, "bc1qnotofthischain"]))
        .await;
    assert_eq!(elsewhere, Err((-5, "Error: Invalid address".to_owned())));
    let again = core.done("submitblock", json!([hex])).await;
    assert_eq!(again, "duplicate");
    let broken = core.call("submitblock", json!(["00"])).await;
    assert_eq!(broken, Err((-22, "Block decode failed".to_owned())));
}

#[cfg(feature = "kernel")]
async fn raw_header(core: &CoreRpc, hash: &str) -> String {
    let raw = core.done("getblockheader", json!([hash, false])).await;
    raw.as_str().unwrap().to_owned()
}

#[cfg(feature = "kernel")]
#[tokio::test(flavor = "multi_thread")]
async fn rest_gives_the_same_blocks_and_only_with_a_password() {
    let (mut server, core, mined) = with_blocks(3).await;
    let block = core.get(&format!("/rest/block/{}.hex", mined[0])).await;
    assert_eq!(
        block.text.trim(),
        core.done("getblock", json!([mined[0], 0])).await
    );
    let headers = core.get(&format!("/rest/headers/2/{}.hex", mined[0])).await;
    let two = [
        raw_header(&core, &mined[0]).await,
        raw_header(&core, &mined[1]).await,
    ];
    assert_eq!(headers.text.trim(), two.concat());
    let headers = core
        .get(&format!("/rest/headers/1/{}.json", mined[2]))
        .await
        .done();
    assert_eq!(
        headers[0],
        core.done("getblockheader", json!([mined[2]])).await
    );
    let by_height = core.get("/rest/blockhashbyheight/2.json").await.done();
    assert_eq!(by_height["blockhash"], mined[1]);
    let info = core.get("/rest/chaininfo.json").await.done();
    assert_eq!(info["bestblockhash"], mined[2]);

    let status = async |path: &str| core.get(path).await.status.as_u16();
    assert_eq!(status("/rest/block/xyz.bin").await, 400);
    assert_eq!(
        status(&format!("/rest/block/{}.bin", "00".repeat(32))).await,
        404
    );
    assert_eq!(status("/rest/blockhashbyheight/9.json").await, 404);
    assert_eq!(
        status(&format!("/rest/headers/2001/{GENESIS}.bin")).await,
        400
    );
    assert_eq!(status("/rest/nothing.json").await, 404);
    assert_eq!(status("/rest/chaininfo").await, 404);

    let open = |core: &CoreRpc| core.anonymous(Method::GET, "/rest/chaininfo.json");
    assert_eq!(
        core.send(open(&core)).await.status,
        StatusCode::UNAUTHORIZED
    );
    server.set("face.open_rest=true");
    server.restart().await;
    let core = cookie(&server);
    let info = bllvm_tests::wait::until("the chain is back", async || {
        let answer = core.send(open(&core)).await;
        answer.status.is_success().then(|| answer.json())
    })
    .await;
    assert_eq!(info["bestblockhash"], mined[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_reaches_only_the_methods_of_its_scopes() {
    let server = TestServer::start().await;
    let core = cookie(&server);
    let nobody = core.anonymous(Method::POST, "/").body("{}");
    let refused = core.send(nobody).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        refused.headers["www-authenticate"],
        "Basic realm=\"jsonrpc\""
    );
    let wrong = server.face("guessed").post("{}").await;
    assert_eq!(
        (wrong.status, wrong.text.as_str()),
        (StatusCode::UNAUTHORIZED, "")
    );

    let reader = server.face(&token(&server, &["node:read"]).await);
    let sender = server.face(&token(&server, &["node:read", "node:broadcast"]).await);
    let asked = |method: &str| json!({ "id": 1, "method": method, "params": [] }).to_string();
    assert!(reader.done("help", json!([])).await.is_string());
    assert_eq!(
        reader.call("getblockcount", json!([])).await.unwrap_err().0,
        -1
    );
    for method in [
        "sendrawtransaction",
        "submitpackage",
        "submitblock",
        "getblocktemplate",
        "generatetoaddress",
    ] {
        assert_eq!(
            reader.post(asked(method)).await.status,
            StatusCode::FORBIDDEN,
            "{method}"
        );
        let batch = format!("[{},{}]", asked("uptime"), asked(method));
        assert_eq!(
            reader.post(batch).await.status,
            StatusCode::FORBIDDEN,
            "{method}"
        );
    }
    let sent = sender.post(asked("sendrawtransaction")).await;
    assert_eq!(sent.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(sent.json()["error"]["code"], -1);
    let mining = sender.post(asked("submitblock")).await;
    assert_eq!(mining.status, StatusCode::FORBIDDEN);
    assert!(mining.text.contains("node:control"), "{}", mining.text);
    assert_eq!(reader.call("stop", json!([])).await.unwrap_err().0, -1);
    let body = json!({ "name": "bound", "scopes": ["modules:read"], "modules": ["clock"] });
    let made = server
        .rest
        .request(Method::POST, "/api/v1/tokens")
        .json(&body);
    let made = server.rest.send(made).await.done();
    let bound = server.face(made["token"].as_str().unwrap());
    assert_eq!(
        bound.post(asked("uptime")).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        bound.get("/rest/chaininfo.json").await.status,
        StatusCode::FORBIDDEN
    );
    assert!(reader.done("uptime", json!([])).await.is_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_none_of_is_said_in_cores_numbers() {
    // Without a base node, nothing is made up.
    let server = TestServer::start().await;
    let core = cookie(&server);
    let txid = "11".repeat(32);
    for (method, params, code) in [
        ("getrawmempool", json!([]), -33),
        ("getmempoolinfo", json!([]), -33),
        ("getmempoolentry", json!([txid]), -33),
        ("estimatesmartfee", json!([6, "ECONOMICAL"]), -32603),
        ("estimatesmartfee", json!([0]), -8),
        ("estimatesmartfee", json!([6, "hurried"]), -8),
        ("gettxout", json!([txid, 0]), -1),
        ("getrawtransaction", json!([txid]), -5),
        ("getpeerinfo", json!([]), -31),
        ("getblockchaininfo", json!([]), -1),
        ("testmempoolaccept", json!([[]]), -8),
    ] {
        let refused = core.call(method, params).await.unwrap_err();
        assert_eq!(refused.0, code, "{method}: {}", refused.1);
    }
}
