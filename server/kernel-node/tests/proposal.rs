//! A proposal is judged as the kernel judges the same block with its proof of work: each block here
//! is asked about first, then mined and submitted, and both say the same.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::atomic::AtomicBool;

use bllvm_kernel_node::bitcoin::consensus::{deserialize, serialize};
use bllvm_kernel_node::bitcoin::{
    Amount, Block, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness,
    absolute::LockTime, block::Version, transaction,
};
use bllvm_kernel_node::testing::{BlockBuilder, spend};
use bllvm_kernel_node::{Engine, Settings, Verdict, anyone_can_spend};

/// Enough for two coinbases to be ripe.
const BLOCKS: u32 = 102;

fn engine(dir: &Path) -> Engine {
    let (engine, _) = Engine::open(Settings::regtest(dir), Box::new(|_| {})).unwrap();
    engine
        .mine(
            BLOCKS,
            &anyone_can_spend(),
            &AtomicBool::new(false),
            &mut |_| {},
        )
        .unwrap();
    engine
}

fn coinbase_of(engine: &Engine, height: u32) -> OutPoint {
    let hash = engine.block_hash_at(height).unwrap().unwrap();
    let block: Block = deserialize(&engine.block(&hash).unwrap().unwrap()).unwrap();
    OutPoint::new(block.txdata[0].compute_txid(), 0)
}

/// Makes header and commitments fit what a case has changed, as far as they are to fit.
fn seal(block: &mut Block) {
    block.header.merkle_root = block.compute_merkle_root().unwrap();
}

fn grind(block: &mut Block) {
    let target = block.header.target();
    while block.header.validate_pow(target).is_err() {
        block.header.nonce += 1;
    }
}

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Invalid { code, .. } => code.clone(),
        Verdict::Accepted { .. } => "accepted".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_proposal_is_judged_as_the_kernel_judges_the_block() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let tip = engine.tip().unwrap().hash;
    let (ripe, second) = (coinbase_of(&engine, 1), coinbase_of(&engine, 2));
    let green = coinbase_of(&engine, BLOCKS);
    let value = Amount::from_int_btc(50);
    let good = spend(ripe, value, ScriptBuf::new());
    let block = |transactions: &[&Transaction]| {
        let mut builder = BlockBuilder::on(tip);
        for transaction in transactions {
            builder = builder.with((*transaction).clone());
        }
        builder.build(&engine).unwrap()
    };
    let change = |transaction: &Transaction, how: &dyn Fn(&mut Transaction)| {
        let mut changed = transaction.clone();
        how(&mut changed);
        changed
    };
    let edit = |mut block: Block, how: &dyn Fn(&mut Block)| {
        how(&mut block);
        block
    };
    let child_of = |transaction: &Transaction| {
        spend(
            OutPoint::new(transaction.compute_txid(), 0),
            value,
            ScriptBuf::new(),
        )
    };
    let late = change(&good, &|tx| {
        tx.lock_time = LockTime::from_height(BLOCKS + 1).unwrap();
        tx.input[0].sequence = Sequence::ENABLE_LOCKTIME_NO_RBF;
    });
    let greedy = change(&good, &|tx| tx.output[0].value = value + Amount::ONE_SAT);
    let unlocked = change(&good, &|tx| {
        tx.input[0].previous_output = second;
        // It ends the script before the output's own is looked at.
        tx.input[0].script_sig = ScriptBuf::from_bytes(vec![0x51, 0x6a]);
    });
    let relative = change(&child_of(&good), &|tx| {
        tx.input[0].sequence = Sequence::from_height(1);
    });
    // A version below zero counts as one above two.
    let below_zero = change(&relative, &|tx| tx.version = transaction::Version(-1));
    // Never run, but counted: 20 for each check that has no number right before it.
    let hidden =
        ScriptBuf::from_bytes([&[0, 0x63, 0x51][..], &[0xae; 197], &[0x68, 0x51]].concat());
    let shown = ScriptBuf::from_bytes([&[0x4c, 202][..], hidden.as_bytes()].concat());
    let hiding = change(&good, &|tx| {
        let behind = TxOut {
            value: value / 6,
            script_pubkey: ScriptBuf::new_p2sh(&hidden.script_hash()),
        };
        tx.output = vec![behind; 6];
    });
    let found = change(&child_of(&hiding), &|tx| {
        tx.input = (0..6)
            .map(|vout| TxIn {
                previous_output: OutPoint::new(hiding.compute_txid(), vout),
                script_sig: shown.clone(),
                ..tx.input[0].clone()
            })
            .collect();
        tx.output[0].value = value / 2;
    });
    let busy = change(&good, &|tx| {
        let checks = ScriptBuf::from_bytes(vec![0xac; 9_999]);
        tx.output = vec![
            TxOut {
                value: Amount::ZERO,
                script_pubkey: checks
            };
            3
        ];
    });
    let cases: Vec<(&str, Block)> = vec![
        (
            "bad-cb-amount",
            BlockBuilder::on(tip).overpaid().build(&engine).unwrap(),
        ),
        (
            "bad-txnmrklroot",
            BlockBuilder::on(tip)
                .with_wrong_merkle_root()
                .build(&engine)
                .unwrap(),
        ),
        (
            "bad-txns-duplicate",
            edit(block(&[&good, &child_of(&good)]), &|block| {
                let last = block.txdata[2].clone();
                block.txdata.push(last);
                // The repeated list has the root of the honest one.
            }),
        ),
        (
            "bad-cb-missing",
            edit(block(&[&good]), &|block| {
                block.txdata.remove(0);
                seal(block);
            }),
        ),
        (
            "bad-cb-multiple",
            edit(block(&[]), &|block| {
                let mut twin = block.txdata[0].clone();
                twin.version.0 += 1;
                block.txdata.push(twin);
                seal(block);
            }),
        ),
        (
            "bad-cb-length",
            edit(block(&[]), &|block| {
                block.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(vec![0x51]);
                seal(block);
            }),
        ),
        (
            "bad-cb-height",
            edit(block(&[]), &|block| {
                block.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(vec![0x51, 0x51]);
                seal(block);
            }),
        ),
        ("bad-txns-nonfinal", block(&[&late])),
        (
            "unexpected-witness",
            edit(block(&[]), &|block| {
                block.txdata[0].output.pop();
                seal(block);
            }),
        ),
        (
            "bad-witness-nonce-size",
            edit(block(&[]), &|block| {
                block.txdata[0].input[0].witness = Witness::from_slice(&[[0_u8; 31]]);
            }),
        ),
        (
            "bad-witness-merkle-match",
            edit(block(&[]), &|block| {
                block.txdata[0].input[0].witness = Witness::from_slice(&[[1_u8; 32]]);
            }),
        ),
        ("bad-blk-sigops", block(&[&busy])),
        ("bad-blk-sigops", block(&[&hiding, &found])),
        (
            "bad-txns-inputs-missingorspent",
            block(&[&child_of(&child_of(&good))]),
        ),
        (
            "bad-txns-inputs-missingorspent",
            block(&[&good, &spend(ripe, Amount::ONE_BTC, ScriptBuf::new())]),
        ),
        (
            "bad-txns-premature-spend-of-coinbase",
            block(&[&spend(green, value, ScriptBuf::new())]),
        ),
        ("bad-txns-in-belowout", block(&[&greedy])),
        ("bad-txns-nonfinal", block(&[&good, &relative])),
        ("bad-txns-nonfinal", block(&[&good, &below_zero])),
        (
            "bad-diffbits",
            edit(block(&[]), &|block| {
                block.header.bits = CompactTarget::from_consensus(0x2070_0000);
            }),
        ),
        (
            "time-too-old",
            edit(block(&[]), &|block| block.header.time = 1_296_688_603),
        ),
        (
            "time-too-new",
            edit(block(&[]), &|block| block.header.time += 3 * 60 * 60),
        ),
        (
            "bad-version(0x00000003)",
            edit(block(&[]), &|block| {
                block.header.version = Version::from_consensus(3);
            }),
        ),
    ];
    for (case, (expected, mut block)) in (0..).zip(cases) {
        // Witnesses do not change a block's hash, and each case is to be a block of its own.
        block.header.time += case;
        let proposed = engine.check_block(&serialize(&block)).unwrap();
        assert_eq!(words(&proposed), expected);
        grind(&mut block);
        let submitted = engine.submit_block(&serialize(&block)).unwrap();
        assert_eq!(words(&submitted), expected, "the kernel");
        assert_eq!(engine.tip().unwrap().hash, tip);
    }

    // The kernel names the script's fault behind the code; ours names the input.
    let mut locked = block(&[&unlocked]);
    let proposed = words(&engine.check_block(&serialize(&locked)).unwrap());
    assert_eq!(proposed, "block-script-verify-flag-failed");
    grind(&mut locked);
    let submitted = words(&engine.submit_block(&serialize(&locked)).unwrap());
    assert!(submitted.starts_with(&proposed), "{submitted}");

    // Proposals need no work, keep nothing, and stand on the tip alone.
    let mut fine = block(&[&good, &child_of(&good)]);
    while fine.header.validate_pow(fine.header.target()).is_ok() {
        fine.header.nonce += 1;
    }
    let raw = serialize(&fine);
    for _ in 0..2 {
        assert_eq!(words(&engine.check_block(&raw).unwrap()), "accepted");
    }
    assert_eq!(engine.tip().unwrap().hash, tip);
    grind(&mut fine);
    assert_eq!(
        words(&engine.submit_block(&serialize(&fine)).unwrap()),
        "accepted"
    );
    let known = engine.check_block(&serialize(&fine)).unwrap();
    assert_eq!(known, Verdict::Duplicate);
    let aside = BlockBuilder::on(tip).salt(9).build(&engine).unwrap();
    assert_eq!(
        words(&engine.check_block(&serialize(&aside)).unwrap()),
        "inconclusive-not-best-prevblk"
    );
}
