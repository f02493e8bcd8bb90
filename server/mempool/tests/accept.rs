//! What is taken, what is not, and in which words.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxOut, Witness, absolute::LockTime,
    transaction::Version,
};
use bllvm_mempool::{Policy, Pool};
use common::{Ledger, anchor, open, out, tx};

const NOW: u64 = 1_700_000_000;

fn code(pool: &mut Pool, chain: &Ledger, one: &Transaction) -> &'static str {
    match pool.accept(chain, one.clone(), NOW).unwrap() {
        Ok(_) => "taken",
        Err(reject) => reject.code,
    }
}

fn pool() -> Pool {
    Pool::new(Policy::default())
}

/// A chain with one coin of 100,000 satoshi, and a valid transaction that spends it.
fn scene() -> (Ledger, Transaction) {
    let mut chain = Ledger::at(200);
    let coin = chain.coin(100_000);
    (chain, tx(&[coin], &[90_000]))
}

#[test]
fn a_good_transaction_is_taken_once() {
    let (chain, good) = scene();
    let mut pool = pool();
    assert_eq!(code(&mut pool, &chain, &good), "taken");
    let entry = pool.get(&good.compute_txid()).unwrap();
    assert_eq!((entry.fee, entry.vsize), (10_000, good.vsize() as u64));
    assert_eq!(code(&mut pool, &chain, &good), "txn-already-in-mempool");
    let mut other_witness = good.clone();
    other_witness.input[0].witness.push([]);
    assert_eq!(
        code(&mut pool, &chain, &other_witness),
        "txn-same-nonwitness-data-in-mempool"
    );
    // A list is asked for what it does, which is here.
    let taken = pool.submit(&chain, std::slice::from_ref(&other_witness), NOW);
    assert!(taken.unwrap()[0].1.is_ok());
    let tested = pool.test(&chain, &[other_witness], NOW).unwrap();
    assert_eq!(
        tested[0].1.as_ref().unwrap_err().code,
        "txn-same-nonwitness-data-in-mempool"
    );
    assert_eq!((pool.len(), pool.vsize()), (1, good.vsize() as u64));
}

#[test]
fn what_was_only_tried_leaves_no_trace() {
    let (mut chain, first) = scene();
    let child = tx(&[out(&first, 0)], &[85_000]);
    let mut pool = pool();
    for one in [&first, &child] {
        assert_eq!(code(&mut pool, &chain, one), "taken");
    }
    let before = pool.sequence();
    let order = |pool: &Pool| pool.in_order().map(|one| one.txid).collect::<Vec<_>>();
    assert_eq!(order(&pool), [first.compute_txid(), child.compute_txid()]);

    // It would push out both.
    let rich = tx(&[first.input[0].previous_output], &[10_000]);
    let tested = pool.test(&chain, &[rich], NOW).unwrap();
    assert!(tested[0].1.is_ok(), "{tested:?}");
    let parent = commitment(chain.coin(100_000));
    let stingy = bump(&parent, chain.coin(50_000), 150_000);
    let refused = pool.submit(&chain, &[parent, stingy], NOW).unwrap();
    assert!(refused.iter().all(|(_, verdict)| verdict.is_err()));
    assert_eq!(pool.sequence(), before, "nobody who waits is woken");
    assert_eq!(order(&pool), [first.compute_txid(), child.compute_txid()]);
    let last = pool.get(&first.compute_txid()).unwrap().arrival;
    let since: Vec<_> = pool.since(last).map(|one| one.txid).collect();
    assert_eq!(since, [child.compute_txid()]);
}

#[test]
fn bare_scripts_are_relayed_where_they_ask_for_keys() {
    let (chain, good) = scene();
    let (small, large) = ([&[2][..], &[7; 32]].concat(), [&[4][..], &[7; 64]].concat());
    let (small, large) = (small.as_slice(), large.as_slice());
    let many = |needed: u8, keys: &[&[u8]], all: u8| {
        let mut script = vec![0x50 + needed];
        for key in keys {
            script.push(u8::try_from(key.len()).unwrap());
            script.extend_from_slice(key);
        }
        script.extend_from_slice(&[0x50 + all, 0xae]);
        script
    };
    let one = |key: &[u8]| [&[u8::try_from(key.len()).unwrap()][..], key, &[0xac]].concat();
    let data = [5; 33];
    let cases = [
        (one(small), "taken"),
        (one(large), "taken"),
        (one(&data), "scriptpubkey"),
        (many(1, &[small], 1), "taken"),
        (many(2, &[small, large, small], 3), "taken"),
        (many(1, &[small; 4], 4), "scriptpubkey"),
        (many(2, &[small], 1), "scriptpubkey"),
        (many(1, &[small; 2], 1), "scriptpubkey"),
        (many(1, &[&data], 1), "scriptpubkey"),
        (many(1, &[small, &[9; 20]], 2), "scriptpubkey"),
        // More pushes than a byte counts.
        (many(1, &[&[][..]; 300], 16), "scriptpubkey"),
    ];
    for (script, wanted) in cases {
        let mut transaction = good.clone();
        transaction.output[0].script_pubkey = ScriptBuf::from_bytes(script.clone());
        assert_eq!(
            code(&mut pool(), &chain, &transaction),
            wanted,
            "{script:x?}"
        );
    }
}

#[test]
fn a_transaction_runs_2500_checks_without_a_witness_at_the_most() {
    let mut chain = Ledger::at(200);
    // 15 checks each, as many as one script may have.
    let redeem = ScriptBuf::from_bytes(vec![0xac; 15]);
    let behind = ScriptBuf::new_p2sh(&redeem.script_hash());
    let shown = ScriptBuf::from_bytes([&[15][..], redeem.as_bytes()].concat());
    for (inputs, wanted) in [(166, "taken"), (167, "bad-txns-nonstandard-inputs")] {
        let coins: Vec<_> = (0..inputs)
            .map(|_| chain.coin_with(10_000, behind.clone()))
            .collect();
        let mut one = tx(&coins, &[90_000]);
        for input in &mut one.input {
            (input.script_sig, input.witness) = (shown.clone(), Witness::new());
        }
        assert_eq!(code(&mut pool(), &chain, &one), wanted, "{inputs} inputs");
    }
}

#[test]
fn each_fault_has_cores_word() {
    let (mut chain, good) = scene();
    let foreign = OutPoint::new(good.compute_txid(), 7);
    let future = chain.coin_with(
        50_000,
        ScriptBuf::from_bytes([&[0x52, 32][..], &[7; 32]].concat()),
    );
    let bare = chain.coin_with(50_000, ScriptBuf::from_bytes(vec![0x51]));
    let at_anchor = chain.coin_with(50_000, anchor());
    let young = chain.coin(60_000);
    let coin = chain.coins.get_mut(&young).unwrap();
    (coin.coinbase, coin.height) = (true, 102);
    let change = |change: fn(&mut Transaction)| {
        let mut one = good.clone();
        change(&mut one);
        one
    };
    let cases: Vec<(&str, Transaction)> = vec![
        ("bad-txns-vin-empty", change(|t| t.input.clear())),
        ("bad-txns-vout-empty", change(|t| t.output.clear())),
        (
            "bad-txns-vout-negative",
            change(|t| t.output[0].value = Amount::from_sat(u64::MAX)),
        ),
        (
            "bad-txns-vout-toolarge",
            change(|t| t.output[0].value = Amount::MAX_MONEY + Amount::ONE_SAT),
        ),
        (
            "bad-txns-txouttotal-toolarge",
            change(|t| {
                t.output[0].value = Amount::MAX_MONEY;
                t.output.push(t.output[0].clone());
            }),
        ),
        (
            "bad-txns-inputs-duplicate",
            change(|t| t.input.push(t.input[0].clone())),
        ),
        (
            "coinbase",
            change(|t| t.input[0].previous_output = OutPoint::null()),
        ),
        (
            "bad-txns-prevout-null",
            change(|t| {
                t.input.push(t.input[0].clone());
                t.input[1].previous_output = OutPoint::null();
            }),
        ),
        ("version", change(|t| t.version = Version(4))),
        (
            "tx-size",
            change(|t| t.output = vec![t.output[0].clone(); 2500]),
        ),
        (
            "scriptsig-size",
            change(|t| t.input[0].script_sig = ScriptBuf::from_bytes(vec![0; 1651])),
        ),
        (
            "scriptsig-not-pushonly",
            change(|t| t.input[0].script_sig = ScriptBuf::from_bytes(vec![0xac])),
        ),
        (
            "scriptpubkey",
            change(|t| t.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0x51])),
        ),
        (
            "dust",
            change(|t| {
                t.output[0].value = Amount::from_sat(329);
                t.output.push(t.output[0].clone());
            }),
        ),
        (
            "dust",
            change(|t| t.output[0].value = Amount::from_sat(329)),
        ),
        (
            "tx-size-small",
            change(|t| t.output[0].script_pubkey = anchor()),
        ),
        (
            "non-final",
            change(|t| {
                t.lock_time = LockTime::from_height(201).unwrap();
                t.input[0].sequence = Sequence::ENABLE_LOCKTIME_NO_RBF;
            }),
        ),
        ("bad-txns-inputs-missingorspent", tx(&[foreign], &[1000])),
        (
            "non-BIP68-final",
            change(|t| t.input[0].sequence = Sequence::from_height(201)),
        ),
        (
            "bad-txns-premature-spend-of-coinbase",
            tx(&[young], &[50_000]),
        ),
        (
            "bad-txns-in-belowout",
            change(|t| t.output[0].value = Amount::from_sat(100_001)),
        ),
        ("bad-txns-nonstandard-inputs", tx(&[future], &[40_000])),
        ("bad-txns-nonstandard-inputs", tx(&[bare], &[40_000])),
        ("bad-witness-nonstandard", tx(&[at_anchor], &[40_000])),
        (
            "bad-witness-nonstandard",
            change(|t| t.input[0].witness = Witness::from_slice(&[vec![0; 81], vec![0x51]])),
        ),
        (
            "mempool-script-verify-flag-failed",
            change(|t| t.input[0].witness = Witness::from_slice(&[[0xb0_u8]])),
        ),
        (
            "min relay fee not met",
            change(|t| t.output[0].value = Amount::from_sat(99_999)),
        ),
    ];
    for (wanted, one) in cases {
        let mut pool = pool();
        assert_eq!(code(&mut pool, &chain, &one), wanted);
        assert!(pool.is_empty());
    }
    chain.bad_scripts.insert(good.compute_txid());
    assert_eq!(
        code(&mut pool(), &chain, &good),
        "mempool-script-verify-flag-failed"
    );
    chain.connect(vec![good.clone()]);
    assert_eq!(code(&mut pool(), &chain, &good), "txn-already-known");
}

#[test]
fn what_a_soft_fork_may_forbid_is_not_taken_from_taproot() {
    let mut chain = Ledger::at(200);
    let taproot = ScriptBuf::from_bytes([&[0x51, 32][..], &[7; 32]].concat());
    let coin = chain.coin_with(100_000, taproot);
    let leaf = |version: u8| [&[version][..], &[2; 32]].concat();
    let cases = [
        (vec![vec![1; 64]], "taken"),
        (vec![vec![1; 64], vec![0x50, 1]], "bad-witness-nonstandard"),
        (vec![vec![0x51], leaf(0xc0)], "taken"),
        (
            vec![vec![0x51], leaf(0xc2)],
            "mempool-script-verify-flag-failed",
        ),
        (
            vec![vec![0x7e], leaf(0xc0)],
            "mempool-script-verify-flag-failed",
        ),
        (
            vec![vec![1; 81], vec![0x51], leaf(0xc0)],
            "bad-witness-nonstandard",
        ),
    ];
    for (witness, wanted) in cases {
        let mut one = tx(&[coin], &[90_000]);
        one.input[0].witness = Witness::from_slice(&witness);
        assert_eq!(code(&mut pool(), &chain, &one), wanted, "{witness:?}");
    }
}

#[test]
fn locks_open_at_the_block_that_may_hold_them() {
    let (mut chain, good) = scene();
    chain.coins.values_mut().for_each(|coin| coin.height = 196);
    let with = |sequence| {
        let mut one = good.clone();
        one.input[0].sequence = sequence;
        one
    };
    // The next block is 201: five blocks after 196.
    assert_eq!(
        code(&mut pool(), &chain, &with(Sequence::from_height(5))),
        "taken"
    );
    assert_eq!(
        code(&mut pool(), &chain, &with(Sequence::from_height(6))),
        "non-BIP68-final"
    );
    // Ten minutes a block since block 195: 3,000 seconds are five times 512 and a rest.
    let time = |units| with(Sequence::from_512_second_intervals(units));
    assert_eq!(code(&mut pool(), &chain, &time(5)), "taken");
    assert_eq!(code(&mut pool(), &chain, &time(6)), "non-BIP68-final");
    let mut old = time(6);
    old.version = Version::ONE;
    assert_eq!(code(&mut pool(), &chain, &old), "taken");
}

#[test]
fn a_replacement_pays_for_what_it_removes_and_for_itself() {
    let (chain, first) = scene();
    let coin = first.input[0].previous_output;
    let child = tx(&[out(&first, 0)], &[85_000]);
    let mut pool = pool();
    assert_eq!(code(&mut pool, &chain, &first), "taken");
    assert_eq!(code(&mut pool, &chain, &child), "taken");

    // 10,000 and 5,000 satoshi leave.
    for poor in [90_001, 89_000, 85_000, 84_999] {
        assert_eq!(
            code(&mut pool, &chain, &tx(&[coin], &[poor])),
            "insufficient fee"
        );
    }
    assert_eq!(pool.len(), 2);
    let itself = tx(&[coin, out(&child, 0)], &[100_000]);
    assert_eq!(
        code(&mut pool, &chain, &itself),
        "bad-txns-spends-conflicting-tx"
    );
    let rich = tx(&[coin], &[84_900]);
    assert_eq!(code(&mut pool, &chain, &rich), "taken");
    assert_eq!(
        pool.txids().into_iter().collect::<Vec<_>>(),
        [rich.compute_txid()]
    );
}

#[test]
fn a_replacement_that_waits_for_a_poor_parent_does_not_count_as_rich() {
    let (mut chain, first) = scene();
    let coin = first.input[0].previous_output;
    let other = chain.coin(1_000_000);
    // Large and poor.
    let parent = tx(&[other], &[24_900; 40]);
    let mut pool = pool();
    assert_eq!(code(&mut pool, &chain, &first), "taken");
    assert_eq!(code(&mut pool, &chain, &parent), "taken");
    let fee = 11_000;
    let newcomer = tx(&[coin, out(&parent, 0)], &[124_900 - fee]);
    assert_eq!(code(&mut pool, &chain, &newcomer), "insufficient fee");
}

#[test]
fn long_chains_end_at_25() {
    let mut chain = Ledger::at(200);
    let mut from = chain.coin(1_000_000);
    let mut pool = pool();
    for length in 1..=26_u64 {
        let next = tx(&[from], &[1_000_000 - length * 1000]);
        let wanted = if length <= 25 {
            "taken"
        } else {
            "too-long-mempool-chain"
        };
        assert_eq!(code(&mut pool, &chain, &next), wanted);
        from = out(&next, 0);
    }
    let coin = chain.coin(1_000_000);
    let fan = tx(&[coin], &[30_000; 30]);
    assert_eq!(code(&mut pool, &chain, &fan), "taken");
    for vout in 0..25 {
        let wanted = if vout < 24 {
            "taken"
        } else {
            "too-long-mempool-chain"
        };
        assert_eq!(
            code(&mut pool, &chain, &tx(&[out(&fan, vout)], &[29_000])),
            wanted
        );
    }
}

/// As Lightning makes them: no fee, and an anchor of nothing that the child spends.
fn commitment(coin: OutPoint) -> Transaction {
    let mut parent = tx(&[coin], &[100_000]);
    parent.version = Version(3);
    parent.output.push(TxOut {
        value: Amount::ZERO,
        script_pubkey: anchor(),
    });
    parent
}

fn bump(parent: &Transaction, fee_coin: OutPoint, keeps: u64) -> Transaction {
    let mut child = tx(&[out(parent, 1), fee_coin], &[keeps]);
    child.version = Version(3);
    child.input[0].witness = Witness::new();
    child
}

#[test]
fn a_commitment_without_fee_enters_with_the_child_that_pays() {
    let (mut chain, _) = scene();
    let (coin, fees, more) = (chain.coin(100_000), chain.coin(50_000), chain.coin(50_000));
    let parent = commitment(coin);
    let child = bump(&parent, fees, 48_000);
    let mut pool = pool();
    assert_eq!(code(&mut pool, &chain, &parent), "min relay fee not met");
    assert_eq!(
        code(&mut pool, &chain, &child),
        "bad-txns-inputs-missingorspent"
    );

    // Bitcoin Core judges a list without what its members pay for each other.
    let tested = pool.test(&chain, &[parent.clone(), child.clone()], NOW);
    let codes = tested
        .unwrap()
        .into_iter()
        .map(|(_, one)| one.unwrap_err().code);
    assert_eq!(
        codes.collect::<Vec<_>>(),
        ["min relay fee not met", "package-not-validated"]
    );
    assert!(pool.is_empty(), "a test leaves nothing");
    let taken = pool
        .submit(&chain, &[parent.clone(), child.clone()], NOW)
        .unwrap();
    assert!(
        taken.iter().all(|(_, verdict)| verdict.is_ok()),
        "{taken:?}"
    );
    let again = pool
        .submit(&chain, &[parent.clone(), child.clone()], NOW)
        .unwrap();
    assert_eq!(again, taken, "what is in counts as taken");

    // A richer child takes the first one's place, though they spend different coins for fees.
    let richer = bump(&parent, more, 40_000);
    assert_eq!(code(&mut pool, &chain, &richer), "taken");
    assert_eq!(pool.get(&child.compute_txid()), None);
    assert_eq!(pool.len(), 2);

    // The other side's commitment, with a child that pays more, replaces both.
    let mut theirs = commitment(coin);
    theirs.output[0].value = Amount::from_sat(99_999);
    theirs.output.push(TxOut {
        value: Amount::from_sat(1),
        script_pubkey: open(),
    });
    let dusty = pool
        .submit(&chain, &[theirs.clone(), bump(&theirs, fees, 30_000)], NOW)
        .unwrap();
    assert_eq!(
        dusty[0].1.as_ref().unwrap_err().code,
        "dust",
        "two dust outputs"
    );
    let mut theirs = commitment(coin);
    theirs.lock_time = LockTime::from_height(7).unwrap();
    let poor = [theirs.clone(), bump(&theirs, fees, 45_000)];
    let refused = pool.submit(&chain, &poor, NOW).unwrap();
    assert_eq!(refused[0].1.as_ref().unwrap_err().code, "insufficient fee");
    assert!(pool.get(&richer.compute_txid()).is_some(), "nothing moved");
    let rich = [theirs.clone(), bump(&theirs, fees, 30_000)];
    let taken = pool.submit(&chain, &rich, NOW).unwrap();
    assert!(
        taken.iter().all(|(_, verdict)| verdict.is_ok()),
        "{taken:?}"
    );
    assert_eq!(
        pool.txids(),
        rich.iter().map(Transaction::compute_txid).collect()
    );
}

#[test]
fn truc_families_stay_small_and_among_themselves() {
    let (mut chain, plain) = scene();
    let coin = chain.coin(200_000);
    let mut parent = tx(&[coin], &[90_000, 90_000]);
    parent.version = Version(3);
    let mut pool = pool();
    assert_eq!(code(&mut pool, &chain, &plain), "taken");
    assert_eq!(code(&mut pool, &chain, &parent), "taken");
    let child = |from: &[OutPoint], values: &[u64], version| {
        let mut child = tx(from, values);
        child.version = Version(version);
        child
    };
    let violations = [
        child(&[out(&parent, 0)], &[80_000], 2),
        child(&[out(&plain, 0)], &[80_000], 3),
        child(&[out(&parent, 0)], &[2_000; 40], 3),
    ];
    for one in violations {
        assert_eq!(code(&mut pool, &chain, &one), "TRUC-violation");
    }
    let first = child(&[out(&parent, 0)], &[85_000], 3);
    assert_eq!(code(&mut pool, &chain, &first), "taken");
    let grandchild = child(&[out(&first, 0)], &[80_000], 3);
    assert_eq!(code(&mut pool, &chain, &grandchild), "TRUC-violation");
    // A second child must pay for the first one's place.
    assert_eq!(
        code(&mut pool, &chain, &child(&[out(&parent, 1)], &[86_000], 3)),
        "insufficient fee"
    );
    assert_eq!(
        code(&mut pool, &chain, &child(&[out(&parent, 1)], &[70_000], 3)),
        "taken"
    );
    assert_eq!(pool.len(), 3);
}

#[test]
fn dust_of_a_parent_must_be_spent_by_its_child() {
    let mut chain = Ledger::at(200);
    let (coin, fees) = (chain.coin(100_000), chain.coin(50_000));
    let parent = commitment(coin);
    let mut child = tx(&[out(&parent, 0), fees], &[100_000]);
    child.version = Version(3);
    let verdicts = pool().submit(&chain, &[parent, child], NOW).unwrap();
    assert_eq!(
        verdicts[0].1.as_ref().unwrap_err().code,
        "missing-ephemeral-spends"
    );
}

#[test]
fn lists_must_be_short_sorted_and_consistent() {
    let (mut chain, first) = scene();
    let child = tx(&[out(&first, 0)], &[80_000]);
    let rival = tx(&[first.input[0].previous_output], &[70_000]);
    let many: Vec<_> = (0..26)
        .map(|_| tx(&[chain.coin(90_000)], &[80_000]))
        .collect();
    let cases = [
        (vec![child.clone(), first.clone()], "package-not-sorted"),
        (
            vec![first.clone(), first.clone()],
            "package-contains-duplicates",
        ),
        (vec![first.clone(), rival], "conflict-in-package"),
        (many, "package-too-many-transactions"),
    ];
    for (list, wanted) in cases {
        let mut pool = pool();
        let verdicts = pool.submit(&chain, &list, NOW).unwrap();
        assert!(
            verdicts
                .iter()
                .all(|(_, verdict)| verdict.as_ref().unwrap_err().code == wanted)
        );
        assert!(pool.is_empty());
    }
}

#[test]
fn a_full_mempool_pushes_out_the_cheapest_and_asks_more() {
    let mut chain = Ledger::at(200);
    let mut pool = Pool::new(Policy {
        max_usage: 20_000,
        ..Policy::default()
    });
    let mut made = Vec::new();
    for number in 1..=40_u64 {
        let one = tx(&[chain.coin(100_000)], &[100_000 - 100 * number]);
        made.push(one.compute_txid());
        assert_eq!(code(&mut pool, &chain, &one), "taken");
    }
    assert!(pool.usage() <= 20_000);
    let kept = pool.len();
    assert!(
        kept < 40
            && made[40 - kept..]
                .iter()
                .all(|txid| pool.get(txid).is_some()),
        "the best are kept"
    );
    let cheap = tx(&[chain.coin(100_000)], &[99_950]);
    assert_eq!(code(&mut pool, &chain, &cheap), "mempool min fee not met");
    assert!(pool.min_rate(NOW) > 1000);
}

#[test]
fn the_oldest_expire_with_their_children() {
    let (mut chain, first) = scene();
    let child = tx(&[out(&first, 0)], &[80_000]);
    let other = tx(&[chain.coin(100_000)], &[90_000]);
    let mut pool = pool();
    let (week, expiry) = (7 * 86_400, pool.policy().expiry);
    pool.accept(&chain, first, NOW).unwrap().unwrap();
    pool.accept(&chain, child, NOW + week).unwrap().unwrap();
    pool.accept(&chain, other, NOW + week).unwrap().unwrap();
    assert_eq!(pool.expire(NOW + expiry), 0);
    assert_eq!(pool.expire(NOW + expiry + 1), 2);
    assert_eq!(pool.len(), 1);
}

#[test]
fn a_chain_that_cannot_be_asked_changes_nothing() {
    let (mut chain, first) = scene();
    chain.away = true;
    let mut pool = pool();
    assert!(pool.accept(&chain, first.clone(), NOW).is_err());
    assert!(pool.submit(&chain, &[first], NOW).is_err());
    assert!(pool.is_empty());
}
