//! The guard against a block under which the process ends: what it notes, sets aside, and forgets.

use bitcoin::{Network, constants::genesis_block};

use super::*;
use crate::{Engine, Opening, Settings, Verdict, anyone_can_spend};
use std::sync::atomic::AtomicBool;

/// A directory whose journal holds blocks that the kernel does not have, as after an abort.
fn lost_blocks(count: u32) -> (tempfile::TempDir, Vec<(BlockHash, Vec<u8>)>) {
    let source = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(Settings::regtest(source.path()), Box::new(drop)).unwrap();
    let mined = engine
        .mine(
            count,
            &anyone_can_spend(),
            &AtomicBool::new(false),
            &mut |_| {},
        )
        .unwrap();
    let raw = |hash: &BlockHash| engine.block(hash).unwrap().unwrap();
    let blocks: Vec<_> = mined.iter().map(|hash| (*hash, raw(hash))).collect();
    let dir = tempfile::tempdir().unwrap();
    let genesis = genesis_block(Network::Regtest).block_hash();
    let (mut journal, _) = Journal::open(&dir.path().join("blocks.journal"), genesis).unwrap();
    for (_, raw) in &blocks {
        journal.append_block(raw).unwrap();
    }
    (dir, blocks)
}

/// What a process leaves that ends while it replays a block.
fn ends_under(dir: &Path, (hash, raw): &(BlockHash, Vec<u8>)) {
    let mut guard = Guard::open(dir).unwrap();
    assert!(!guard.keeps_out(*hash, raw).unwrap());
}

fn open(dir: &Path) -> (Engine, crate::OpenReport) {
    Engine::open(Settings::regtest(dir), Box::new(drop)).unwrap()
}

#[test]
fn a_block_under_which_the_process_ended_three_times_is_set_aside() {
    let (dir, blocks) = lost_blocks(4);
    for _ in 0..PATIENCE {
        ends_under(dir.path(), &blocks[1]);
    }

    let (engine, report) = open(dir.path());

    assert_eq!(
        (report.how, report.height),
        (Opening::Replayed { blocks: 1 }, 1)
    );
    assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
    assert!(report.warnings[0].contains(&blocks[1].0.to_string()));
    assert!(
        report.warnings[0].starts_with("3 blocks"),
        "{:?}",
        report.warnings
    );
    let file = dir
        .path()
        .join("set-aside")
        .join(format!("{}.block", blocks[1].0));
    assert_eq!(fs::read(&file).unwrap(), blocks[1].1);
    drop(engine);

    // The next open keeps it out as well; once it was judged, it belongs to the chain again.
    let (engine, _) = open(dir.path());
    assert_eq!(engine.tip().unwrap().height, 1);
    for (_, raw) in &blocks[1..] {
        let verdict = engine.submit_block(raw).unwrap();
        assert!(matches!(verdict, Verdict::Accepted { .. }), "{verdict:?}");
    }
    assert!(!file.exists());
    drop(engine);
    let (_, report) = open(dir.path());
    assert_eq!((report.height, report.warnings), (4, Vec::new()));
}

#[test]
fn a_process_that_was_killed_now_and_then_costs_no_block() {
    let (dir, blocks) = lost_blocks(4);
    for block in [1, 1, 2, 1, 1] {
        ends_under(dir.path(), &blocks[block]);
    }
    let (engine, report) = open(dir.path());
    assert_eq!(
        (report.how, report.height),
        (Opening::Replayed { blocks: 4 }, 4)
    );
    assert_eq!(report.warnings, Vec::<String>::new());
    assert!(!dir.path().join("blocks.replaying").exists());
    drop(engine);
}
