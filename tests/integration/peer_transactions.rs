//! Unconfirmed transactions from and to peers: in whatever order and however early they come, they get
//! in once they can; who wants none is told of none.

use bllvm_kernel_node::bitcoin::consensus::encode::serialize_hex;
use bllvm_kernel_node::bitcoin::p2p::message::NetworkMessage;
use bllvm_kernel_node::bitcoin::p2p::message_blockdata::Inventory;
use bllvm_kernel_node::bitcoin::{Amount, BlockHash, OutPoint, Transaction};
use bllvm_tests::CoreRpc;
use bllvm_tests::chain::{mine, spending};
use bllvm_tests::stranger::Stranger;
use bllvm_tests::wait::until;
use serde_json::json;

use super::peers::listening;

/// Spends the first output of an open transaction.
fn child_of(parent: &Transaction) -> Transaction {
    let mut child = parent.clone();
    child.input.truncate(1);
    child.input[0].previous_output = OutPoint::new(parent.compute_txid(), 0);
    child.output[0].value -= Amount::from_sat(10_000);
    child
}

async fn gets_in(node: &CoreRpc, transaction: &Transaction) {
    let txid = json!([transaction.compute_txid()]);
    until("the transaction got in", async || {
        node.call("getmempoolentry", txid.clone()).await.ok()
    })
    .await;
}

async fn send(node: &CoreRpc, transaction: &Transaction) {
    node.done("sendrawtransaction", json!([serialize_hex(transaction)]))
        .await;
}

async fn next_block(node: &CoreRpc) -> BlockHash {
    serde_json::from_value(mine(node, 1).await.remove(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_before_its_parents_waits_for_them() {
    let (_server, node, address) = listening(&[]).await;
    let mined = mine(&node, 103).await;
    let mut stranger = Stranger::greeted(&address).await;

    // The youngest first.
    let parent = spending(&node, &mined[0]).await;
    let child = child_of(&parent);
    let grandchild = child_of(&child);
    for one in [&grandchild, &child, &parent] {
        stranger.say(NetworkMessage::Tx(one.clone())).await;
    }
    gets_in(&node, &grandchild).await;

    // Two parents, one after the other.
    let first = spending(&node, &mined[1]).await;
    let second = spending(&node, &mined[2]).await;
    let mut both = child_of(&first);
    both.input.extend(child_of(&second).input);
    for one in [&both, &first, &second] {
        stranger.say(NetworkMessage::Tx(one.clone())).await;
    }
    gets_in(&node, &both).await;

    // The parent comes from elsewhere.
    let parent = child_of(&both);
    let child = child_of(&parent);
    stranger.say(NetworkMessage::Tx(child.clone())).await;
    stranger.is_heard().await;
    send(&node, &parent).await;
    gets_in(&node, &child).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_too_early_is_asked_for_again_after_a_block() {
    let (_server, node, address) = listening(&[]).await;
    let mined = mine(&node, 100).await;
    // Ripe with the next block but one.
    let early = spending(&node, &mined[1]).await;
    let txid = early.compute_txid();
    let mut stranger = Stranger::greeted(&address).await;
    let offer = || NetworkMessage::Inv(vec![Inventory::Transaction(txid)]);
    let asks = |message: &NetworkMessage| {
        *message == NetworkMessage::GetData(vec![Inventory::WitnessTransaction(txid)])
    };
    stranger.say(offer()).await;
    stranger.hears(asks).await.expect("it is asked for");
    stranger.say(NetworkMessage::Tx(early.clone())).await;
    stranger.is_heard().await;

    let tip = next_block(&node).await;
    stranger.told_until(tip).await;
    stranger.say(offer()).await;
    stranger.hears(asks).await.expect("it is asked for again");
    stranger.say(NetworkMessage::Tx(early.clone())).await;
    gets_in(&node, &early).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_no_transactions_is_not_told_of_them() {
    let (_server, node, address) = listening(&[]).await;
    let mined = mine(&node, 101).await;
    let mut curious = Stranger::curious(&address).await;
    let mut blocks_only = Stranger::greeted(&address).await;
    let transaction = spending(&node, &mined[0]).await;
    let txid = Inventory::Transaction(transaction.compute_txid());
    send(&node, &transaction).await;
    curious
        .hears(|message| matches!(message, NetworkMessage::Inv(list) if list.contains(&txid)))
        .await
        .expect("who wants to is told");
    let tip = next_block(&node).await;
    assert_eq!(blocks_only.told_until(tip).await, []);
}
