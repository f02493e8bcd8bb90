//! Blocks and transactions that are cut off, too long, oddly written, or too large: Core's numbers and
//! words, and a node that goes on.

use bllvm_kernel_node::bitcoin::consensus::encode::{deserialize, serialize};
use bllvm_kernel_node::bitcoin::{Amount, Block, ScriptBuf, Transaction, TxOut};
use bllvm_tests::CoreRpc;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::with_blocks;

const NO_BLOCK: &str = "Block decode failed";
const NO_TRANSACTION: &str = "TX decode failed. Make sure the tx has at least one input.";

async fn block(core: &CoreRpc, hash: &str) -> (Vec<u8>, Block) {
    let raw = core.done("getblock", json!([hash, 0])).await;
    let raw = hex::decode(raw.as_str().unwrap()).unwrap();
    let block = deserialize(&raw).unwrap();
    (raw, block)
}

/// The same bytes with the count at `place` written in three bytes where one is enough.
fn oddly_counted(raw: &[u8], place: usize) -> Vec<u8> {
    let count = raw[place];
    assert!(count < 0xfd);
    [&raw[..place], &[0xfd, count, 0], &raw[place + 1..]].concat()
}

fn large(transaction: &Transaction, outputs: usize, script_bytes: usize) -> Transaction {
    let mut transaction = transaction.clone();
    transaction.output = vec![
        TxOut {
            value: Amount::from_sat(1),
            script_pubkey: ScriptBuf::from_bytes(vec![0x51; script_bytes]),
        };
        outputs
    ];
    transaction
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_block_or_transaction_are_refused_in_cores_words() {
    let (_server, core, mined) = with_blocks(2).await;
    let (raw, whole) = block(&core, &mined[1]).await;
    let transaction = serialize(&whole.txdata[0]);
    let submit = async |bytes: &[u8]| core.call("submitblock", json!([hex::encode(bytes)])).await;
    let send = async |bytes: &[u8]| {
        core.call("sendrawtransaction", json!([hex::encode(bytes)]))
            .await
    };
    let no_block = Err((-22, NO_BLOCK.to_owned()));
    let no_transaction = Err((-22, NO_TRANSACTION.to_owned()));
    for cut in [0, 1, 79, 80, 81, raw.len() / 2, raw.len() - 1] {
        assert_eq!(submit(&raw[..cut]).await, no_block, "cut to {cut}");
    }
    for cut in [0, 4, 5, transaction.len() / 2, transaction.len() - 1] {
        assert_eq!(send(&transaction[..cut]).await, no_transaction, "{cut}");
    }
    let longer = [&transaction[..], &[0]].concat();
    assert_eq!(send(&longer).await, no_transaction);
    // The count of transactions stands behind the header, the one of inputs behind the version and
    // the two bytes that announce a witness.
    assert_eq!(submit(&oddly_counted(&raw, 80)).await, no_block);
    assert_eq!(send(&oddly_counted(&transaction, 6)).await, no_transaction);
    // A count that promises more than a machine has.
    let greedy = [&raw[..80], &[0xff; 9]].concat();
    assert_eq!(submit(&greedy).await, no_block);

    assert_eq!(core.done("getblockcount", json!([])).await, 2);
    assert_eq!(submit(&raw).await, Ok(json!("duplicate")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_and_nobody_else_is_harmed() {
    let (_server, core, mined) = with_blocks(1).await;
    let (_, mut whole) = block(&core, &mined[0]).await;
    let judge = async |transaction: &Transaction| -> Value {
        let hex = hex::encode(serialize(transaction));
        core.done("testmempoolaccept", json!([[hex]])).await[0]["reject-reason"].clone()
    };
    let mut spending = whole.txdata[0].clone();
    spending.input[0].previous_output.txid = whole.txdata[0].compute_txid();
    spending.input[0].previous_output.vout = 0;
    // Larger than a block may hold, and larger than is passed on.
    assert_eq!(
        judge(&large(&spending, 110, 10_000)).await,
        "bad-txns-oversize"
    );
    assert_eq!(judge(&large(&spending, 11, 10_000)).await, "tx-size");

    whole.txdata[0] = large(&whole.txdata[0], 110, 10_000);
    whole.header.prev_blockhash = whole.block_hash();
    whole.header.merkle_root = whole.compute_merkle_root().unwrap();
    let target = whole.header.target();
    while whole.header.validate_pow(target).is_err() {
        whole.header.nonce += 1;
    }
    let hex = hex::encode(serialize(&whole));
    assert_eq!(
        core.done("submitblock", json!([hex])).await,
        "bad-blk-length"
    );
    // More than a request may be: it is not read to its end.
    let huge = json!({ "id": 1, "method": "submitblock", "params": ["00".repeat(9 << 20)] });
    let refused = core.post(huge.to_string()).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);

    assert_eq!(core.done("getblockcount", json!([])).await, 1);
    core.done("generatetodescriptor", json!([1, "raw(51)#8lvh9jxk"]))
        .await;
}
