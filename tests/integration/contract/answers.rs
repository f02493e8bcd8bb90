//! Same blocks in, same answers out.

use std::fmt::Debug;

use bllvm_ipc::types as t;
use bllvm_kernel_node::bitcoin::hashes::Hash as _;
use bllvm_kernel_node::testing::BlockBuilder;
use bllvm_node::clock::{SystemClock, new_id};
use bllvm_node::model::Id;
use bllvm_node::node::{ChainStep, MineRequest, NodeError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::benches::{Bench, all};
use super::story::{RIPE, Story, hash};
use super::unconfirmed;

/// What a backend said, line by line.
#[derive(Default)]
pub struct Transcript(Vec<String>);

impl Transcript {
    /// An answer; of a refusal its kind, since each backend has words of its own for it.
    pub fn note<T: Debug>(&mut self, what: &str, answer: Result<T, NodeError>) {
        let shown = match answer {
            Ok(answer) => format!("{answer:?}"),
            Err(NodeError::NotFound(_)) => "not found".to_owned(),
            Err(NodeError::Unsupported(_)) => "unsupported".to_owned(),
            Err(NodeError::Invalid { code, .. }) => format!("invalid: {code}"),
            Err(other) => panic!("{what}: {other}"),
        };
        self.0.push(format!("{what}: {shown}"));
    }
}

async fn tell(bench: &Bench, story: &Story) -> Vec<String> {
    let mut said = Transcript::default();
    let (read, submit) = (&*bench.read, &*bench.submit);
    for height in 1..=RIPE {
        let verdict = submit.submit_block(story.raw(&story.at(height))).await;
        said.note("submit", verdict);
    }
    said.note(
        "submit again",
        submit.submit_block(story.raw(&story.at(RIPE))).await,
    );
    let bad = BlockBuilder::on(story.at(RIPE));
    for (name, block) in [
        ("overpaid", bad.clone().overpaid()),
        ("wrong root", bad.with_wrong_merkle_root()),
    ] {
        let raw = block.raw(&story.engine).unwrap();
        said.note(name, submit.submit_block(raw.into()).await);
    }
    let spending = hash(story.spending);
    said.note(
        "submit the spending block",
        submit.submit_block(story.raw(&story.spending)).await,
    );
    said.note("cut off", submit.submit_block(vec![0; 79].into()).await);

    said.note("tip", read.tip().await);
    said.note("genesis", read.header(by_height(0)).await);
    said.note("header", read.header(by_hash(spending)).await);
    said.note("header above", read.header(by_height(999)).await);
    said.note(
        "unknown header",
        read.header(by_hash(t::BlockHash([9; 32]))).await,
    );
    said.note(
        "neither",
        read.header(t::BlockRef {
            hash: None,
            height: None,
        })
        .await,
    );
    said.note(
        "headers",
        read.headers(t::HeadersRequest {
            locator: vec![hash(story.at(98))],
            max: 2000,
        })
        .await,
    );
    said.note(
        "three headers",
        read.headers(t::HeadersRequest {
            locator: Vec::new(),
            max: 3,
        })
        .await,
    );
    said.note("block", read.block(spending).await);
    said.note("no block", read.block(t::BlockHash([9; 32])).await);
    said.note("hash at", read.block_hash_at(5).await);
    said.note("hash above", read.block_hash_at(999).await);
    let txid = t::Txid(story.transaction.compute_txid().to_byte_array());
    let of = |block| t::TransactionRequest { txid, block };
    said.note("transaction", read.transaction(of(Some(spending))).await);
    said.note(
        "transaction elsewhere",
        read.transaction(of(Some(hash(story.at(3))))).await,
    );
    for (name, txid, vout) in [
        ("made", txid, 0),
        ("no such output", txid, 7),
        ("spent", t::Txid(story.spent.txid.to_byte_array()), 0),
    ] {
        let request = t::UtxoRequest {
            txid,
            vout,
            include_mempool: false,
        };
        said.note(name, read.utxo(request).await);
    }
    said.note("filter of genesis", read.filter(hash(story.at(0))).await);
    said.note("filter", read.filter(spending).await);
    said.note("spent outputs", read.spent_outputs(spending).await);
    said.note("steps to the tip", read.chain_since(Vec::new(), 200).await);
    said.note(
        "two steps",
        read.chain_since(vec![(7, hash(story.at(7)))], 2).await,
    );

    let cursor = vec![(102, spending), (101, hash(story.at(101)))];
    said.note("nothing new", read.chain_since(cursor.clone(), 10).await);
    said.note(
        "side branch",
        submit.submit_block(story.raw(&story.branch[0])).await,
    );
    said.note(
        "still nothing new",
        read.chain_since(cursor.clone(), 10).await,
    );
    said.note(
        "reorganisation",
        submit.submit_block(story.raw(&story.branch[1])).await,
    );
    said.note("steps across", read.chain_since(cursor.clone(), 10).await);
    said.note("one step across", read.chain_since(cursor, 1).await);
    said.note("left header", read.header(by_hash(spending)).await);
    unconfirmed::tell(bench, story, &mut said).await;
    // A block that only the reader knows is undone by its own list.
    let lost = vec![(102, t::BlockHash([5; 32])), (101, hash(story.at(101)))];
    said.note("steps from a lost block", read.chain_since(lost, 10).await);
    let stranger = vec![(50, t::BlockHash([6; 32]))];
    said.note("steps from nowhere", read.chain_since(stranger, 10).await);

    let mine = |count| MineRequest {
        count,
        address: None,
        mark: mark(),
    };
    let never = CancellationToken::new();
    let (progress, _told) = mpsc::channel(16);
    let mined = submit.mine(mine(3), progress.clone(), never.clone()).await;
    said.0.push(format!("mined {}", mined.unwrap().len()));
    said.note(
        "none to mine",
        submit.mine(mine(0), progress.clone(), never.clone()).await,
    );
    let request = MineRequest {
        count: 1,
        address: Some("nowhere".to_owned()),
        mark: mark(),
    };
    said.note(
        "mine to nowhere",
        submit.mine(request, progress, never).await,
    );
    let height = read.tip().await.unwrap().height;
    said.0.push(format!("height {height}"));
    said.0
}

fn by_hash(hash: t::BlockHash) -> t::BlockRef {
    t::BlockRef {
        hash: Some(hash),
        height: None,
    }
}

fn by_height(height: u32) -> t::BlockRef {
    t::BlockRef {
        hash: None,
        height: Some(height),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_backend_gives_the_same_answers() {
    let story = Story::write();
    let mut first: Option<(&str, Vec<String>)> = None;
    for bench in all().await {
        let said = tell(&bench, &story).await;
        let Some((name, expected)) = &first else {
            assert!(
                said.iter().any(|line| line.contains("bad-cb-amount")),
                "{said:#?}"
            );
            first = Some((bench.name, said));
            continue;
        };
        assert_eq!(expected.len(), said.len());
        let differ: Vec<_> = expected.iter().zip(&said).filter(|(a, b)| a != b).collect();
        assert!(
            differ.is_empty(),
            "{name} and {} differ: {differ:#?}",
            bench.name
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_backend_tells_the_same_steps_in_the_same_order() {
    let story = Story::write();
    for bench in all().await {
        for height in 1..=RIPE {
            bench
                .submit
                .submit_block(story.raw(&story.at(height)))
                .await
                .unwrap();
        }
        let mut changes = bench.read.changes();
        bench
            .submit
            .submit_block(story.raw(&story.spending))
            .await
            .unwrap();
        let mut cursor = vec![(101, hash(story.at(101)))];
        let mut steps = Vec::new();
        for block in [None, Some(&story.branch[0]), Some(&story.branch[1])] {
            if let Some(block) = block {
                bench.submit.submit_block(story.raw(block)).await.unwrap();
            }
            for step in bench.read.chain_since(cursor.clone(), 1).await.unwrap() {
                follow(&mut cursor, &step);
                steps.push(step);
            }
        }
        // One at a time, as far as it goes.
        while let Some(step) = bench
            .read
            .chain_since(cursor.clone(), 1)
            .await
            .unwrap()
            .pop()
        {
            follow(&mut cursor, &step);
            steps.push(step);
        }
        let shown: Vec<(bool, t::BlockHash)> = steps
            .iter()
            .map(|step| match *step {
                ChainStep::Connected { hash, .. } => (true, hash),
                ChainStep::Disconnected { hash, .. } => (false, hash),
            })
            .collect();
        let expected = [
            (true, hash(story.spending)),
            (false, hash(story.spending)),
            (true, hash(story.branch[0])),
            (true, hash(story.branch[1])),
        ];
        assert_eq!(shown, expected, "{}", bench.name);
        tokio::time::timeout(bllvm_tests::wait::DEADLINE, changes.changed())
            .await
            .expect("the change is told")
            .unwrap();
    }
}

fn follow(cursor: &mut Vec<(u32, t::BlockHash)>, step: &ChainStep) {
    match *step {
        ChainStep::Connected { height, hash, .. } => cursor.insert(0, (height, hash)),
        ChainStep::Disconnected { .. } => drop(cursor.remove(0)),
    }
}

fn mark() -> Id {
    new_id(&SystemClock)
}
