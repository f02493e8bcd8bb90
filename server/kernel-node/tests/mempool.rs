//! Mempool and templates on the real kernel: equal to a plain recomputation after any history, and
//! no block that is made of them is ever refused.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs,
    path::Path,
    sync::atomic::AtomicBool,
    thread,
};

use bllvm_kernel_node::{
    Coin, Engine, Settings,
    bitcoin::{
        Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
        absolute::LockTime, transaction::Version,
    },
    mempool::Room,
    testing::extend,
};
use common::{block_at, copy, from_scratch, open_with, quick_dir};
use proptest::{prelude::*, test_runner::TestRunner};

const START: u64 = 1_700_000_000;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(START) };
}

fn settings(dir: &Path) -> Settings {
    Settings {
        clock: || NOW.get(),
        ..Settings::regtest(dir)
    }
}

fn engine(dir: &Path) -> Engine {
    open_with(settings(dir)).0
}

/// A script by witness that anybody satisfies by showing it.
fn to_anyone() -> ScriptBuf {
    ScriptBuf::new_p2wsh(&ScriptBuf::from_bytes(vec![0x51]).wscript_hash())
}

fn mine(engine: &Engine, count: u32) {
    let cancel = AtomicBool::new(false);
    let mined = engine
        .mine(count, &to_anyone(), &cancel, &mut |_| {})
        .unwrap();
    assert_eq!(mined.len(), count as usize);
}

fn spending(from: &[(OutPoint, u64)], fee: u64, outputs: u64) -> Transaction {
    let total: u64 = from.iter().map(|(_, value)| value).sum();
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: from
            .iter()
            .map(|(outpoint, _)| TxIn {
                previous_output: *outpoint,
                script_sig: ScriptBuf::new(),
                sequence: Sequence::MAX,
                witness: Witness::from_slice(&[[0x51_u8]]),
            })
            .collect(),
        output: (0..outputs)
            .map(|_| TxOut {
                value: Amount::from_sat((total - fee) / outputs),
                script_pubkey: to_anyone(),
            })
            .collect(),
    }
}

/// What should be in the mempool, kept in the simplest way.
#[derive(Default)]
struct Plain(Vec<(Transaction, u64)>);

impl Plain {
    /// Keeps, in order, what the coins allow; later ones lose.
    fn recompute(&mut self, coins: &BTreeMap<OutPoint, Coin>, height: u32) {
        let mut spent = HashSet::new();
        let mut made: HashSet<OutPoint> = HashSet::new();
        self.0.retain(|(transaction, _)| {
            let fits = transaction.input.iter().all(|input| {
                let outpoint = input.previous_output;
                let there = made.contains(&outpoint)
                    || coins
                        .get(&outpoint)
                        .is_some_and(|coin| !coin.coinbase || coin.height + 100 <= height + 1);
                there && !spent.contains(&outpoint)
            });
            let txid = transaction.compute_txid();
            let new = !coins.contains_key(&OutPoint { txid, vout: 0 });
            if fits && new {
                spent.extend(transaction.input.iter().map(|input| input.previous_output));
                let outputs = 0..u32::try_from(transaction.output.len()).unwrap();
                made.extend(outputs.map(|vout| OutPoint { txid, vout }));
            }
            fits && new
        });
    }

    /// Drops these and what spends of them.
    fn drop_families(&mut self, gone: impl Fn(&Transaction, u64) -> bool) {
        let mut dropped = HashSet::new();
        self.0.retain(|(transaction, time)| {
            let mut parents = transaction.input.iter().map(|i| i.previous_output.txid);
            let leaves = gone(transaction, *time) || parents.any(|txid| dropped.contains(&txid));
            if leaves {
                dropped.insert(transaction.compute_txid());
            }
            !leaves
        });
    }

    fn txids(&self) -> BTreeSet<Txid> {
        self.0.iter().map(|(one, _)| one.compute_txid()).collect()
    }
}

/// The best package first, found anew for each by looking at all of them.
fn plain_template(engine: &Engine) -> (u64, Vec<Txid>) {
    let entries: HashMap<Txid, (Transaction, u64, u64)> = engine.mempool(|pool, _| {
        let all = pool.iter();
        all.map(|one| (one.txid, ((*one.transaction).clone(), one.fee, one.vsize)))
            .collect()
    });
    let mut chosen: Vec<Txid> = Vec::new();
    let mut total = 0;
    while chosen.len() < entries.len() {
        let package = |txid: Txid| {
            let mut needed = vec![txid];
            let mut at = 0;
            while let Some(next) = needed.get(at).copied() {
                for input in &entries[&next].0.input {
                    let parent = input.previous_output.txid;
                    if entries.contains_key(&parent)
                        && !chosen.contains(&parent)
                        && !needed.contains(&parent)
                    {
                        needed.push(parent);
                    }
                }
                at += 1;
            }
            needed
        };
        let best = entries
            .keys()
            .filter(|txid| !chosen.contains(txid))
            .map(|txid| {
                let needed = package(*txid);
                let fee: u64 = needed.iter().map(|one| entries[one].1).sum();
                let size: u64 = needed.iter().map(|one| entries[one].2).sum();
                (fee, size, *txid, needed)
            })
            .max_by(|one, other| {
                let (left, right) = (one.0 * other.1, other.0 * one.1);
                left.cmp(&right).then(other.2.cmp(&one.2))
            });
        let (fee, _, _, mut needed) = best.unwrap();
        total += fee;
        needed.sort_unstable();
        chosen.extend(needed);
    }
    (total, chosen)
}

struct Scene {
    engine: Engine,
    plain: Plain,
}

impl Scene {
    fn submit(&mut self, transaction: Transaction) {
        let verdicts = self
            .engine
            .submit_transactions(std::slice::from_ref(&transaction));
        let (txid, verdict) = verdicts.unwrap().swap_remove(0);
        match verdict {
            Ok(_) if self.plain.txids().contains(&txid) => {}
            Ok(_) => {
                let spent: HashSet<_> = transaction
                    .input
                    .iter()
                    .map(|input| input.previous_output)
                    .collect();
                self.plain.drop_families(|one, _| {
                    let mut inputs = one.input.iter();
                    inputs.any(|input| spent.contains(&input.previous_output))
                });
                self.plain.0.push((transaction, NOW.get()));
            }
            Err(reject) => assert!(
                matches!(
                    reject.code,
                    "insufficient fee"
                        | "bad-txns-spends-conflicting-tx"
                        | "bad-txns-inputs-missingorspent"
                        | "bad-txns-premature-spend-of-coinbase"
                        | "too-long-mempool-chain"
                        | "txn-already-known"
                ),
                "{reject}"
            ),
        }
    }

    /// Outputs that a new transaction could spend: of the chain, and of the mempool.
    fn spendable(&self) -> Vec<(OutPoint, u64)> {
        let height = self.engine.tip().unwrap().height;
        let mut found: Vec<_> = from_scratch(&self.engine)
            .into_iter()
            .filter(|(_, coin)| !coin.coinbase || coin.height + 100 <= height + 1)
            .filter(|(_, coin)| coin.output.script_pubkey == to_anyone())
            .map(|(outpoint, coin)| (outpoint, coin.output.value.to_sat()))
            .collect();
        for (transaction, _) in &self.plain.0 {
            let txid = transaction.compute_txid();
            let outputs = (0..).zip(&transaction.output);
            found.extend(outputs.map(|(vout, one)| (OutPoint { txid, vout }, one.value.to_sat())));
        }
        found.retain(|(_, value)| *value > 200_000);
        found
    }

    /// Takes off so many blocks, by one more empty one.
    fn reorganise(&mut self, back: u32, salt: u32) {
        let tip = self.engine.tip().unwrap().height;
        let mut returned = Vec::new();
        for height in tip - back + 1..=tip {
            let block = block_at(&self.engine, height);
            returned.extend(block.txdata.into_iter().skip(1).map(|one| (one, NOW.get())));
        }
        let fork = self.engine.block_hash_at(tip - back).unwrap().unwrap();
        extend(&self.engine, fork, back + 1, salt).unwrap();
        returned.append(&mut self.plain.0);
        self.plain.0 = returned;
    }

    fn check(&mut self) {
        let coins = from_scratch(&self.engine);
        let height = self.engine.tip().unwrap().height;
        let indexed: BTreeMap<_, _> = self.engine.coins().unwrap().into_iter().collect();
        assert_eq!(indexed, coins);
        self.plain.recompute(&coins, height);
        assert_eq!(
            self.engine.mempool(|pool, _| pool.txids()),
            self.plain.txids()
        );
        let chosen = self.engine.template(Room::default()).unwrap().selection;
        let (fee, txids) = plain_template(&self.engine);
        assert_eq!(chosen.fee, fee);
        let order: Vec<Txid> = chosen
            .transactions
            .iter()
            .map(|(one, _)| one.compute_txid())
            .collect();
        assert_eq!(
            order.iter().collect::<BTreeSet<_>>(),
            txids.iter().collect::<BTreeSet<_>>()
        );
    }
}

#[derive(Debug, Clone)]
enum Act {
    Mine,
    Reorganise(u32),
    Send {
        pick: usize,
        also: usize,
        fee: u64,
        outputs: u64,
    },
    Conflict {
        pick: usize,
        fee: u64,
    },
    Expire,
    Crash,
    Reopen,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => Just(Act::Mine),
        2 => (1..=10_u32).prop_map(Act::Reorganise),
        10 => (any::<usize>(), any::<usize>(), 1_000..100_000_u64, 1..4_u64)
            .prop_map(|(pick, also, fee, outputs)| Act::Send { pick, also, fee, outputs }),
        3 => (any::<usize>(), 1_000..150_000_u64).prop_map(|(pick, fee)| Act::Conflict { pick, fee }),
        1 => Just(Act::Expire),
        1 => Just(Act::Crash),
        1 => Just(Act::Reopen),
    ];
    prop::collection::vec(act, 1..20)
}

fn cases() -> u32 {
    if std::env::var("BLLVM_TEST_FULL").is_ok_and(|full| full == "1") {
        10_000
    } else {
        500
    }
}

#[test]
fn mempool_and_template_equal_a_plain_recomputation() {
    let root = quick_dir();
    let ground = root.path().join("ground");
    NOW.set(START);
    let first = engine(&ground);
    mine(&first, 106);
    first.close().unwrap();
    let threads = thread::available_parallelism().map_or(1, |count| count.get().min(4));
    let threads = u32::try_from(threads).unwrap();
    thread::scope(|scope| {
        for number in 0..threads {
            let (root, ground) = (root.path(), &ground);
            scope.spawn(move || {
                let config = ProptestConfig {
                    cases: cases().div_ceil(threads),
                    max_shrink_iters: 30,
                    failure_persistence: None,
                    ..ProptestConfig::default()
                };
                let story = root.join(format!("thread-{number}"));
                let told = TestRunner::new(config).run(&acts(), |acts| {
                    let _ = fs::remove_dir_all(&story);
                    copy(ground, &story.join("0"));
                    play(&story, acts);
                    Ok(())
                });
                told.unwrap_or_else(|failed| panic!("{failed}"));
            });
        }
    });
}

/// Plays one sequence on the ground's copy in `root/0`, and compares after each step.
fn play(root: &Path, acts: Vec<Act>) {
    NOW.set(START);
    let mut dir = root.join("0");
    let mut scene = Scene {
        engine: engine(&dir),
        plain: Plain::default(),
    };
    for (number, act) in (1_u32..).zip(acts) {
        NOW.set(NOW.get() + 60);
        match act {
            Act::Mine => {
                let before = scene.plain.txids();
                mine(&scene.engine, 1);
                let block = block_at(&scene.engine, scene.engine.tip().unwrap().height);
                let mined = block.txdata.iter().skip(1).map(Transaction::compute_txid);
                assert_eq!(mined.collect::<BTreeSet<_>>(), before, "everything fits");
            }
            Act::Reorganise(back) => scene.reorganise(back, number),
            Act::Send {
                pick,
                also,
                fee,
                outputs,
            } => {
                let all = scene.spendable();
                if all.is_empty() {
                    continue;
                }
                let mut from = vec![all[pick % all.len()]];
                let second = all[also % all.len()];
                if also % 2 == 0 && second != from[0] {
                    from.push(second);
                }
                scene.submit(spending(&from, fee, outputs));
            }
            Act::Conflict { pick, fee } => {
                if scene.plain.0.is_empty() {
                    continue;
                }
                let (rival, _) = &scene.plain.0[pick % scene.plain.0.len()];
                let outpoint = rival.input[0].previous_output;
                let all = scene.spendable();
                if let Some((_, value)) = all.into_iter().find(|(one, _)| *one == outpoint) {
                    scene.submit(spending(&[(outpoint, value)], fee, 1));
                }
            }
            Act::Expire => {
                NOW.set(NOW.get() + 200 * 3600);
                let oldest = NOW.get() - 336 * 3600;
                mine_nothing(&scene.engine, number);
                scene.plain.drop_families(|_, time| time < oldest);
            }
            Act::Crash => {
                let next = root.join(number.to_string());
                copy(&dir, &next);
                drop(scene.engine);
                dir = next;
                scene = Scene {
                    engine: engine(&dir),
                    plain: Plain::default(),
                };
            }
            Act::Reopen => {
                scene.engine.close().unwrap();
                scene.engine = engine(&dir);
            }
        }
        scene.check();
    }
}

/// A block without the mempool's transactions, after which the old ones are forgotten.
fn mine_nothing(engine: &Engine, salt: u32) {
    let tip = engine.tip().unwrap().hash;
    extend(engine, tip, 1, salt).unwrap();
}

#[test]
fn scripts_are_checked_by_the_kernel() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    mine(&engine, 101);
    let coinbase = &block_at(&engine, 1).txdata[0];
    let coin = OutPoint::new(coinbase.compute_txid(), 0);
    let value = coinbase.output[0].value.to_sat();
    let mut wrong = spending(&[(coin, value)], 1000, 1);
    // The script hashes to something else.
    wrong.input[0].witness = Witness::from_slice(&[[0x52_u8]]);
    let verdicts = engine.test_transactions(&[wrong]).unwrap();
    let refused = verdicts[0].1.as_ref().unwrap_err();
    assert_eq!(refused.code, "mempool-script-verify-flag-failed");

    let young = block_at(&engine, 90).txdata[0].compute_txid();
    let early = spending(&[(OutPoint::new(young, 0), value)], 1000, 1);
    let verdicts = engine.submit_transactions(&[early]).unwrap();
    let refused = verdicts[0].1.as_ref().unwrap_err();
    assert_eq!(refused.code, "bad-txns-premature-spend-of-coinbase");
}

/// Scripts can be made of which a careless count sees a twentieth, and a block of them is invalid.
#[test]
fn signature_checks_are_counted_as_the_kernel_counts_them() {
    let dir = quick_dir();
    let engine = engine(dir.path());
    mine(&engine, 101);
    // 3,921 checks that never run: the first has a number of keys, the others count as 20.
    let hidden =
        ScriptBuf::from_bytes([&[0, 0x63, 0x51][..], &[0xae; 197], &[0x68, 0x51]].concat());
    let coinbase = &block_at(&engine, 1).txdata[0];
    let coin = OutPoint::new(coinbase.compute_txid(), 0);
    let mut fan = spending(&[(coin, coinbase.output[0].value.to_sat())], 100_000, 24);
    for output in &mut fan.output {
        output.script_pubkey = ScriptBuf::new_p2wsh(&hidden.wscript_hash());
    }
    let send = |one: &Transaction| {
        let verdicts = engine.submit_transactions(std::slice::from_ref(one));
        verdicts.unwrap().swap_remove(0).1.map_err(|why| why.code)
    };
    assert!(send(&fan).is_ok());
    mine(&engine, 1);
    let outputs: Vec<_> = (0..)
        .zip(&fan.output)
        .map(|(vout, one)| (OutPoint::new(fan.compute_txid(), vout), one.value.to_sat()))
        .collect();
    let take = |outputs: &[(OutPoint, u64)]| {
        let mut one = spending(outputs, 100_000, 1);
        for input in &mut one.input {
            input.witness = Witness::from_slice(&[hidden.as_bytes()]);
        }
        one
    };
    let refused = send(&take(&outputs[..5]));
    assert_eq!(refused, Err("bad-txns-too-many-sigops"));
    for four in outputs.chunks(4) {
        let taken = send(&take(four)).unwrap();
        assert_eq!(taken.vsize, 4 * 3921 * 20 / 4);
    }
    // Six are too many for one block.
    for left in [1, 0] {
        mine(&engine, 1);
        assert_eq!(engine.mempool(|pool, _| pool.len()), left);
    }
}

#[test]
fn fees_are_estimated_from_blocks_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    mine(&engine, 116);
    assert!(
        engine
            .fee_estimate(6)
            .unwrap()
            .unwrap_err()
            .contains("too few")
    );
    for height in 1..=15 {
        let coinbase = &block_at(&engine, height).txdata[0];
        let coin = OutPoint::new(coinbase.compute_txid(), 0);
        let fan = spending(&[(coin, coinbase.output[0].value.to_sat())], 10_000, 10);
        assert!(
            engine
                .submit_transactions(std::slice::from_ref(&fan))
                .unwrap()[0]
                .1
                .is_ok()
        );
        mine(&engine, 1);
        for (vout, output) in (0..).zip(&fan.output) {
            let coin = (
                OutPoint::new(fan.compute_txid(), vout),
                output.value.to_sat(),
            );
            // 12 satoshi a virtual byte.
            let one = spending(&[coin], 0, 1);
            let one = spending(&[coin], one.vsize() as u64 * 12, 1);
            assert!(engine.submit_transactions(&[one]).unwrap()[0].1.is_ok());
        }
        mine(&engine, 1);
    }
    let (rate, basis) = engine.fee_estimate(2).unwrap().unwrap();
    assert!((11_000..=12_100).contains(&rate), "{rate}: {basis}");
}

#[test]
fn who_knows_of_a_block_finds_mempool_and_coins_as_it_left_them() {
    let dir = quick_dir();
    let engine = engine(dir.path());
    mine(&engine, 130);
    for height in 1..=30 {
        let coinbase = block_at(&engine, height).txdata[0].compute_txid();
        let spent = OutPoint::new(coinbase, 0);
        let transaction = spending(&[(spent, 5_000_000_000)], 1000, 1);
        let txid = transaction.compute_txid();
        let taken = engine.submit_transactions(&[transaction]).unwrap();
        assert!(taken[0].1.is_ok(), "{taken:?}");
        let before = engine.tip().unwrap().hash;
        thread::scope(|threads| {
            threads.spawn(|| mine(&engine, 1));
            while engine.tip().unwrap().hash == before {
                std::hint::spin_loop();
            }
            assert!(engine.mempool(|pool, _| pool.get(&txid).is_none()));
            assert_eq!(engine.coin(&spent).unwrap().0, None);
        });
    }
}
