//! Reorganisations, refusals and reads.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bllvm_kernel_node::{
    BlockId, ChainEvent, Engine, EngineError, Verdict, anyone_can_spend,
    bitcoin::{
        Amount, Block, BlockHash, OutPoint, ScriptBuf, Transaction, TxOut, Txid,
        consensus::{deserialize, serialize},
        hashes::Hash,
        hex::FromHex,
    },
    testing::{BlockBuilder, extend, spend},
};
use common::{assert_in_step, mine, open, quick_dir, signed};

fn reorg(depth: u32) {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _, heard) = open(dir.path());
    let old = mine(&engine, 20);
    heard.take();
    let fork = 20 - depth;
    let cursor: Vec<(u32, BlockHash)> = (15..=20)
        .rev()
        .map(|height| (height, old[height as usize - 1]))
        .collect();

    let parent = old[fork as usize - 1];
    let new = extend(&engine, parent, depth, 99).unwrap();
    assert_eq!(
        heard.take(),
        [],
        "a branch that doesn't win announces nothing"
    );
    let last = BlockBuilder::on(new[depth as usize - 1]);
    let block = last.build(&engine).unwrap();
    let verdict = engine.submit_block(&serialize(&block)).unwrap();
    assert_eq!(verdict, Verdict::Accepted { tip_changed: true });

    let new: Vec<BlockHash> = new.into_iter().chain([block.block_hash()]).collect();
    let mut expected: Vec<(char, u32, BlockHash)> = (fork + 1..=20)
        .rev()
        .map(|height| ('-', height, old[height as usize - 1]))
        .collect();
    expected.extend(
        (fork + 1..)
            .zip(&new)
            .map(|(height, hash)| ('+', height, *hash)),
    );
    let events = heard.take();
    assert_eq!(events.iter().map(signed).collect::<Vec<_>>(), expected);
    follows(&events, old[19]);

    // One who was down meanwhile, at once and in pieces.
    let delta = engine.chain_since(&cursor, 1000).unwrap();
    assert_eq!((&delta.events, delta.more), (&events, false));
    let mut pieces = Vec::new();
    let mut at = vec![cursor[0]];
    loop {
        let delta = engine.chain_since(&at, 2).unwrap();
        at = vec![delta.events.last().unwrap().cursor()];
        pieces.extend(delta.events);
        if !delta.more {
            break;
        }
    }
    assert_eq!(pieces, events);

    // The old branch stays readable, and the outcome outlives a restart.
    let header = engine.header(BlockId::Hash(old[19])).unwrap().unwrap();
    assert!(!header.in_best_chain);
    assert!(engine.block(&old[19]).unwrap().is_some());
    engine.close().unwrap();
    let (engine, _, _) = open(dir.path());
    assert_eq!(engine.chain_since(&cursor, 1000).unwrap().events, events);
}

/// Each event starts where the one before ended.
fn follows(events: &[ChainEvent], from: BlockHash) {
    let mut at = from;
    for event in events {
        match event {
            ChainEvent::Connected {
                prev, hash, header, ..
            } => {
                assert_eq!(*prev, at);
                assert_eq!(header[4..36], prev.to_byte_array());
                at = *hash;
            }
            ChainEvent::Disconnected { prev, hash, .. } => {
                assert_eq!(*hash, at);
                at = *prev;
            }
        }
    }
}

#[test]
fn a_reorganisation_of_1_is_told_in_order() {
    reorg(1);
}

#[test]
fn a_reorganisation_of_3_is_told_in_order() {
    reorg(3);
}

#[test]
fn a_reorganisation_of_6_is_told_in_order() {
    reorg(6);
}

#[test]
fn a_cursor_that_is_unknown_here_falls_back_to_its_ancestors() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _, heard) = open(dir.path());
    let hashes = mine(&engine, 5);
    let lost = BlockHash::from_byte_array([1; 32]);
    let events = heard.take();

    let delta = engine
        .chain_since(&[(4, lost), (3, hashes[2])], 100)
        .unwrap();
    assert_eq!(signed(&delta.events[0]), ('-', 4, lost));
    assert_eq!(delta.events[1..], events[3..]);
    for cursor in [
        &[][..],
        &[(4, lost)],
        &[(4, lost), (2, hashes[1])],
        &[(9, hashes[2])],
    ] {
        let error = engine.chain_since(cursor, 100).unwrap_err();
        assert!(matches!(error, EngineError::UnknownCursor));
    }
    let genesis = engine.info().genesis;
    assert_eq!(
        engine.chain_since(&[(0, genesis)], 100).unwrap().events,
        events
    );
    let none = engine.chain_since(&[(5, hashes[4])], 100).unwrap();
    assert!(none.events.is_empty() && !none.more);
}

fn coinbase(engine: &Engine, hash: BlockHash) -> Transaction {
    let raw = engine.block(&hash).unwrap().unwrap();
    deserialize::<Block>(&raw).unwrap().txdata.swap_remove(0)
}

/// A mature coinbase that asks for a signature, as the first block of a chain of 101.
fn chain_with_a_guarded_coin(engine: &Engine) -> (OutPoint, TxOut) {
    let key_hash = Vec::from_hex("751e76e8199196d454941c45d1b3a323f1433bd6").unwrap();
    let guarded =
        ScriptBuf::from_bytes([&[0x76, 0xa9, 0x14][..], &key_hash, &[0x88, 0xac]].concat());
    let first = BlockBuilder::on(engine.info().genesis).pays_to(&guarded);
    let block = first.build(engine).unwrap();
    engine.submit_block(&serialize(&block)).unwrap();
    mine(engine, 100);
    let coinbase = &block.txdata[0];
    (
        OutPoint::new(coinbase.compute_txid(), 0),
        coinbase.output[0].clone(),
    )
}

#[test]
fn invalid_blocks_are_refused_in_cores_words_and_leave_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _, heard) = open(dir.path());
    let (coin, output) = chain_with_a_guarded_coin(&engine);
    let tip = engine.tip().unwrap();
    heard.take();
    let journal = engine.journal_bytes().unwrap();
    let unsigned = spend(coin, output.value, ScriptBuf::from_bytes(vec![0x51, 0x51]));
    let on_tip = || BlockBuilder::on(tip.hash);
    let cases = [
        (on_tip().overpaid(), "bad-cb-amount"),
        (on_tip().with_wrong_merkle_root(), "bad-txnmrklroot"),
        (on_tip().with(unsigned), "block-script-verify-flag-failed"),
        (
            on_tip().with(spend(
                OutPoint::new(Txid::all_zeros(), 7),
                Amount::ONE_SAT,
                ScriptBuf::new(),
            )),
            "bad-txns-inputs-missingorspent",
        ),
    ];

    for (case, reason) in cases {
        let raw = case.raw(&engine).unwrap();
        let verdict = engine.submit_block(&raw).unwrap();
        println!("{verdict:?}");
        let Verdict::Invalid { code, .. } = verdict else {
            panic!("{reason}: {verdict:?}");
        };
        assert!(code.starts_with(reason), "{code}");
        let Verdict::Invalid { .. } = engine.submit_block(&raw).unwrap() else {
            panic!("{reason}: accepted the second time");
        };
    }
    assert_eq!(heard.take(), []);
    assert_eq!(engine.tip().unwrap(), tip);
    assert_eq!(engine.journal_bytes().unwrap(), journal);

    let mut orphan = on_tip().build(&engine).unwrap();
    orphan.header.prev_blockhash = BlockHash::from_byte_array([3; 32]);
    while orphan.header.validate_pow(orphan.header.target()).is_err() {
        orphan.header.nonce += 1;
    }
    let verdict = engine.submit_block(&serialize(&orphan)).unwrap();
    assert!(
        matches!(&verdict, Verdict::Invalid { code, .. } if code == "prev-blk-not-found"),
        "{verdict:?}"
    );

    // The chain goes on, and a restart doesn't bring any of it back.
    mine(&engine, 1);
    assert_eq!(heard.take().len(), 1);
    engine.close().unwrap();
    let (engine, report, _) = open(dir.path());
    assert_eq!((report.height, report.warnings.len()), (tip.height + 1, 0));
    assert_eq!(engine.tip().unwrap().height, tip.height + 1);
}

#[test]
fn a_branch_that_turns_out_invalid_announces_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _, heard) = open(dir.path());
    let old = mine(&engine, 10);
    heard.take();

    let bad = BlockBuilder::on(old[8]).overpaid().build(&engine).unwrap();
    let verdict = engine.submit_block(&serialize(&bad)).unwrap();
    assert_eq!(
        verdict,
        Verdict::SideBranch,
        "its amounts are not checked yet"
    );
    let top = BlockBuilder::on(bad.block_hash()).raw(&engine).unwrap();
    let verdict = engine.submit_block(&top).unwrap();
    let Verdict::Invalid { code, debug } = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(code, "bad-prevblk");
    assert!(debug.contains("bad-cb-amount"), "{debug}");
    assert_eq!(heard.take(), []);
    assert_eq!(engine.tip().unwrap().hash, old[9]);
    let known = engine.spent_outputs(&bad.block_hash());
    assert!(matches!(known, Err(EngineError::NeverConnected { .. })));
}

#[test]
fn known_blocks_and_nonsense_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _, heard) = open(dir.path());
    let hashes = mine(&engine, 2);
    heard.take();

    let raw = engine.block(&hashes[1]).unwrap().unwrap();
    let journal = engine.journal_bytes().unwrap();
    assert_eq!(engine.submit_block(&raw).unwrap(), Verdict::Duplicate);
    assert_eq!(engine.journal_bytes().unwrap(), journal);
    for nonsense in [
        vec![],
        vec![0; 80],
        [&raw[..], &[0]].concat(),
        raw[..raw.len() - 1].to_vec(),
    ] {
        let error = engine.submit_block(&nonsense).unwrap_err();
        assert!(
            matches!(error, EngineError::UndecodableBlock { .. }),
            "{error}"
        );
    }
    assert_eq!(heard.take(), []);
}

#[test]
fn spent_outputs_name_value_script_height_and_coinbase() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _, heard) = open(dir.path());
    let hashes = mine(&engine, 101);
    let made = coinbase(&engine, hashes[0]);
    let first = spend(
        OutPoint::new(made.compute_txid(), 0),
        made.output[0].value - Amount::from_sat(1000),
        ScriptBuf::new(),
    );
    let second = spend(
        OutPoint::new(first.compute_txid(), 0),
        first.output[0].value,
        ScriptBuf::new(),
    );
    let block = BlockBuilder::on(hashes[100])
        .with(first.clone())
        .with(second);
    let block = block.build(&engine).unwrap();
    let verdict = engine.submit_block(&serialize(&block)).unwrap();
    assert_eq!(verdict, Verdict::Accepted { tip_changed: true });

    let spent = engine.spent_outputs(&block.block_hash()).unwrap().unwrap();
    assert_eq!(spent.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 1]);
    let (from_coinbase, from_first) = (&spent[1][0], &spent[2][0]);
    assert_eq!(from_coinbase.value_sat, 5_000_000_000);
    assert_eq!((from_coinbase.height, from_coinbase.coinbase), (1, true));
    assert_eq!(from_coinbase.script_pubkey, anyone_can_spend());
    assert_eq!(from_first.value_sat, 5_000_000_000 - 1000);
    assert_eq!((from_first.height, from_first.coinbase), (102, false));
    let Some(ChainEvent::Connected { tx_count, .. }) = heard.take().pop() else {
        panic!("the block was not told");
    };
    assert_eq!(tx_count, 3);
    assert_eq!(engine.spent_outputs(&BlockHash::all_zeros()).unwrap(), None);
    let genesis = engine.spent_outputs(&engine.info().genesis).unwrap();
    assert_eq!(genesis, Some(vec![vec![]]));
}

#[test]
fn scripts_are_checked_against_the_outputs_they_spend() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _, _) = open(dir.path());
    let free = TxOut {
        value: Amount::from_sat(1000),
        script_pubkey: anyone_can_spend(),
    };
    let closed = TxOut {
        script_pubkey: ScriptBuf::from_bytes(vec![0x00]),
        ..free.clone()
    };
    let raw = serialize(&spend(OutPoint::null(), free.value, ScriptBuf::new()));

    assert!(
        engine
            .verify_script(&raw, 0, std::slice::from_ref(&free))
            .unwrap()
    );
    assert!(!engine.verify_script(&raw, 0, &[closed]).unwrap());
    for (input, spent) in [
        (1, vec![free.clone()]),
        (0, vec![]),
        (0, vec![free.clone(), free]),
    ] {
        let error = engine.verify_script(&raw, input, &spent).unwrap_err();
        assert!(matches!(error, EngineError::ScriptCheck { .. }));
    }
    assert!(engine.verify_script(b"nonsense", 0, &[]).is_err());
}

#[test]
fn headers_follow_a_locator_across_a_fork() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _, _) = open(dir.path());
    let old = mine(&engine, 10);
    let new = extend(&engine, old[6], 4, 5).unwrap();

    let headers = engine
        .headers(&[old[9], old[8], old[6], old[2]], 2000)
        .unwrap();
    assert_eq!(
        headers.iter().map(|header| header.hash).collect::<Vec<_>>(),
        new
    );
    assert!(headers.iter().all(|header| header.in_best_chain));
    assert_eq!(headers[0].header[4..36], old[6].to_byte_array());
    assert_eq!(engine.headers(&[], 3).unwrap().len(), 3);
    assert_eq!(engine.headers(&[], 3).unwrap()[0].height, 1);
    assert_eq!(engine.headers(&[new[3]], 3).unwrap(), []);

    assert_eq!(engine.block_hash_at(11).unwrap(), Some(new[3]));
    assert_eq!(engine.block_hash_at(12).unwrap(), None);
    assert_eq!(engine.block(&BlockHash::all_zeros()).unwrap(), None);
    assert_eq!(engine.header(BlockId::Height(u32::MAX)).unwrap(), None);
    let at = engine.header(BlockId::Height(8)).unwrap().unwrap();
    assert_eq!((at.hash, at.height), (new[0], 8));
}

#[test]
fn a_batch_is_told_in_order_and_ends_with_the_first_refusal() {
    let factory_dir = quick_dir();
    let (factory, _, _) = open(factory_dir.path());
    let hashes = mine(&factory, 12);
    let good: Vec<Vec<u8>> = hashes
        .iter()
        .map(|hash| factory.block(hash).unwrap().unwrap())
        .collect();
    let bad = BlockBuilder::on(hashes[5])
        .overpaid()
        .raw(&factory)
        .unwrap();
    let dir = quick_dir();
    let (engine, _, heard) = open(dir.path());

    // One that is known, five that are new, one that breaks a rule, and more behind it.
    engine.submit_block(&good[0]).unwrap();
    heard.take();
    let journal = engine.journal_bytes().unwrap();
    let mut batch: Vec<&[u8]> = good[..6].iter().map(Vec::as_slice).collect();
    batch.push(&bad);
    batch.extend(good[6..].iter().map(Vec::as_slice));
    let verdicts = engine.submit_blocks(&batch).unwrap();
    assert_eq!(verdicts[0], Verdict::Duplicate);
    let accepted = Verdict::Accepted { tip_changed: true };
    assert!(verdicts[1..6].iter().all(|one| *one == accepted));
    assert!(matches!(&verdicts[6], Verdict::Invalid { code, .. } if code == "bad-cb-amount"));
    assert_eq!(verdicts.len(), 7);
    let told: Vec<_> = heard.take().iter().map(signed).collect();
    let expected: Vec<_> = (2..).zip(&hashes[1..6]).collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(at, hash)| ('+', *at, **hash))
        .collect();
    assert_eq!(told, expected);
    // Of the refused block, and of those behind it, the journal keeps nothing.
    let kept: usize = good[1..6].iter().map(|raw| raw.len() + 13).sum();
    assert_eq!(engine.journal_bytes().unwrap(), journal + kept as u64);

    // The rest, with the same block twice and an end that is no block.
    let mut rest: Vec<&[u8]> = good[6..].iter().map(Vec::as_slice).collect();
    rest.push(&good[11]);
    rest.push(b"no block");
    let verdicts = engine.submit_blocks(&rest).unwrap();
    assert_eq!(verdicts.len(), 7);
    assert_eq!(verdicts[6], Verdict::Duplicate);
    assert_eq!(engine.tip().unwrap().hash, hashes[11]);
    assert!(engine.submit_blocks(&[b"no block"]).is_err());
    assert!(engine.submit_blocks(&[]).unwrap().is_empty());
}

#[test]
fn a_batch_may_hold_a_branch_that_wins() {
    let factory_dir = quick_dir();
    let (factory, _, _) = open(factory_dir.path());
    let genesis = factory.info().genesis;
    let short = extend(&factory, genesis, 2, 1).unwrap();
    let long = extend(&factory, genesis, 4, 2).unwrap();
    let raw = |hash: &BlockHash| factory.block(hash).unwrap().unwrap();
    let blocks: Vec<Vec<u8>> = short.iter().chain(&long).map(raw).collect();
    let batch: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
    let dir = quick_dir();
    let (engine, _, heard) = open(dir.path());

    let verdicts = engine.submit_blocks(&batch).unwrap();
    assert_eq!(verdicts.len(), 6);
    assert_eq!(verdicts[2..4], [Verdict::SideBranch, Verdict::SideBranch]);
    // What came and went inside the batch is not told.
    let told: Vec<_> = heard.take().iter().map(signed).collect();
    let expected: Vec<_> = (1..)
        .zip(&long)
        .map(|(at, hash)| ('+', at, *hash))
        .collect();
    assert_eq!(told, expected);
    assert_in_step(&engine);
}
