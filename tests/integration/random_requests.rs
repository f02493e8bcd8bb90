//! Nothing in a module's reach writes consensus state: after any number of requests under every read
//! grant, tip, set of coins and block tree are what they were.

use std::collections::BTreeMap;

use bllvm_ipc::{Capability, Direction, METHODS};
use bllvm_kernel_node::bitcoin::consensus::encode::{deserialize, serialize, serialize_hex};
use bllvm_kernel_node::bitcoin::hashes::Hash as _;
use bllvm_kernel_node::bitcoin::{Block, OutPoint, ScriptBuf};
use bllvm_kernel_node::testing::{BlockBuilder, spend};
use bllvm_kernel_node::{BlockId, Coin, Engine, HeaderInfo, Settings, Tip};
use bllvm_tests::wait::until;
use bllvm_tests::{Fixture, TestServer, times};
use serde_json::{Value, json};

/// What only reads. The rest changes a module's own things, or submits to the network.
const READS: [Capability; 6] = [
    Capability::ChainRead,
    Capability::MempoolRead,
    Capability::FeeRead,
    Capability::NetworkRead,
    Capability::MiningTemplate,
    Capability::ModuleList,
];
/// Requests of one call of the fixture, which has its own deadline.
const AT_ONCE: u32 = 1000;

/// The consensus state, copied out.
#[derive(Debug, PartialEq)]
struct State {
    tip: Tip,
    coins: BTreeMap<OutPoint, Coin>,
    best_header: u32,
    chain: Vec<HeaderInfo>,
    side: Option<HeaderInfo>,
}

fn engine(server: &TestServer) -> Engine {
    let settings = Settings::regtest(server.data_dir().join("node"));
    Engine::open(settings, Box::new(|_| {})).unwrap().0
}

fn state(engine: &Engine, side: &Block) -> State {
    State {
        tip: engine.tip().unwrap(),
        coins: engine.coins().unwrap().into_iter().collect(),
        best_header: engine.best_header_height().unwrap(),
        chain: engine.headers(&[], 2000).unwrap(),
        side: engine.header(BlockId::Hash(side.block_hash())).unwrap(),
    }
}

fn block_at(engine: &Engine, height: u32) -> Block {
    let hash = engine.block_hash_at(height).unwrap().unwrap();
    deserialize(&engine.block(&hash).unwrap().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_of_a_reader_moves_the_chain() {
    let mut server = TestServer::builder()
        .set("node.backend=embedded")
        .start()
        .await;
    let core = server.face(&server.rest.cookie.1);
    until("the base node answers", async || {
        core.call("getblockcount", json!([])).await.ok()
    })
    .await;
    core.done("generatetodescriptor", json!([120, "raw(51)#8lvh9jxk"]))
        .await;
    assert!(server.stop().await.success());

    // A block beside the chain, and what to ask about.
    let node = engine(&server);
    let fork = node.block_hash_at(117).unwrap().unwrap();
    let side = BlockBuilder::on(fork).salt(7).build(&node).unwrap();
    node.submit_block(&serialize(&side)).unwrap();
    let mut hashes: Vec<String> = (0..=120)
        .map(|height| node.block_hash_at(height).unwrap().unwrap().to_string())
        .collect();
    hashes.push(side.block_hash().to_string());
    let coinbases: Vec<_> = (1..=10)
        .map(|height| block_at(&node, height).txdata.swap_remove(0))
        .collect();
    let transactions: Vec<String> = coinbases
        .iter()
        .map(|coinbase| {
            let outpoint = OutPoint::new(coinbase.compute_txid(), 0);
            let value = coinbase.output[0].value;
            serialize_hex(&spend(outpoint, value, ScriptBuf::new()))
        })
        .collect();
    let txids: Vec<String> = coinbases
        .iter()
        .map(|coinbase| coinbase.compute_txid().to_string())
        .collect();
    let before = state(&node, &side);
    assert_eq!(before.chain.len(), 120);
    assert!(before.side.is_some());
    assert!(
        before
            .coins
            .iter()
            .all(|(one, _)| one.txid.to_byte_array() != [0; 32])
    );
    node.close().unwrap();

    server.start_again().await;
    let methods: Vec<&str> = METHODS
        .iter()
        .filter(|method| method.direction == Direction::ToHost)
        .filter(|method| method.capability.is_some_and(|one| READS.contains(&one)))
        .map(|method| method.name)
        .collect();
    assert!(methods.len() > 15, "{methods:?}");
    let mut granted: Vec<&str> = READS.iter().map(|one| one.as_str()).collect();
    granted.push("module.register");
    server
        .run(&Fixture::new("well").capabilities(&granted))
        .await;
    let core = server.face(&server.rest.cookie.1);
    until("the base node answers", async || {
        core.call("getblockcount", json!([])).await.ok()
    })
    .await;
    let (mut answered, mut refused) = (0, 0);
    for seed in 0..times(100_000) / AT_ONCE {
        let params = json!({
            "count": AT_ONCE, "seed": seed, "methods": methods,
            "hashes": hashes, "txids": txids, "transactions": transactions,
        });
        let told = server.call("fixture-well", "ask_at_random", params).await;
        let count = |what: &Value| what.as_u64().unwrap();
        answered += count(&told["answered"]);
        refused += count(&told["refused"]);
    }
    println!("{answered} answered, {refused} refused");
    assert_eq!(answered + refused, u64::from(times(100_000)));
    assert!(
        answered > refused / 4,
        "{answered} answered, {refused} refused"
    );
    assert!(server.stop().await.success());

    let node = engine(&server);
    assert_eq!(state(&node, &side), before);
    node.close().unwrap();
}
