//! Blocks and transactions that bear the name of another: they must not keep the real ones out.

use bllvm_kernel_node::bitcoin::Amount;
use bllvm_kernel_node::bitcoin::consensus::encode::serialize;
use bllvm_kernel_node::bitcoin::p2p::message::NetworkMessage;
use bllvm_kernel_node::bitcoin::p2p::message_blockdata::Inventory;
use bllvm_tests::chain::{block, mine, same_tip, spending};
use bllvm_tests::wait::until;
use serde_json::json;

use super::Place;
use crate::peers;

/// A block whose hash is right and whose content is not must not make the node deaf to the real one.
#[tokio::test(flavor = "multi_thread")]
async fn a_falsified_block_does_not_keep_the_real_one_out() {
    let place = Place::with(&[]).await;
    // The honest node goes on alone.
    let tip = place.node.done("getbestblockhash", json!([])).await;
    let (_apart_server, apart) = peers::node(&[]).await;
    for height in 1..=3 {
        let hash = place.node.done("getblockhash", json!([height])).await;
        let raw = place.node.done("getblock", json!([hash, 0])).await;
        apart.done("submitblock", json!([raw])).await;
    }
    assert_eq!(apart.done("getbestblockhash", json!([])).await, tip);
    let hash = mine(&apart, 1).await.remove(0);
    let real = block(&apart, &hash).await;

    let mut other_value = real.clone();
    other_value.txdata[0].output[0].value += Amount::from_sat(1);
    let mut other_witness = real.clone();
    other_witness.txdata[0].input[0].witness.clear();
    other_witness.txdata[0].input[0].witness.push([9; 32]);
    let mut twice = real.clone();
    twice.txdata.push(real.txdata[0].clone());
    for falsified in [other_value, other_witness, twice] {
        assert_eq!(falsified.block_hash(), real.block_hash());
        let mut stranger = place.stranger().await;
        stranger
            .say(NetworkMessage::Headers(vec![real.header]))
            .await;
        let wish = NetworkMessage::GetData(vec![Inventory::WitnessBlock(real.block_hash())]);
        stranger
            .hears(|message| *message == wish)
            .await
            .expect("it is asked");
        stranger.say(NetworkMessage::Block(falsified)).await;
        stranger.is_left().await;
    }
    let mut honest = place.stranger().await;
    honest.say(NetworkMessage::Headers(vec![real.header])).await;
    let wish = NetworkMessage::GetData(vec![Inventory::WitnessBlock(real.block_hash())]);
    honest
        .hears(|message| *message == wish)
        .await
        .expect("it is asked");
    honest.say(NetworkMessage::Block(real)).await;
    until("the real block is taken", async || {
        let tip = place.node.done("getbestblockhash", json!([])).await;
        (tip == hash).then_some(())
    })
    .await;
    place.is_whole().await;
}

/// A transaction with a witness of somebody's own making has the id of the real one.
#[tokio::test(flavor = "multi_thread")]
async fn a_falsified_transaction_does_not_keep_the_real_one_out() {
    let place = Place::with(&[]).await;
    let mined = mine(&place.node, 101).await;
    same_tip(&place.node, &place.honest).await;
    let real = spending(&place.node, &mined[0]).await;
    let mut falsified = real.clone();
    falsified.input[0].witness.clear();
    falsified.input[0].witness.push([0x52]);
    assert_eq!(falsified.compute_txid(), real.compute_txid());
    let mut stranger = place.stranger().await;
    stranger.say(NetworkMessage::Tx(falsified)).await;
    stranger.say(NetworkMessage::Ping(1)).await;
    stranger
        .hears(|message| *message == NetworkMessage::Pong(1))
        .await;
    let raw = json!([hex::encode(serialize(&real))]);
    let txid = place.honest.done("sendrawtransaction", raw).await;
    until("the real one arrives", async || {
        place.node.call("getmempoolentry", json!([txid])).await.ok()
    })
    .await;
    place.is_whole().await;
}
