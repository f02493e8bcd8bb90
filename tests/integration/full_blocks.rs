//! A module can read everything of a block at consensus size: the block, one huge transaction, tens of
//! thousands of spent outputs, and a template that fills a block.

use std::sync::LazyLock;

use bllvm_kernel_node::bitcoin::consensus::encode::{deserialize, serialize, serialize_hex};
use bllvm_kernel_node::bitcoin::opcodes::all::{OP_2DROP, OP_PUSHNUM_1};
use bllvm_kernel_node::bitcoin::script::Builder;
use bllvm_kernel_node::bitcoin::{
    Amount, Block, BlockHash, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness,
    WitnessProgram, WitnessVersion,
};
use bllvm_kernel_node::testing::{BlockBuilder, extend, spend};
use bllvm_kernel_node::{BlockId, Engine, Settings, Verdict};
use bllvm_tests::wait::until;
use bllvm_tests::{CoreRpc, Fixture, TestServer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const READER: &str = "fixture-well";
/// Inputs of the block of many inputs, by transaction.
const MANY: [u32; 3] = [20_000, 1, 3_200];
/// Inputs of the unconfirmed transactions. Ten of the large ones and the small one fill a block.
const HEAVY: [u32; 13] = [47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 9];
/// What the huge transaction carries.
const HUGE_BYTES: usize = 3_900_000;

/// A script that drops a hundred items: the most that relay takes of a witness script.
static DROPPING: LazyLock<ScriptBuf> = LazyLock::new(|| {
    let drops = (0..50).fold(Builder::new(), |script, _| script.push_opcode(OP_2DROP));
    drops.push_opcode(OP_PUSHNUM_1).into_script()
});

fn engine(server: &TestServer) -> Engine {
    let settings = Settings::regtest(server.data_dir().join("node"));
    Engine::open(settings, Box::new(|_| {})).unwrap().0
}

async fn answering(server: &TestServer) -> CoreRpc {
    let core = server.face(&server.rest.cookie.1);
    until("the base node answers", async || {
        core.call("getblockcount", json!([])).await.ok()
    })
    .await;
    core
}

fn coinbase(engine: &Engine, height: u32) -> (OutPoint, Amount) {
    let hash = engine.block_hash_at(height).unwrap().unwrap();
    let block: Block = deserialize(&engine.block(&hash).unwrap().unwrap()).unwrap();
    let output = OutPoint::new(block.txdata[0].compute_txid(), 0);
    (output, block.txdata[0].output[0].value)
}

/// Splits a coinbase into outputs whose values differ.
fn split(engine: &Engine, height: u32, count: u32, script: &ScriptBuf) -> Transaction {
    let (from, value) = coinbase(engine, height);
    let each = value.to_sat() / u64::from(count) - u64::from(count);
    let mut transaction = spend(from, value, ScriptBuf::new());
    transaction.output = (0..u64::from(count))
        .map(|number| TxOut {
            value: Amount::from_sat(each + number),
            script_pubkey: script.clone(),
        })
        .collect();
    transaction
}

/// Transactions that spend the outputs of `from`, so many each.
fn gather(
    from: &Transaction,
    counts: &[u32],
    fee: impl Fn(usize) -> u64,
    witness: &Witness,
    to: &ScriptBuf,
) -> Vec<Transaction> {
    let txid = from.compute_txid();
    let mut outputs = (0..).zip(&from.output);
    let one = |(number, count): (usize, &u32)| {
        let spent: Vec<(u32, &TxOut)> = outputs.by_ref().take(*count as usize).collect();
        let value: Amount = spent.iter().map(|(_, output)| output.value).sum();
        let mut transaction = spend(OutPoint::null(), value, ScriptBuf::new());
        transaction.input = spent
            .iter()
            .map(|(vout, _)| TxIn {
                previous_output: OutPoint::new(txid, *vout),
                script_sig: ScriptBuf::new(),
                sequence: Sequence::MAX,
                witness: witness.clone(),
            })
            .collect();
        transaction.output[0].value = value - Amount::from_sat(fee(number));
        transaction.output[0].script_pubkey = to.clone();
        transaction
    };
    counts.iter().enumerate().map(one).collect()
}

/// What lies in the chain and what is to come.
struct Full {
    many: BlockHash,
    many_digest: String,
    huge: Transaction,
    huge_block: BlockHash,
    heavy: Vec<Transaction>,
    /// The outputs that the heavy ones spend, and the height that made them.
    heavy_outputs: Vec<TxOut>,
    split_height: u32,
}

fn digest<'a>(coins: impl Iterator<Item = &'a TxOut>, height: u32) -> String {
    let mut digest = Sha256::new();
    for output in coins {
        digest.update(output.value.to_sat().to_le_bytes());
        digest.update(height.to_le_bytes());
        digest.update([0]);
        digest.update(output.script_pubkey.as_bytes());
    }
    hex::encode(digest.finalize())
}

fn submit(engine: &Engine, transactions: Vec<Transaction>) -> Block {
    let tip = engine.tip().unwrap().hash;
    let builder = BlockBuilder::on(tip);
    let builder = transactions.into_iter().fold(builder, BlockBuilder::with);
    let block = builder.build(engine).unwrap();
    let verdict = engine.submit_block(&serialize(&block)).unwrap();
    assert_eq!(verdict, Verdict::Accepted { tip_changed: true });
    block
}

/// Builds the chain beneath a node that is not running.
fn build(engine: &Engine) -> Full {
    extend(engine, engine.info().genesis, 110, 1).unwrap();
    let open = ScriptBuf::from_bytes(vec![0x51]);
    // Nobody knows the rules of witness version 2 yet, so consensus takes any witness, of any size.
    let program = WitnessProgram::new(WitnessVersion::V2, &[7; 32]).unwrap();
    let future = ScriptBuf::new_witness_program(&program);
    let dropping = DROPPING.to_p2wsh();

    let many = split(engine, 1, MANY.iter().sum(), &open);
    let heavy = split(engine, 2, HEAVY.iter().sum(), &dropping);
    let one = split(engine, 3, 1, &future);
    submit(engine, vec![many.clone(), heavy.clone(), one.clone()]);
    let split_height = engine.tip().unwrap().height;

    let nothing = Witness::new();
    let spending = gather(&many, &MANY, |_| 0, &nothing, &open);
    let many_block = submit(engine, spending);

    let mut huge = gather(&one, &[1], |_| 0, &nothing, &open).swap_remove(0);
    huge.input[0].witness = Witness::from_slice(&[vec![0xab; HUGE_BYTES]]);
    let huge_block = submit(engine, vec![huge.clone()]);

    let mut items = vec![vec![0x5a; 80]; 100];
    items.push(DROPPING.to_bytes());
    let witness = Witness::from_slice(&items);
    // The small one pays best, so that it has its place; no two pay the same.
    let fee = |number: usize| 200_000 + 1000 * number as u64;
    Full {
        many: many_block.block_hash(),
        many_digest: digest(many.output.iter(), split_height),
        huge,
        huge_block: huge_block.block_hash(),
        heavy: gather(&heavy, &HEAVY, fee, &witness, &dropping),
        heavy_outputs: heavy.output,
        split_height,
    }
}

fn print(bytes: &[u8]) -> Value {
    json!({ "bytes": bytes.len(), "sha256": hex::encode(Sha256::digest(bytes)) })
}

async fn raw_block(core: &CoreRpc, hash: &Value) -> Vec<u8> {
    let raw = core.done("getblock", json!([hash, 0])).await;
    hex::decode(raw.as_str().unwrap()).unwrap()
}

/// The most memory that a process ever had.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().split_whitespace().next().unwrap();
    number.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_reads_everything_of_a_full_block() {
    let mut server = TestServer::builder()
        .set("node.backend=embedded")
        .start()
        .await;
    answering(&server).await;
    assert!(server.stop().await.success());
    let node = engine(&server);
    let full = build(&node);
    let huge_block = node.block(&full.huge_block).unwrap().unwrap();
    assert!(node.header(BlockId::Hash(full.many)).unwrap().is_some());
    node.close().unwrap();
    server.start_again().await;
    let rights = [
        "chain.read",
        "mempool.read",
        "mining.template",
        "module.register",
    ];
    server
        .run(&Fixture::new("well").capabilities(&rights))
        .await;
    let core = answering(&server).await;
    let read = async |what: Value| server.call(READER, "read", what).await;
    let too_large = |told: &Value| {
        assert_eq!(told["code"], "too_large", "{told}");
        let message = told["message"].as_str().unwrap();
        assert!(message.contains("the limit is 1048576"), "{message}");
    };

    // One transaction that is a block by itself.
    let txid = full.huge.compute_txid();
    let told = read(json!({ "what": "transaction", "txid": txid })).await;
    assert_eq!(told["raw"], print(&serialize(&full.huge)));
    assert_eq!(told["block"], json!(full.huge_block));
    too_large(&told["without_flag"]);
    let advice = told["without_flag"]["message"].as_str().unwrap();
    assert!(advice.contains("LARGE"), "{advice}");
    let told = read(json!({ "what": "block", "block": full.huge_block })).await;
    assert_eq!(told, print(&huge_block));

    // As many spent outputs as a block has room for.
    let told = read(json!({ "what": "spent", "block": full.many })).await;
    assert_eq!(told["inputs"], json!(MANY));
    assert_eq!(told["sha256"], json!(full.many_digest));
    assert_eq!(told["pages"], 3);
    too_large(&told["whole"]);

    // A mempool of more than a block.
    for transaction in &full.heavy {
        let raw = serialize_hex(transaction);
        core.done("sendrawtransaction", json!([raw])).await;
    }
    let first = &full.heavy[0];
    let told = read(json!({ "what": "unconfirmed", "txid": first.compute_txid() })).await;
    assert_eq!(told["raw"], print(&serialize(first)));
    assert_eq!(told["without_flag"], "ok");

    let theirs = core
        .done("getblocktemplate", json!([{ "rules": ["segwit"] }]))
        .await;
    let chosen = theirs["transactions"].as_array().unwrap();
    let hex_of = |one: &Value| hex::decode(one["data"].as_str().unwrap()).unwrap();
    let bytes: Vec<u8> = chosen.iter().flat_map(hex_of).collect();
    assert!(bytes.len() > 3_900_000, "{}", bytes.len());
    let fees: Vec<Value> = chosen.iter().map(|one| one["fee"].clone()).collect();
    let told = read(json!({ "what": "template" })).await;
    assert_eq!(told["transactions"], chosen.len());
    assert_eq!(told["raw"], print(&bytes));
    assert_eq!(told["fees"], json!(fees));
    assert_eq!(told["prev"], theirs["previousblockhash"]);
    assert_eq!(told["value"], theirs["coinbasevalue"]);
    too_large(&told["without_flag"]);

    // The block that comes of it.
    let descriptor = "raw(51)#8lvh9jxk";
    let mined = core
        .done("generatetodescriptor", json!([1, descriptor]))
        .await;
    let raw = raw_block(&core, &mined[0]).await;
    assert!(raw.len() > 3_900_000, "{}", raw.len());
    let told = read(json!({ "what": "block", "block": mined[0] })).await;
    assert_eq!(told, print(&raw));
    let height = core.done("getblockcount", json!([])).await;
    let told = read(json!({ "what": "block_by_height", "height": height })).await;
    assert_eq!(told, print(&raw));
    let block: Block = deserialize(&raw).unwrap();
    let spent = block.txdata[1..].iter().flat_map(|one| &one.input);
    let spent = spent.map(|input| &full.heavy_outputs[input.previous_output.vout as usize]);
    let told = read(json!({ "what": "spent", "block": mined[0] })).await;
    assert_eq!(told["sha256"], json!(digest(spent, full.split_height)));
    assert_eq!((&told["pages"], &told["whole"]), (&json!(1), &json!("ok")));

    let peak = peak_kib(server.pid());
    println!("the host had {} MiB at the most", peak >> 10);
    assert!(peak < 1 << 20, "{peak} KiB");
}
