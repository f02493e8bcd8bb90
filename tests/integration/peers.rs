//! Peers: two of our nodes pass on blocks and transactions, follow the better chain, and keep what
//! strangers do away from themselves and each other.

use bllvm_kernel_node::bitcoin::consensus::encode::{serialize, serialize_hex};
use bllvm_kernel_node::bitcoin::p2p::Magic;
use bllvm_kernel_node::bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use bllvm_kernel_node::bitcoin::p2p::message_blockdata::Inventory;
use bllvm_tests::chain::{ELSEWHERE, block, mine, same_tip, spending};
use bllvm_tests::stranger::{Stranger, empty_promises};
use bllvm_tests::wait::until;
use bllvm_tests::{CoreRpc, TestServer};
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

pub(super) async fn node(settings: &[String]) -> (TestServer, CoreRpc) {
    let mut builder = TestServer::builder().set("node.backend=embedded");
    for setting in settings {
        builder = builder.set(setting);
    }
    let server = builder.start().await;
    let core = server.face(&server.rest.cookie.1);
    ready(&core).await;
    (server, core)
}

async fn ready(core: &CoreRpc) {
    until("the base node answers", async || {
        core.call("getblockcount", json!([])).await.ok()
    })
    .await;
}

pub(super) async fn listening(more: &[&str]) -> (TestServer, CoreRpc, String) {
    let mut settings = vec!["node.p2p_listen=127.0.0.1:0".to_owned()];
    settings.extend(more.iter().map(|setting| (*setting).to_owned()));
    let (server, core) = node(&settings).await;
    let address = until("it listens for peers", async || {
        let view = server.rest.request(Method::GET, "/api/v1/node");
        let view = server.rest.send(view).await.done();
        view["network"]["p2p_address"].as_str().map(str::to_owned)
    })
    .await;
    (server, core, address)
}

pub(super) async fn calling(address: &str) -> (TestServer, CoreRpc) {
    node(&[format!("node.connect={address}")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_pass_on_blocks_and_a_transaction_is_mined_at_the_other() {
    let (server, far, address) = listening(&[]).await;
    let mined = mine(&far, 105).await;
    let (near_server, near) = calling(&address).await;
    assert_eq!(same_tip(&near, &far).await, mined[104]);

    // Sent at the one that called, mined at the one that was called, and back as a block.
    let transaction = spending(&near, &mined[0]).await;
    let txid = near
        .done("sendrawtransaction", json!([serialize_hex(&transaction)]))
        .await;
    until("the transaction arrives", async || {
        far.call("getmempoolentry", json!([txid])).await.ok()
    })
    .await;
    let hash = mine(&far, 1).await.remove(0);
    let holding = block(&far, &hash).await;
    assert_eq!(json!(holding.txdata[1].compute_txid()), txid);
    assert_eq!(same_tip(&near, &far).await, hash);
    let left = near.done("getrawmempool", json!([])).await;
    assert_eq!(left, json!([]));

    // The other way round.
    let transaction = spending(&far, &mined[1]).await;
    let txid = far
        .done("sendrawtransaction", json!([serialize_hex(&transaction)]))
        .await;
    until("the transaction arrives", async || {
        near.call("getmempoolentry", json!([txid])).await.ok()
    })
    .await;
    mine(&near, 1).await;
    same_tip(&near, &far).await;

    // Each shows the other.
    let peers = far.done("getpeerinfo", json!([])).await;
    assert_eq!(peers[0]["inbound"], true);
    assert!(peers[0]["subver"].as_str().unwrap().starts_with("/bllvm:"));
    let request = near_server.rest.request(Method::GET, "/api/v1/node/peers");
    let peers = near_server.rest.send(request).await.done();
    assert_eq!(peers["peers"][0]["address"], address);
    assert_eq!(peers["peers"][0]["inbound"], false);
    let (_, shown, _) = near_server.cli(&["node", "peers"]).await;
    assert!(shown.contains(&address), "{shown}");
    drop(server);
    until("the lost peer is gone", async || {
        let peers = near.done("getpeerinfo", json!([])).await;
        (peers == json!([])).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longer_chain_wins_and_what_it_undoes_is_unconfirmed_again() {
    let (_server, far, address) = listening(&[]).await;
    let shared = mine(&far, 101).await;
    let (mut near_server, near) = calling(&address).await;
    same_tip(&near, &far).await;
    near_server.stop().await;

    // Apart, each goes on by itself; the far one confirms a transaction.
    let transaction = spending(&far, &shared[0]).await;
    let txid = far
        .done("sendrawtransaction", json!([serialize_hex(&transaction)]))
        .await;
    mine(&far, 1).await;
    near_server.set("node.connect=");
    near_server.start_again().await;
    let near = near_server.face(&near_server.rest.cookie.1);
    ready(&near).await;
    let longer = near.done("generatetoaddress", json!([3, ELSEWHERE])).await;
    near_server.stop().await;
    near_server.set(&format!("node.connect={address}"));
    near_server.start_again().await;
    let near = near_server.face(&near_server.rest.cookie.1);
    ready(&near).await;
    assert_eq!(same_tip(&near, &far).await, longer[2]);
    far.done("getmempoolentry", json!([txid])).await;
    until("the transaction is passed on", async || {
        near.call("getmempoolentry", json!([txid])).await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_breaks_the_rules_is_left_and_nobody_else() {
    let (server, far, address) = listening(&[]).await;
    let mined = mine(&far, 12).await;
    let (_near_server, near) = calling(&address).await;
    same_tip(&near, &far).await;

    let mut other_network = Stranger::call(&address).await;
    let ping = RawNetworkMessage::new(Magic::BITCOIN, NetworkMessage::Ping(1));
    other_network
        .line
        .write_all(&serialize(&ping))
        .await
        .unwrap();
    other_network.is_left().await;

    let mut huge = serialize(&RawNetworkMessage::new(
        Magic::REGTEST,
        NetworkMessage::Ping(1),
    ));
    huge[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut oversized = Stranger::greeted(&address).await;
    oversized.line.write_all(&huge).await.unwrap();
    oversized.is_left().await;

    let mut rude = Stranger::call(&address).await;
    rude.say(NetworkMessage::GetAddr).await;
    rude.is_left().await;

    // Headers without work, and a block that claims too much.
    let mut idle = Stranger::greeted(&address).await;
    let mut header = empty_promises(1).remove(0);
    while header.validate_pow(header.target()).is_ok() {
        header.nonce += 1;
    }
    idle.say(NetworkMessage::Headers(vec![header])).await;
    idle.is_left().await;

    let mut greedy = Stranger::greeted(&address).await;
    let mut wrong = block(&far, &mined[11]).await;
    wrong.header.prev_blockhash = wrong.block_hash();
    wrong.header.time += 1;
    while wrong.header.validate_pow(wrong.header.target()).is_err() {
        wrong.header.nonce += 1;
    }
    greedy
        .say(NetworkMessage::Headers(vec![wrong.header]))
        .await;
    let asked = greedy
        .hears(|message| matches!(message, NetworkMessage::GetData(_)))
        .await;
    let hash = wrong.block_hash();
    assert_eq!(
        asked,
        Some(NetworkMessage::GetData(vec![Inventory::WitnessBlock(hash)]))
    );
    greedy.say(NetworkMessage::Block(wrong)).await;
    greedy.is_left().await;

    // A chain of less work is looked at and forgotten: no block of it is asked for.
    let mut poor = Stranger::greeted(&address).await;
    poor.say(NetworkMessage::Headers(empty_promises(8))).await;
    poor.say(NetworkMessage::Ping(4711)).await;
    let answer = poor
        .hears(|message| {
            matches!(
                message,
                NetworkMessage::GetData(_) | NetworkMessage::Pong(_)
            )
        })
        .await;
    assert_eq!(answer, Some(NetworkMessage::Pong(4711)));

    // The one that keeps the rules noticed nothing.
    mine(&far, 1).await;
    same_tip(&near, &far).await;
    assert!(server.log().contains("a peer was left"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_promises_and_stalls_is_left_for_one_that_delivers() {
    let (_server, far, address) = listening(&["node.peer_patience=2 s"]).await;
    let (_near_server, near) = calling(&address).await;
    let mut stalling = Stranger::greeted(&address).await;
    for part in empty_promises(10_000).chunks(2000) {
        stalling.say(NetworkMessage::Headers(part.to_vec())).await;
    }
    stalling
        .hears(|message| matches!(message, NetworkMessage::GetData(_)))
        .await
        .expect("it is asked for the blocks");
    let mined = mine(&near, 5).await;
    stalling.is_left().await;
    assert_eq!(same_tip(&near, &far).await, mined[4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_may_call() {
    let (_server, far, address) = listening(&["node.max_peers=1"]).await;
    let mut first = Stranger::greeted(&address).await;
    let mut second = Stranger::call(&address).await;
    second.is_left().await;
    let peers = far.done("getpeerinfo", json!([])).await;
    assert_eq!(peers.as_array().unwrap().len(), 1);
    first.say(NetworkMessage::Ping(1)).await;
    let pong = first.hears(|message| matches!(message, NetworkMessage::Pong(1)));
    assert!(pong.await.is_some());
}
