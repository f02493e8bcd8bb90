//! The engine on a disk that takes no more.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    sync::atomic::{AtomicU32, Ordering},
};

use super::*;
use crate::{Opening, anyone_can_spend, testing::BlockBuilder};

/// What is left when the process dies between refusing a block and taking its record back.
#[test]
fn a_refused_block_that_stayed_in_the_journal_is_refused_again() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Engine::open(Settings::regtest(dir.path()), Box::new(drop)).unwrap();
    let (engine, _) = open();
    let mined = engine
        .mine(3, &anyone_can_spend(), &AtomicBool::new(false), &mut |_| {})
        .unwrap();
    let refused = BlockBuilder::on(mined[2]).overpaid().raw(&engine).unwrap();
    engine.close().unwrap();
    let path = dir.path().join("blocks.journal");
    let genesis = Chain::Regtest.genesis();
    let (mut journal, _) = Journal::open(&path, genesis).unwrap();
    journal.append_block(&refused).unwrap();
    drop(journal);

    for how in [Opening::Replayed { blocks: 0 }, Opening::Clean] {
        let (engine, report) = open();
        assert_eq!((report.how, report.height), (how, 3));
        assert!(report.warnings.is_empty(), "{:?}", report.warnings);
        assert_eq!(engine.tip().unwrap().hash, mined[2]);
        engine.close().unwrap();
    }
}

const CHILD: &str = "BLLVM_TEST_FULL_JOURNAL";

/// As in the journal's own test, a limit on file sizes stands in for a full disk. The kernel's
/// files need 16 MiB each, so the journal is first filled up to just below 17.
#[test]
fn a_block_that_cannot_be_journaled_is_not_processed() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return on_a_full_disk(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let genesis = Chain::Regtest.genesis();
    let (mut journal, _) = Journal::open(&dir.path().join("blocks.journal"), genesis).unwrap();
    for _ in 0..17 {
        journal.append_block(&vec![0xff; (1 << 20) - 80]).unwrap();
    }
    drop(journal);

    // POSIX counts this limit in blocks of 512 bytes.
    let script = "trap '' XFSZ; ulimit -f 34816; exec \"$0\" \"$@\"";
    let status = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "engine::tests::a_block_that_cannot_be_journaled_is_not_processed",
        ])
        .env(CHILD, dir.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let (_, report) = Engine::open(Settings::regtest(dir.path()), Box::new(drop)).unwrap();
    assert!(report.height > 1, "the child did its part: {report:?}");
}

fn on_a_full_disk(dir: &Path) {
    let told = Arc::new(AtomicU32::new(0));
    let count = told.clone();
    let (engine, _) = Engine::open(
        Settings::regtest(dir),
        Box::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        }),
    )
    .unwrap();
    let mine = || engine.mine(1, &anyone_can_spend(), &AtomicBool::new(false), &mut |_| {});
    let error = (0..100_000).find_map(|_| mine().err()).unwrap();
    assert!(matches!(error, EngineError::JournalWrite { .. }), "{error}");
    let height = engine.tip().unwrap().height;
    assert_eq!(height, told.load(Ordering::Relaxed));
    assert!(mine().is_err(), "still full");
    assert_eq!(engine.tip().unwrap().height, height);

    engine.checkpoint().unwrap();
    assert!(engine.inner.writer().unwrap().journal.is_empty());
    mine().unwrap();
    assert_eq!(engine.tip().unwrap().height, height + 1);
}
