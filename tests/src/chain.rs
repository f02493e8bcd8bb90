//! Blocks and transactions by a node's JSON-RPC, as `bitcoin-cli` would make them.

use bllvm_kernel_node::bitcoin::consensus::encode::deserialize;
use bllvm_kernel_node::bitcoin::{
    Address, Amount, Block, Network, OutPoint, ScriptBuf, Transaction,
};
use bllvm_kernel_node::testing::spend;
use serde_json::{Value, json};

use crate::CoreRpc;
use crate::wait::until;

/// An address that nobody of the tests can spend from.
pub const ELSEWHERE: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

/// A script that is true, as everybody may use it behind its hash.
pub fn open() -> ScriptBuf {
    ScriptBuf::from_bytes(vec![0x51])
}

/// Mines `count` blocks that anyone can spend; their hashes.
///
/// # Panics
/// When they cannot be mined.
pub async fn mine(core: &CoreRpc, count: u32) -> Vec<Value> {
    let payee = Address::p2wsh(&open(), Network::Regtest).to_string();
    let mined = core.done("generatetoaddress", json!([count, payee])).await;
    serde_json::from_value(mined).expect("a list of hashes")
}

/// A block, by its hash.
///
/// # Panics
/// When the node has none.
pub async fn block(core: &CoreRpc, hash: &Value) -> Block {
    let raw = core.done("getblock", json!([hash, 0])).await;
    let raw = hex::decode(raw.as_str().expect("text")).expect("hex");
    deserialize(&raw).expect("a block")
}

/// Spends a block's coinbase, which anyone can.
///
/// # Panics
/// When the node has no such block.
pub async fn spending(core: &CoreRpc, hash: &Value) -> Transaction {
    let coinbase = block(core, hash).await.txdata[0].compute_txid();
    let value = Amount::from_sat(4_999_990_000);
    let mut transaction = spend(OutPoint::new(coinbase, 0), value, ScriptBuf::new());
    transaction.input[0].witness.push(open());
    transaction.output[0].script_pubkey = open().to_p2wsh();
    transaction
}

/// Waits until two nodes have the same tip; its hash.
pub async fn same_tip(a: &CoreRpc, b: &CoreRpc) -> Value {
    until("both have the same tip", async || {
        let (a, b) = (
            a.done("getbestblockhash", json!([])).await,
            b.done("getbestblockhash", json!([])).await,
        );
        (a == b).then_some(a)
    })
    .await
}
