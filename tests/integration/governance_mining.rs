//! Who mines, on a real chain: blocks by ten pools of our own making, branches left, restarts, and a
//! recount that shares nothing with the module.

use std::collections::BTreeMap;
use std::time::Instant;

use bllvm_kernel_node::BlockPlan;
use bllvm_kernel_node::bitcoin::consensus::encode::serialize_hex;
use bllvm_kernel_node::bitcoin::hashes::Hash as _;
use bllvm_kernel_node::bitcoin::script::{Builder, PushBytesBuf};
use bllvm_kernel_node::bitcoin::{
    Address, Block, BlockHash, CompactTarget, Network, ScriptBuf, Target, WPubkeyHash,
};
use bllvm_tests::governance::{self, GOVERNANCE};
use bllvm_tests::wait::until;
use bllvm_tests::{CoreRpc, TestServer, processes, times};
use serde_json::{Value, json};

/// Blocks that shares are counted of.
const WINDOW: usize = 2016;
const STRANGER: usize = 10;
const BITS: u32 = 0x207f_ffff;
const STEP: u32 = 60;

/// The chain as this test made it, and who mined each block.
struct Chain {
    core: CoreRpc,
    blocks: Vec<(BlockHash, usize)>,
    time: u32,
    salt: u32,
}

/// Pools 0 to 6 are told by their tags, 7 to 9 by whom they pay.
fn list() -> String {
    let pools = (0..STRANGER).map(|id| {
        if id < 7 {
            return json!({ "id": id, "name": format!("Pool {id}"), "tags": [format!("/p{id}/")] });
        }
        let address = Address::from_script(&pays(id), Network::Regtest).unwrap();
        json!({ "id": id, "name": format!("Pool {id}"), "addresses": [address.to_string()] })
    });
    pools.collect::<Value>().to_string()
}

fn pays(id: usize) -> ScriptBuf {
    ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array(
        [u8::try_from(id).unwrap(); 20],
    ))
}

impl Chain {
    async fn mine(&mut self, miner: usize) {
        self.salt += 1;
        self.time += STEP;
        let (prev, _) = *self.blocks.last().unwrap();
        let plan = BlockPlan {
            prev,
            height: u32::try_from(self.blocks.len()).unwrap(),
            time: self.time,
            min_time: self.time,
            bits: CompactTarget::from_consensus(BITS),
            halving: 150,
        };
        let mut coinbase = plan.coinbase(plan.subsidy(), &pays(miner), self.salt, None);
        // A pool that is told by its address writes another's tag: the address says more.
        let tag = match miner {
            STRANGER => "nobody".to_owned(),
            miner @ 7.. => format!("/p{}/", miner - 7),
            miner => format!("/P{miner}/ mined this"),
        };
        let tag = PushBytesBuf::try_from(tag.into_bytes()).unwrap();
        let text = Builder::new().push_int(plan.height.into());
        let text = text.push_slice(self.salt.to_le_bytes()).push_slice(tag);
        coinbase.input[0].script_sig = text.into_script();
        let mut block = plan.assemble(coinbase, Vec::new());
        let target = Target::from_compact(block.header.bits);
        while !target.is_met_by(block.block_hash()) {
            block.header.nonce += 1;
        }
        self.submit(&block).await;
        self.blocks.push((block.block_hash(), miner));
    }

    async fn submit(&self, block: &Block) {
        let said = self
            .core
            .done("submitblock", json!([serialize_hex(block)]))
            .await;
        // A block of a branch that is not yet the better one is inconclusive.
        assert!(said.is_null() || said == "inconclusive", "{said}");
    }

    /// So many blocks go, one more comes.
    async fn reorganise(&mut self, depth: usize) {
        self.blocks.truncate(self.blocks.len() - depth);
        for by in 0..=depth {
            self.mine((by * 3 + depth) % (STRANGER + 1)).await;
        }
    }

    /// Blocks of each miner among the newest; strangers under ten.
    fn recount(&self) -> BTreeMap<usize, u64> {
        let first = self.blocks.len().saturating_sub(WINDOW);
        let mut counts = BTreeMap::new();
        for (_, miner) in &self.blocks[first..] {
            *counts.entry(*miner).or_default() += 1;
        }
        counts
    }

    fn tip(&self) -> String {
        self.blocks.last().unwrap().0.to_string()
    }
}

/// The module's counts, once it has reached the tip.
async fn census(server: &TestServer, chain: &Chain) -> (BTreeMap<usize, u64>, Value) {
    let answer = until("the module has counted up to the tip", async || {
        let answer = server
            .try_call(GOVERNANCE, "get_economic_nodes", &json!({}))
            .await;
        let census = answer.json()["result"].clone();
        (census["hash"] == chain.tip().as_str()).then_some(census)
    })
    .await;
    let count = |node: &Value| node["blocks"].as_u64().unwrap();
    let nodes = answer["nodes"].as_array().unwrap().iter();
    let id = |node: &Value| usize::try_from(node["id"].as_u64().unwrap()).unwrap();
    let mut counts: BTreeMap<_, _> = nodes.map(|node| (id(node), count(node))).collect();
    if count(&answer["unknown"]) > 0 {
        counts.insert(STRANGER, count(&answer["unknown"]));
    }
    (counts, answer)
}

async fn install(server: &TestServer) {
    governance::install(server, json!({ "node_id": "ours" })).await;
    let file = server.module_data(GOVERNANCE).join("pools.json");
    std::fs::write(file, list()).unwrap();
    let done = server
        .configure(GOVERNANCE, json!({ "pool_list": "pools.json" }))
        .await;
    assert_eq!(done["status"], "succeeded", "{done:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_of_ten_pools_over_branches_and_restarts_equal_a_recount() {
    let builder = TestServer::builder().set("node.backend=embedded");
    let mut server = builder.start().await;
    let core = server.face(&server.rest.cookie.1);
    let genesis = until("the base node answers", async || {
        core.call("getblockhash", json!([0])).await.ok()
    })
    .await;
    let genesis: BlockHash = genesis.as_str().unwrap().parse().unwrap();
    install(&server).await;
    let mut chain = Chain {
        core,
        blocks: vec![(genesis, STRANGER)],
        time: 1_700_000_000,
        salt: 0,
    };
    // A window and a hundred blocks more, so that its lower end moves.
    let most = usize::try_from(times(2116)).unwrap().max(100);
    let mut dice = bllvm_tests::Dice::new(10);
    let mut left = Vec::new();
    for number in 0..most {
        let large = usize::try_from(dice.below(11) * dice.below(11) / 10).unwrap();
        chain.mine(large.min(STRANGER)).await;
        let depth = match number {
            _ if number == most / 4 => 1,
            _ if number == most / 3 => 3,
            _ if number == most * 4 / 5 => 6,
            _ => continue,
        };
        assert_eq!(
            census(&server, &chain).await.0,
            chain.recount(),
            "before {depth}"
        );
        if depth > 1 {
            left.push((depth, chain.tip()));
        }
        chain.reorganise(depth).await;
        assert_eq!(
            census(&server, &chain).await.0,
            chain.recount(),
            "after {depth}"
        );
        if depth == 3 {
            server.restart().await;
            server.in_state(GOVERNANCE, "running").await;
            chain.core = server.face(&server.rest.cookie.1);
            until("the base node answers again", async || {
                chain.core.call("getblockcount", json!([])).await.ok()
            })
            .await;
        }
    }
    processes::kill9(server.module_pid(GOVERNANCE).await);
    let (rolling, shown) = census(&server, &chain).await;
    assert_eq!(rolling, chain.recount());
    let blocks = chain.blocks.len().min(WINDOW);
    assert_eq!(shown["blocks"], blocks);
    let by_address = shown["nodes"].as_array().unwrap().iter();
    let by_address = by_address.filter(|node| node["by_address"].as_u64().unwrap() > 0);
    assert!(by_address.count() >= 2, "{shown:#}");

    // Branches of two blocks and more are told, once each; one block is left on any day.
    let told = until("the branches are told", async || {
        let told = server.events("governance.fork_detected").await;
        (told.len() >= left.len()).then_some(told)
    })
    .await;
    let told = told.iter().map(|event| {
        let data = &event["data"];
        let depth = usize::try_from(data["depth"].as_u64().unwrap()).unwrap();
        (depth, data["left_block"].as_str().unwrap().to_owned())
    });
    assert_eq!(told.collect::<Vec<_>>(), left);
    let kept = server.call(GOVERNANCE, "get_forks", json!({})).await;
    assert_eq!(kept["forks"].as_array().unwrap().len(), left.len());
    assert_eq!(kept["forks"][0]["depth"], 6, "{kept:#}");

    // From nothing, it comes to the same.
    let path = format!("/api/v1/modules/{GOVERNANCE}?confirm={GOVERNANCE}&delete_data=true");
    let gone = server.rest.request(reqwest::Method::DELETE, &path);
    server.succeeded(&server.rest.send(gone).await.done()).await;
    install(&server).await;
    let began = Instant::now();
    let (scanned, again) = census(&server, &chain).await;
    println!(
        "{blocks} blocks counted from nothing within {:?}",
        began.elapsed()
    );
    assert_eq!(scanned, rolling);
    assert_eq!(again, shown);
}
