//! `node import`: block files that one of our nodes wrote, taken in by another.

use std::fs;
use std::path::{Path, PathBuf};

use bllvm_kernel_node::bitcoin::consensus::encode::serialize_hex;
use bllvm_tests::wait::until;
use bllvm_tests::{Bitcoind, CoreRpc, TestServer, chain};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

async fn node() -> (TestServer, CoreRpc) {
    let server = TestServer::builder().set("node.backend=embedded");
    let server = server.start().await;
    let core = server.face(&server.rest.cookie.1);
    until("the base node answers", async || {
        core.call("getblockcount", json!([])).await.ok()
    })
    .await;
    (server, core)
}

/// The block files of a node that ran and ended, and its tip.
async fn written() -> (TempDir, PathBuf, Value) {
    written_with(30).await
}

async fn written_with(count: u32) -> (TempDir, PathBuf, Value) {
    let (mut server, core) = node().await;
    let descriptor = "raw(51)#8lvh9jxk";
    core.done("generatetodescriptor", json!([count, descriptor]))
        .await;
    let tip = core.done("getbestblockhash", json!([])).await;
    assert!(server.stop().await.success());
    let dir = tempfile::tempdir().unwrap();
    let blocks = dir.path().join("blocks");
    fs::create_dir(&blocks).unwrap();
    let from = server.data_dir().join("node/regtest/blocks");
    for name in ["blk00000.dat", "xor.dat"] {
        fs::copy(from.join(name), blocks.join(name)).unwrap();
    }
    (dir, blocks, tip)
}

async fn import(server: &TestServer, path: &Path) -> (i32, String) {
    let (code, out, err) = server
        .cli(&["node", "import", path.to_str().unwrap()])
        .await;
    (code, out + &err)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_one_node_are_taken_in_by_another() {
    let (dir, blocks, tip) = written().await;
    let (server, core) = node().await;
    // The folder above will do.
    let (code, said) = import(&server, dir.path()).await;
    assert_eq!(code, 0, "{said}");
    for part in ["files 1", "blocks 31", "added 30", "known 1", "refused 0"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(core.done("getbestblockhash", json!([])).await, tip);
    let (_, said) = import(&server, &blocks.join("blk00000.dat")).await;
    assert!(
        said.contains("added 0") && said.contains("known 31"),
        "{said}"
    );
    let rows = server.rest.get("/api/v1/audit?limit=50").await.done();
    let rows = rows["items"].as_array().unwrap();
    let written = rows.iter().filter(|row| row["action"] == "import_blocks");
    assert_eq!(written.count(), 2);

    // Whoever lacks the key of the mixture learns it.
    fs::remove_file(blocks.join("xor.dat")).unwrap();
    let (code, said) = import(&server, &blocks).await;
    assert_ne!(code, 0);
    assert!(
        said.contains("blk00000.dat holds no block at byte 0"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_bitcoind_are_taken_in() {
    let Some(mut bitcoind) = Bitcoind::start(&[]) else {
        return;
    };
    let theirs = bitcoind.rpc().await;
    let mined = chain::mine(&theirs, 105).await;
    let spending = chain::spending(&theirs, &mined[0]).await;
    let raw = json!([serialize_hex(&spending)]);
    theirs.done("sendrawtransaction", raw).await;
    let tip = chain::mine(&theirs, 1).await.remove(0);
    bitcoind.stop().await;

    let (server, core) = node().await;
    let (code, said) = import(&server, &bitcoind.blocks()).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("added 106") && said.contains("refused 0"),
        "{said}"
    );
    assert_eq!(core.done("getbestblockhash", json!([])).await, tip);
    let shown = core.done("getblock", json!([tip, 1])).await;
    assert_eq!(shown["tx"][1], json!(spending.compute_txid()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_off_foreign_or_not_there_is_refused_by_name() {
    let (_dir, blocks, _) = written().await;
    let (server, core) = node().await;
    let file = blocks.join("blk00000.dat");
    let mut bytes = fs::read(&file).unwrap();
    // The room that the kernel took ahead is not mixed.
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes.truncate(used);
    let key = fs::read(blocks.join("xor.dat")).unwrap();
    for (byte, key) in bytes.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
    fs::write(blocks.join("xor.dat"), [0; 8]).unwrap();

    fs::write(&file, &bytes[..1000]).unwrap();
    let (code, said) = import(&server, &blocks).await;
    assert_ne!(code, 0);
    assert!(said.contains("blk00000.dat is cut off"), "{said}");

    let mut foreign = bytes.clone();
    foreign[..4].copy_from_slice(&[0x0a, 0x03, 0xcf, 0x40]);
    fs::write(&file, foreign).unwrap();
    let (_, said) = import(&server, &file).await;
    assert!(
        said.contains("blk00000.dat is of signet, and this node is on `regtest`"),
        "{said}"
    );

    let (_, said) = import(&server, Path::new("/no/such/folder")).await;
    assert!(said.contains("/no/such/folder cannot be read"), "{said}");
    let asked = json!({ "path": "blocks" });
    let refused = server.rest.post("/api/v1/node/import", &asked).await;
    let detail = refused.refused()["detail"].to_string();
    assert!(detail.contains("full path"), "{detail}");
    assert_eq!(core.done("getblockcount", json!([])).await, 0);

    // A block that breaks the rules is named, and what stands on it is left out.
    let second = 8 + usize::from(u16::from_le_bytes([bytes[4], bytes[5]])) + 8;
    let mut wrong = bytes.clone();
    wrong[second + 36] ^= 1;
    fs::write(&file, wrong).unwrap();
    let (_, said) = import(&server, &file).await;
    assert!(said.contains("refused"), "{said}");
    assert_eq!(core.done("getblockcount", json!([])).await, 0);

    // So is what is a block by its header alone: here the third says that it has no end.
    let size = usize::from(u16::from_le_bytes([bytes[second - 4], bytes[second - 3]]));
    let third = second + size + 8;
    bytes[third + 80] = 0xff;
    fs::write(&file, bytes).unwrap();
    let (code, said) = import(&server, &file).await;
    assert_eq!(code, 0, "{said}");
    for part in [
        "added 1",
        "known 1",
        "refused 29",
        "blk00000.dat is refused",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(core.done("getblockcount", json!([])).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_waits_for_the_base_node_can_be_cancelled() {
    let (_dir, blocks, _) = written().await;
    let (mut beneath, core) = node().await;
    let cookie = beneath.data_dir().join(".cookie");
    let server = TestServer::builder()
        .set("node.backend=core")
        .set("node.core_poll=20 ms")
        .set(&format!("node.core_url={}", core.url))
        .set(&format!("node.core_cookie={}", cookie.display()));
    let server = server.start().await;
    assert!(beneath.stop().await.success());
    until("the host says that it is away", async || {
        let ready = server.rest.anonymous(Method::GET, "/readyz");
        (server.rest.send(ready).await.status.as_u16() == 503).then_some(())
    })
    .await;
    let asked = json!({ "path": blocks });
    let begun = server.rest.post("/api/v1/node/import", &asked).await.done();
    let id = begun["id"].as_str().unwrap();
    let cancel = format!("/api/v1/operations/{id}/cancel");
    server.rest.post(&cancel, &json!({})).await.done();
    let ended = server.finished(&begun).await;
    assert_eq!(
        (&ended["kind"], &ended["status"]),
        (&json!("import"), &json!("cancelled"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_host_is_killed_goes_on_and_ends_with_the_same_chain() {
    const BLOCKS: u32 = 1000;
    let (_dir, blocks, tip) = written_with(BLOCKS).await;
    let (mut server, mut core) = node().await;
    let asked = json!({ "path": blocks });
    let begun = server.rest.post("/api/v1/node/import", &asked).await.done();
    for part in 1..=3 {
        // Somewhere in the middle of a batch, wherever that is.
        until("some more blocks are in", async || {
            let count = core.call("getblockcount", json!([])).await.ok()?;
            (count.as_u64()? >= u64::from(BLOCKS * part / 8)).then_some(())
        })
        .await;
        server.kill9();
        server.start_again().await;
        core = server.face(&server.rest.cookie.1);
    }
    let ended = server.finished(&begun).await;
    assert_eq!(ended["status"], "succeeded", "{ended:#}");
    assert_eq!(core.done("getbestblockhash", json!([])).await, tip);
    let (_, said) = import(&server, &blocks).await;
    assert!(said.contains("added 0"), "{said}");

    // Each block was told once, in order, whenever the host ended.
    until("the last block is told", async || {
        let events = server.events("chain.block_connected").await;
        let last = events.last()?["data"]["height"].as_u64()?;
        (last == u64::from(BLOCKS)).then_some(())
    })
    .await;
    let events = server.events("chain.*").await;
    let heights: Vec<u64> = events
        .iter()
        .map(|event| event["data"]["height"].as_u64().unwrap())
        .collect();
    assert_eq!(heights, (1..=u64::from(BLOCKS)).collect::<Vec<_>>());
}
