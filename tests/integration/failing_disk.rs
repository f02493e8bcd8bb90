//! A disk that fails the base node: its process ends and says why, the host starts it again, and once
//! the disk is well it goes on from where it was.

use std::fs;

use bllvm_tests::chain::{ELSEWHERE, mine};
use bllvm_tests::wait::until;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;

use super::peers::node;

#[tokio::test(flavor = "multi_thread")]
async fn a_base_node_that_its_disk_failed_is_started_again_and_goes_on() {
    let (server, node) = node(&[]).await;
    let mined = mine(&node, 3).await;
    // Nobody writes blocks into a folder.
    let blocks = server.data_dir().join("node/regtest/blocks/blk00000.dat");
    let aside = blocks.with_extension("aside");
    fs::create_dir(&aside).unwrap();
    let exchange = || renameat_with(CWD, &blocks, CWD, &aside, RenameFlags::EXCHANGE);
    exchange().unwrap();
    // Mining outlives a base node that is started again, so it goes on in the end.
    let miner = server.face(&server.rest.cookie.1);
    let mining = tokio::spawn(async move {
        let wanted = json!([1, ELSEWHERE]);
        miner.call("generatetoaddress", wanted).await
    });
    until("the host says why it starts it again", async || {
        let log = server.log();
        let lines = log.lines().filter(|line| line.contains("started again"));
        lines
            .into_iter()
            .find(|line| line.contains("kernel failed"))
            .map(drop)
    })
    .await;

    exchange().unwrap();
    let third = until("it is back", async || {
        node.call("getblockhash", json!([3])).await.ok()
    })
    .await;
    assert_eq!(third, mined[2]);
    let mined = mining.await.unwrap();
    assert!(mined.is_ok(), "{mined:?}");
    mine(&node, 1).await;
}
