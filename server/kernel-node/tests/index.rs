//! The index of coins and transactions: equal to the chain, whatever happened before.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::{self, OpenOptions};

use bllvm_kernel_node::{
    BlockId, Coin, Engine,
    bitcoin::{
        Amount, OutPoint, ScriptBuf, Transaction, Txid, consensus::serialize, hashes::Hash as _,
    },
    testing::{BlockBuilder, extend, spend},
};
use common::{assert_in_step, block_at, copy, mine, open, quick_dir};
use proptest::prelude::*;

fn coinbase_of(engine: &Engine, height: u32) -> Transaction {
    block_at(engine, height).txdata.swap_remove(0)
}

/// Two transactions, the second of which spends the first in the same block.
fn chained(engine: &Engine, height: u32) -> [Transaction; 2] {
    let coinbase = coinbase_of(engine, height);
    let value = coinbase.output[0].value;
    let first = spend(
        OutPoint::new(coinbase.compute_txid(), 0),
        value,
        ScriptBuf::new(),
    );
    let second = spend(
        OutPoint::new(first.compute_txid(), 0),
        value - Amount::from_sat(1000),
        ScriptBuf::new(),
    );
    [first, second]
}

#[test]
fn coins_and_transactions_are_found_and_leave_with_their_block() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _, _) = open(dir.path());
    mine(&engine, 110);
    let fork = engine.tip().unwrap().hash;
    let [first, second] = chained(&engine, 1);
    let block = BlockBuilder::on(fork)
        .with(first.clone())
        .with(second.clone())
        .build(&engine)
        .unwrap();
    engine.submit_block(&serialize(&block)).unwrap();

    let spent = first.input[0].previous_output;
    let made = OutPoint::new(second.compute_txid(), 0);
    assert_eq!(engine.coin(&spent).unwrap(), (None, block.block_hash()));
    let (coin, tip) = engine.coin(&made).unwrap();
    assert_eq!(
        (coin.unwrap(), tip),
        (
            Coin {
                output: second.output[0].clone(),
                height: 111,
                coinbase: false
            },
            block.block_hash()
        )
    );
    let found = engine.transaction(&second.compute_txid()).unwrap();
    assert_eq!(found, Some((second.clone(), block.block_hash())));
    assert_in_step(&engine);

    extend(&engine, fork, 2, 77).unwrap();
    assert_eq!(engine.coin(&made).unwrap().0, None);
    assert!(engine.coin(&spent).unwrap().0.is_some());
    assert_eq!(engine.transaction(&second.compute_txid()).unwrap(), None);
    let other = Txid::all_zeros();
    assert_eq!(engine.transaction(&other).unwrap(), None);
    assert_in_step(&engine);
}

#[test]
fn a_lost_damaged_or_foreign_index_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.redb");
    let (engine, _, _) = open(dir.path());
    mine(&engine, 30);
    engine.close().unwrap();

    fs::remove_file(&path).unwrap();
    let (engine, report, _) = open(dir.path());
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    assert_in_step(&engine);
    engine.close().unwrap();

    fs::write(&path, b"not a database").unwrap();
    let (engine, report, _) = open(dir.path());
    assert!(report.warnings[0].contains("made anew"), "{report:?}");
    assert_in_step(&engine);
    engine.close().unwrap();

    // An index of another chain: its tip is not known here.
    let elsewhere = tempfile::tempdir().unwrap();
    let (other, _, _) = open(elsewhere.path());
    extend(&other, other.info().genesis, 40, 5).unwrap();
    other.close().unwrap();
    fs::copy(elsewhere.path().join("index.redb"), &path).unwrap();
    let (engine, _, _) = open(dir.path());
    assert_in_step(&engine);
    assert_eq!(engine.tip().unwrap().height, 30);
}

/// What a power cut leaves: an older file of the index, beside the journal that was synced.
#[test]
fn an_index_behind_the_journal_is_caught_up_over_a_reorganisation() {
    let dir = tempfile::tempdir().unwrap();
    let older = dir.path().join("older");
    let (engine, _, _) = open(dir.path());
    mine(&engine, 20);
    engine.close().unwrap();
    fs::copy(dir.path().join("index.redb"), &older).unwrap();
    let (engine, _, _) = open(dir.path());
    let fork = engine.header(BlockId::Height(15)).unwrap().unwrap().hash;
    extend(&engine, fork, 30, 3).unwrap();
    engine.close().unwrap();
    fs::copy(&older, dir.path().join("index.redb")).unwrap();

    let (engine, report, _) = open(dir.path());
    assert_eq!(report.height, 45);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    assert_in_step(&engine);
}

#[derive(Debug, Clone)]
enum Act {
    Mine(u32),
    Spend(u32),
    Reorganise { back: u32, with_spend: bool },
    Reopen,
    Crash,
    LoseTail(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (1..4_u32).prop_map(Act::Mine),
        4 => (0..1000_u32).prop_map(Act::Spend),
        3 => (1..=10_u32, any::<bool>()).prop_map(|(back, with_spend)| Act::Reorganise { back, with_spend }),
        1 => Just(Act::Reopen),
        1 => Just(Act::Crash),
        1 => (0..5000_u64).prop_map(Act::LoseTail),
    ];
    prop::collection::vec(act, 1..10)
}

/// Puts two chained transactions, spending the lowest coinbase that is ripe, into a block.
fn with_spend(engine: &Engine, builder: BlockBuilder, pick: u32) -> BlockBuilder {
    let tip = engine.tip().unwrap().height;
    let ripe = tip.saturating_sub(115);
    let height = 1 + pick % ripe.max(1);
    let coinbase = coinbase_of(engine, height);
    let outpoint = OutPoint::new(coinbase.compute_txid(), 0);
    if ripe == 0 || engine.coin(&outpoint).unwrap().0.is_none() {
        return builder;
    }
    let [first, second] = chained(engine, height);
    builder.with(first).with(second)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if std::env::var("BLLVM_TEST_FULL").is_ok_and(|full| full == "1") { 400 } else { 20 }, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn the_index_equals_a_set_from_scratch_after_any_history(acts in acts()) {
        let root = quick_dir();
        let mut dir = root.path().join("0");
        let (mut engine, _, _) = open(&dir);
        mine(&engine, 130);
        for (number, act) in (1_u32..).zip(acts) {
            match act {
                Act::Mine(count) => drop(mine(&engine, count)),
                Act::Spend(pick) => {
                    let tip = engine.tip().unwrap().hash;
                    let block = with_spend(&engine, BlockBuilder::on(tip).salt(number), pick);
                    engine.submit_block(&block.raw(&engine).unwrap()).unwrap();
                }
                Act::Reorganise { back, with_spend: spending } => {
                    let tip = engine.tip().unwrap().height;
                    let fork = engine.block_hash_at(tip - back).unwrap().unwrap();
                    let branch = extend(&engine, fork, back, 1000 + number).unwrap();
                    let mut last = BlockBuilder::on(branch[branch.len() - 1]).salt(number);
                    if spending {
                        last = with_spend(&engine, last, number);
                    }
                    // A spend may be of a coin that the new branch lacks: then nothing moves.
                    engine.submit_block(&last.raw(&engine).unwrap()).unwrap();
                }
                Act::Reopen => {
                    engine.close().unwrap();
                    engine = open(&dir).0;
                }
                Act::Crash | Act::LoseTail(_) => {
                    let copied = root.path().join(number.to_string());
                    copy(&dir, &copied);
                    if let Act::LoseTail(bytes) = act {
                        let index = OpenOptions::new().write(true).open(copied.join("index.redb")).unwrap();
                        let length = index.metadata().unwrap().len();
                        index.set_len(length.saturating_sub(bytes)).unwrap();
                    }
                    drop(engine);
                    dir = copied;
                    engine = open(&dir).0;
                }
            }
            assert_in_step(&engine);
        }
    }
}
