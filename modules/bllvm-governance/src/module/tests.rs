//! The module on a host in memory: a chain of 2,016 blocks and more, reorganised, against a recount.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bitcoin::Block;
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash;
use bllvm_sdk::ipc::Raw;
use bllvm_sdk::ipc::method::{ChainBlock, ChainBlockByHeight, ChainHeader, ChainTip};
use bllvm_sdk::testing::{TestHost, TestModule};
use bllvm_sdk::types::{BlockHash, HeaderInfo, Hex, Sample, Tip};
use bllvm_sdk::{ErrorReply, Result};
use serde_json::{Value, json};

use super::Governance;
use crate::mining::synthetic::{Chain, list};
use crate::mining::window::WINDOW;

type Shared = Arc<Mutex<Chain>>;

/// A file of the module's own directory, removed with it.
struct Folder(std::path::PathBuf);

impl Folder {
    fn with_list(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("governance-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("pools.json"), list()).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn host(chain: &Shared) -> TestHost {
    let ask = |chain: &Shared| {
        let chain = Arc::clone(chain);
        move || Arc::clone(&chain)
    };
    let missing = || ErrorReply::not_found("no such block");
    let bytes = move |block: Option<&Block>| -> Result<Raw, ErrorReply> {
        Ok(Raw(serialize(block.ok_or_else(missing)?).into()))
    };
    let hash = |block: &Block| BlockHash(block.block_hash().to_byte_array());
    let (tip, header, by_hash, by_height) = (ask(chain), ask(chain), ask(chain), ask(chain));
    TestHost::for_manifest(include_str!("../../module.toml"))
        .unwrap()
        .answer::<ChainTip>(move |_| {
            let chain = tip();
            let chain = chain.lock().unwrap();
            let block = chain.block(chain.height()).ok_or_else(missing)?;
            Ok(Tip {
                hash: hash(block),
                height: chain.height(),
                header: Hex(serialize(&block.header)),
                ..Tip::sample()
            })
        })
        .answer::<ChainHeader>(move |asked| {
            let chain = header();
            let chain = chain.lock().unwrap();
            let height = asked.height.ok_or_else(missing)?;
            let block = chain.block(height).ok_or_else(missing)?;
            Ok(HeaderInfo {
                hash: hash(block),
                height,
                ..HeaderInfo::sample()
            })
        })
        .answer::<ChainBlock>(move |asked| bytes(by_hash().lock().unwrap().by_hash(asked.hash.0)))
        .answer::<ChainBlockByHeight>(move |asked| {
            bytes(by_height().lock().unwrap().block(asked.height))
        })
}

/// Waits until the dashboard shows the chain's tip, then asks.
async fn census(module: &TestModule, chain: &Shared) -> Value {
    module.event("chain.block_connected", json!({}));
    let height = chain.lock().unwrap().height().to_string();
    module
        .until(|seen| seen.status.iter().any(|field| field.value == height))
        .await;
    module.call("get_economic_nodes", json!({})).await.unwrap()
}

/// The answer's counts, in the shape of a recount.
fn counted(answer: &Value) -> BTreeMap<Option<u32>, u32> {
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    let nodes = answer["nodes"].as_array().unwrap().iter();
    let mut counts: BTreeMap<_, _> = nodes
        .map(|node| (Some(number(&node["id"])), number(&node["blocks"])))
        .collect();
    counts.insert(None, number(&answer["unknown"]["blocks"]));
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_over_reorganisations_equal_an_independent_recount() {
    let folder = Folder::with_list("recount");
    let chain: Shared = Arc::new(Mutex::new(Chain::mined(2 * WINDOW, 1)));
    let module = host(&chain)
        .config(json!({ "pool_list": "pools.json", "node_id": "ours" }))
        .data_dir(&folder.0)
        .start::<Governance>()
        .await
        .unwrap();

    // Across the end of a period, and then within one.
    for (salt, depth) in [(2, 1), (3, 3), (4, 6), (5, 1)] {
        let answer = census(&module, &chain).await;
        let height = chain.lock().unwrap().height();
        assert_eq!(answer["blocks"], 2016);
        assert_eq!(
            counted(&answer),
            chain.lock().unwrap().recount(height + 1 - WINDOW)
        );
        chain.lock().unwrap().reorganise(depth, salt);
    }
    for _ in 0..20 {
        chain.lock().unwrap().mine(6);
    }
    let answer = census(&module, &chain).await;
    let height = chain.lock().unwrap().height();
    assert_eq!(
        counted(&answer),
        chain.lock().unwrap().recount(height + 1 - WINDOW)
    );
    assert_eq!(answer["node_id"], "ours");
    // Nine pools have a percent and more in two periods in a row; what they mine is by tag alone.
    let nodes = answer["nodes"].as_array().unwrap();
    let largest = &nodes[0];
    assert_eq!(largest["member"], true, "{largest}");
    assert_eq!(largest["by_address"], 0);
    assert!(largest["share"]["low_ppm"].as_u64() < largest["share"]["ppm"].as_u64());
    module.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_young_chain_is_counted_whole_and_repeated_events_change_nothing() {
    let folder = Folder::with_list("young");
    let chain: Shared = Arc::new(Mutex::new(Chain::mined(30, 1)));
    let module = host(&chain)
        .config(json!({ "pool_list": "pools.json" }))
        .data_dir(&folder.0)
        .start::<Governance>()
        .await
        .unwrap();
    let first = census(&module, &chain).await;
    let again = census(&module, &chain).await;
    assert_eq!(first, again);
    assert_eq!(first["blocks"], 30);
    assert_eq!(counted(&first), chain.lock().unwrap().recount(0));
    assert!(
        first["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|node| node["member"] == false)
    );
    module.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_off_it_says_so_and_a_missing_list_ends_the_start() {
    let chain: Shared = Arc::new(Mutex::new(Chain::mined(3, 1)));
    let off = host(&chain).config(json!({ "enabled": false }));
    let module = off.start::<Governance>().await.unwrap();
    let refusal = module.call("get_economic_nodes", json!({})).await;
    assert!(refusal.unwrap_err().to_string().contains("enabled = true"));
    module.stop().await.unwrap();

    let missing = host(&chain).config(json!({ "pool_list": "gone.json" }));
    let refusal = missing.start::<Governance>().await.unwrap_err().to_string();
    assert!(refusal.contains("gone.json"), "{refusal}");
}
