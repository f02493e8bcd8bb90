//! The engine on a disk that takes no more.

use std::{
    io,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    sync::atomic::{AtomicU32, Ordering},
};

use redb::{StorageBackend, backends::FileBackend};

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

/// A file that can be made to take no more.
#[derive(Debug)]
struct FullDisk {
    file: FileBackend,
    full: Arc<AtomicBool>,
}

impl FullDisk {
    fn room(&self) -> io::Result<()> {
        if self.full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl StorageBackend for FullDisk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.room().and_then(|()| self.file.set_len(len))
    }
    fn sync_data(&self) -> io::Result<()> {
        self.room().and_then(|()| self.file.sync_data())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.room().and_then(|()| self.file.write(offset, data))
    }
    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

#[test]
fn an_index_that_the_disk_failed_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(Settings::regtest(dir.path()), Box::new(drop)).unwrap();
    let mine = |count| {
        let cancel = AtomicBool::new(false);
        engine.mine(count, &anyone_can_spend(), &cancel, &mut |_| {})
    };
    mine(3).unwrap();
    let full = Arc::new(AtomicBool::new(false));
    drop(engine.inner.index.write().unwrap().take());
    let file = fs::File::options()
        .read(true)
        .write(true)
        .open(engine.inner.index_path())
        .unwrap();
    let backend = FullDisk {
        file: FileBackend::new(file).unwrap(),
        full: full.clone(),
    };
    *engine.inner.index.write().unwrap() = Some(Index::on(backend));

    full.store(true, Ordering::Relaxed);
    assert_eq!(mine(70).unwrap().len(), 70);
    let nothing = bitcoin::OutPoint::null();
    let (_, at) = engine.coin(&nothing).unwrap();
    assert_eq!(at, engine.tip().unwrap().hash);
}

#[test]
fn without_a_flushed_index_the_journal_stays_and_the_kernel_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(Settings::regtest(dir.path()), Box::new(drop)).unwrap();
    let mine = || engine.mine(1, &anyone_can_spend(), &AtomicBool::new(false), &mut |_| {});
    let tip = mine().unwrap()[0];
    let kept = engine.journal_bytes().unwrap();
    drop(engine.inner.index.write().unwrap().take());
    assert!(engine.checkpoint().is_err());
    assert_eq!(engine.journal_bytes().unwrap(), kept);
    assert_eq!(engine.tip().unwrap().hash, tip);
    mine().unwrap();
    engine.checkpoint().unwrap();
    assert!(engine.inner.writer().unwrap().journal.is_empty());
}

#[test]
fn who_asks_hears_that_the_kernel_failed() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(Settings::regtest(dir.path()), Box::new(drop)).unwrap();
    let told = Arc::new(AtomicU32::new(0));
    let count = told.clone();
    engine.on_failure(Box::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    assert!(engine.failure().is_none());
    engine.inner.fail("the disk is gone".to_owned());
    assert_eq!(told.load(Ordering::Relaxed), 1);
    let why = engine.failure().unwrap().to_string();
    assert!(why.contains("the disk is gone"), "{why}");
    assert!(matches!(engine.tip(), Err(EngineError::Fatal { .. })));
}
