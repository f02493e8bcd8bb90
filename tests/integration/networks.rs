//! The embedded node on chains that are not regtest, with blocks that exist: those of the public
//! signet and of testnet4, and signets of one's own.

use std::fs;
use std::path::Path;

use bllvm_kernel_node::bitcoin::p2p::Magic;
use bllvm_tests::chain::same_tip;
use bllvm_tests::wait::until;
use bllvm_tests::{Bitcoind, CoreRpc, TestServer};
use serde_json::{Value, json};
use tempfile::TempDir;

const SIGNET: &str = include_str!("../../server/kernel-node/tests/data/signet.hex");
const TESTNET4: &str = include_str!("../../server/kernel-node/tests/data/testnet4.hex");
/// What begins a block file of the signet whose challenge is `OP_TRUE` (BIP 325).
const MAGIC_OF_51: [u8; 4] = [0x54, 0xd2, 0x6f, 0xbd];
const OWN: [&str; 2] = ["node.chain=signet", "node.signet_challenge=\"51\""];

async fn node(settings: &[&str]) -> (TestServer, CoreRpc) {
    let mut builder = TestServer::builder().set("node.backend=embedded");
    for setting in settings {
        builder = builder.set(setting);
    }
    let server = builder.start().await;
    let core = server.face(&server.rest.cookie.1);
    until("the base node answers", async || {
        core.call("getblockcount", json!([])).await.ok()
    })
    .await;
    (server, core)
}

/// A folder with a block file.
fn block_file(magic: [u8; 4], blocks: &str) -> TempDir {
    let mut bytes = Vec::new();
    for line in blocks.lines() {
        let block = hex::decode(line).unwrap();
        bytes.extend(magic);
        bytes.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
        bytes.extend(block);
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("blk00000.dat"), bytes).unwrap();
    dir
}

async fn import(server: &TestServer, dir: &Path) -> (i32, String) {
    let (code, out, err) = server.cli(&["node", "import", dir.to_str().unwrap()]).await;
    (code, out + &err)
}

async fn listens(server: &TestServer) -> String {
    until("it listens for peers", async || {
        let view = server.rest.get("/api/v1/node").await.done();
        view["network"]["p2p_address"].as_str().map(str::to_owned)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_a_signet_of_their_own() {
    let mut settings = OWN.to_vec();
    settings.push("node.p2p_listen=127.0.0.1:0");
    let (far_server, far) = node(&settings).await;
    let file = block_file(MAGIC_OF_51, SIGNET);
    let (code, said) = import(&far_server, file.path()).await;
    assert!(code == 0 && said.contains("added 4"), "{said}");

    let address = listens(&far_server).await;
    let connect = format!("node.connect={address}");
    let mut settings = OWN.to_vec();
    settings.push(&connect);
    let (near_server, near) = node(&settings).await;
    same_tip(&near, &far).await;
    let info = near.done("getblockchaininfo", json!([])).await;
    assert_eq!(info["chain"], "signet");
    assert_eq!(info["signet_challenge"], "51");
    assert_eq!(
        (&info["blocks"], &info["bits"]),
        (&json!(4), &json!("1e0377ae"))
    );
    // Five times what block 0 stands for: 2^256 / (target + 1), rounded down.
    assert_eq!(info["chainwork"], format!("{:064x}", 5 * 4_838_420));
    let own = near_server
        .data_dir()
        .join("node-signet-54d26fbd/signet/blocks");
    assert!(own.join("blk00000.dat").exists());

    // Blocks come from the signers, not from a button; what they need is offered.
    let refused = near
        .call("getblocktemplate", json!([{ "rules": ["segwit"] }]))
        .await;
    assert!(refused.unwrap_err().1.contains("signet rule set"));
    let rules = json!([{ "rules": ["segwit", "signet"] }]);
    let template = near.done("getblocktemplate", rules).await;
    assert_eq!(template["signet_challenge"], "51");
    assert_eq!(template["coinbasevalue"], 5_000_000_000_u64);
    assert_eq!(template["bits"], "1e0377ae");
    let (code, _, said) = near_server.cli(&["node", "mine", "1"]).await;
    let words = "error: blocks are mined at once on regtest only; this is signet (invalid_request)";
    assert!(code != 0 && said.trim() == words, "{said}");

    // Files of the public signet are of another network.
    let other = block_file(Magic::SIGNET.to_bytes(), SIGNET);
    let (code, said) = import(&near_server, other.path()).await;
    assert!(code != 0 && said.contains("is of signet"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_less_work_than_the_public_signets_is_not_fetched() {
    let settings = ["node.chain=signet", "node.p2p_listen=127.0.0.1:0"];
    let (far_server, far) = node(&settings).await;
    let file = block_file(Magic::SIGNET.to_bytes(), SIGNET);
    let (code, said) = import(&far_server, file.path()).await;
    assert!(code == 0 && said.contains("added 4"), "{said}");
    assert_eq!(far.done("getblockcount", json!([])).await, 4);

    let connect = format!("node.connect={}", listens(&far_server).await);
    let (near_server, near) = node(&["node.chain=signet", &connect]).await;
    until("it has looked at the headers", async || {
        let log = near_server.log();
        log.contains("less work than this network's least")
            .then_some(())
    })
    .await;
    assert_eq!(near.done("getblockcount", json!([])).await, 0);
    let peers = near.done("getpeerinfo", json!([])).await;
    assert_eq!(peers[0]["inbound"], false, "the peer stays: {peers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_of_testnet4_are_taken_in_and_shown() {
    let (server, core) = node(&["node.chain=testnet4"]).await;
    let file = block_file(Magic::TESTNET4.to_bytes(), TESTNET4);
    let (code, said) = import(&server, file.path()).await;
    assert!(code == 0 && said.contains("added 2"), "{said}");
    let info = core.done("getblockchaininfo", json!([])).await;
    assert_eq!(
        (&info["chain"], &info["blocks"]),
        (&json!("testnet4"), &json!(2))
    );
    assert_eq!(info["signet_challenge"], Value::Null);
    let hash = core.done("getblockhash", json!([2])).await;
    let block = core.done("getblock", json!([hash, 2])).await;
    let paid = &block["tx"][0]["vout"][0]["scriptPubKey"]["address"];
    assert!(paid.as_str().unwrap().starts_with(['m', 'n']), "{paid}");
    let (_, shown, _) = server.cli(&["node", "info"]).await;
    assert!(shown.contains("testnet4"), "{shown}");
    assert!(
        shown.contains("2024-05-06T"),
        "the time of a block: {shown}"
    );
    let view = server.rest.get("/api/v1/node").await.done();
    assert_eq!(view["headers"], 2);
    assert!(view["size_on_disk"].as_u64().unwrap() > 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bitcoind_and_the_embedded_node_share_a_signet() {
    let Some(bitcoind) = Bitcoind::start(&["-chain=signet", "-signetchallenge=51"]) else {
        return;
    };
    let theirs = bitcoind.rpc().await;
    let payee = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx";
    let mined = theirs
        .done("generatetoaddress", json!([3, payee, 200_000_000]))
        .await;
    let connect = format!("node.connect={}", bitcoind.p2p());
    let (_server, ours) = node(&[OWN[0], OWN[1], &connect]).await;
    assert_eq!(same_tip(&ours, &theirs).await, mined[2]);
    let (a, b) = (
        ours.done("getblockchaininfo", json!([])).await,
        theirs.done("getblockchaininfo", json!([])).await,
    );
    for field in [
        "chain",
        "bits",
        "target",
        "chainwork",
        "mediantime",
        "signet_challenge",
    ] {
        assert_eq!(a[field], b[field], "{field}");
    }
    let rules = json!([{ "rules": ["segwit", "signet"] }]);
    let (a, b) = (
        ours.done("getblocktemplate", rules.clone()).await,
        theirs.done("getblocktemplate", rules).await,
    );
    for field in [
        "bits",
        "height",
        "mintime",
        "rules",
        "signet_challenge",
        "coinbasevalue",
    ] {
        assert_eq!(a[field], b[field], "{field}");
    }
}
