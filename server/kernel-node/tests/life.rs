//! Opening, closing, dying: the tip is never behind what was acknowledged.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::AtomicBool,
};

use bllvm_kernel_node::{
    BlockId, Chain, Engine, EngineError, Opening, Settings, Verdict, anyone_can_spend,
    bitcoin::OutPoint, testing::BlockBuilder,
};
use common::{mine, open, open_with};

const CHILD_DIR: &str = "BLLVM_TEST_CHILD_DIR";
const CHILD_MODE: &str = "BLLVM_TEST_CHILD_MODE";

#[test]
fn a_fresh_directory_opens_mines_and_reopens_clean() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, report, heard) = open(dir.path());
    assert_eq!(report.how, Opening::Fresh);
    assert_eq!(engine.tip().unwrap().hash, engine.info().genesis);

    let hashes = mine(&engine, 150);
    let tip = engine.tip().unwrap();
    assert_eq!((tip.height, tip.hash), (150, hashes[149]));
    assert_eq!(tip.chain_work[24..], (2 * 151_u64).to_be_bytes());
    assert!(tip.time > tip.median_time_past);
    assert_eq!(heard.take().len(), 150);
    engine.close().unwrap();

    let (engine, report, heard) = open(dir.path());
    assert_eq!(report.how, Opening::Clean);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    assert_eq!(engine.tip().unwrap(), tip);
    assert!(heard.take().is_empty());
    assert_eq!(engine.journal_bytes().unwrap(), 40, "only its header");
}

#[test]
fn a_dropped_engine_closes_itself_and_a_closed_one_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _, _) = open(dir.path());
    mine(&engine, 3);
    drop(engine);

    let (engine, report, _) = open(dir.path());
    assert_eq!((report.how, report.height), (Opening::Clean, 3));
    let other = engine.clone();
    engine.close().unwrap();
    assert!(matches!(other.tip(), Err(EngineError::Closed)));
    let (_, report, _) = open(dir.path());
    assert_eq!(
        report.height, 3,
        "a closed engine has let go of the directory"
    );
}

#[test]
fn a_second_instance_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _, _) = open(dir.path());

    let error = Engine::open(Settings::regtest(dir.path()), Box::new(|_| {})).unwrap_err();
    let EngineError::Busy { pid, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*pid, Some(std::process::id()));
    assert!(error.to_string().contains("in use by process"), "{error}");
    mine(&engine, 1);
}

#[test]
fn other_chains_are_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = Settings::regtest(dir.path().join("node"));
    settings.chain = Chain::Mainnet;

    let error = Engine::open(settings, Box::new(|_| {})).unwrap_err();
    assert!(error.to_string().contains("Bitcoin Core"), "{error}");
    assert!(!dir.path().join("node").exists(), "nothing half-done");
}

/// Runs in a process of its own: mines, says each block, and dies or is killed.
#[test]
fn child() {
    let (Some(dir), Ok(mode)) = (std::env::var_os(CHILD_DIR), std::env::var(CHILD_MODE)) else {
        return;
    };
    let (engine, report, _) = open(Path::new(&dir));
    println!("OPEN {:?} {}", report.how, report.height);
    let blocks = if mode == "abort" { 200 } else { 1_000_000 };
    for _ in 0..blocks {
        let hash = mine(&engine, 1)[0];
        let mut out = std::io::stdout().lock();
        writeln!(out, "ACK {} {hash}", engine.tip().unwrap().height).unwrap();
        out.flush().unwrap();
    }
    std::process::abort();
}

/// Starts the child and returns the blocks it acknowledged; kills it after `kill_after` of them.
fn run_child(dir: &Path, kill_after: Option<usize>) -> Vec<(u32, String)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIR, dir)
        .env(
            CHILD_MODE,
            if kill_after.is_some() {
                "endless"
            } else {
                "abort"
            },
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(rest) = line.strip_prefix("ACK ") {
            let (height, hash) = rest.split_once(' ').unwrap();
            acknowledged.push((height.parse().unwrap(), hash.to_owned()));
            if Some(acknowledged.len()) == kill_after {
                child.kill().unwrap();
            }
        }
    }
    assert!(!child.wait().unwrap().success());
    acknowledged
}

#[test]
fn an_abort_loses_no_acknowledged_block() {
    let dir = tempfile::tempdir().unwrap();
    let acknowledged = run_child(dir.path(), None);
    assert_eq!(acknowledged.len(), 200);

    let (engine, report, _) = open(dir.path());
    println!("replay of 200 blocks: {report:?}");
    assert_eq!(report.how, Opening::Replayed { blocks: 200 });
    let (height, hash) = acknowledged.last().unwrap();
    let tip = engine.tip().unwrap();
    assert_eq!((tip.height, tip.hash.to_string()), (*height, hash.clone()));
}

#[test]
fn kill_9_at_random_moments_loses_no_acknowledged_block() {
    let dir = tempfile::tempdir().unwrap();
    let mut reached = (0, String::new());
    // Each run starts from the directory that the last one was killed in.
    for (round, kill_after) in [1, 7, 40, 3, 90, 12].into_iter().enumerate() {
        let acknowledged = run_child(dir.path(), Some(kill_after));
        assert!(
            acknowledged[0].0 > reached.0,
            "the child began below {reached:?}"
        );
        reached = acknowledged.last().unwrap().clone();
        if round % 3 != 1 {
            continue;
        }
        let (engine, report, _) = open(dir.path());
        assert!(report.height >= reached.0, "{report:?}");
        let there = engine.header(BlockId::Height(reached.0)).unwrap().unwrap();
        assert_eq!(there.hash.to_string(), reached.1);
        let (_, indexed) = engine.coin(&OutPoint::null()).unwrap();
        assert_eq!(indexed, engine.tip().unwrap().hash);
        let coins = u32::try_from(engine.coins().unwrap().len()).unwrap();
        assert_eq!(coins, report.height, "one coin a block");
    }
    let (_, report, _) = open(dir.path());
    assert!(report.height >= reached.0, "{report:?}");
}

#[test]
fn a_torn_journal_costs_only_the_block_that_was_never_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().join("work");
    run_child(&work, None);
    let journal = work.join("blocks.journal");
    let whole = fs::read(&journal).unwrap();
    let copy = dir.path().join("copy");
    fs::create_dir(&copy).unwrap();

    // Within the last record; the journal's own test covers each byte.
    for cut in [1, 13, 100, 200] {
        fs::write(copy.join("blocks.journal"), &whole[..whole.len() - cut]).unwrap();
        let (engine, report, _) = open(&copy);
        assert_eq!(report.height, 199, "cut by {cut}: {report:?}");
        assert_eq!(report.warnings.len(), 1);
        assert!(report.warnings[0].contains("middle of a record"));
        drop(engine);
        fs::remove_dir_all(copy.join("regtest")).unwrap();
    }
}

#[test]
fn a_full_journal_is_emptied_without_losing_a_block() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = Settings::regtest(dir.path());
    settings.journal_limit_bytes = 4096;
    let (engine, _, heard) = open_with(settings);

    let hashes = mine(&engine, 60);
    assert!(engine.journal_bytes().unwrap() <= 4096 + 500);
    assert_eq!(engine.tip().unwrap().hash, hashes[59]);
    assert_eq!(heard.take().len(), 60);
    engine.checkpoint().unwrap();
    assert_eq!(engine.journal_bytes().unwrap(), 40);
    assert_eq!(engine.tip().unwrap().hash, hashes[59]);
}

#[test]
fn a_broken_database_is_rebuilt_from_block_files_and_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _, _) = open(dir.path());
    mine(&engine, 30);
    engine.checkpoint().unwrap();
    let hashes = mine(&engine, 5);
    engine.close().unwrap();
    for entry in fs::read_dir(dir.path().join("regtest/blocks/index")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("MANIFEST")
        {
            fs::write(path, b"not a manifest").unwrap();
        }
    }

    let (engine, report, _) = open(dir.path());
    assert!(
        matches!(report.how, Opening::Reindexed { .. }),
        "{report:?}"
    );
    assert_eq!(engine.tip().unwrap().hash, hashes[4]);
}

#[test]
fn a_kernel_that_lost_its_databases_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _, _) = open(dir.path());
    mine(&engine, 30);
    engine.checkpoint().unwrap();
    let hashes = mine(&engine, 5);
    engine.close().unwrap();
    fs::remove_dir_all(dir.path().join("regtest/blocks/index")).unwrap();
    fs::remove_dir_all(dir.path().join("regtest/chainstate")).unwrap();

    let (engine, report, _) = open(dir.path());
    assert_eq!(engine.tip().unwrap().hash, hashes[4], "{report:?}");
}

#[test]
fn a_clock_set_back_still_mines_and_cancel_stops() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _, _) = open(dir.path());
    mine(&engine, 12);
    engine.close().unwrap();
    let mut settings = Settings::regtest(dir.path());
    settings.clock = || 1_500_000_000;
    let (engine, _, _) = open_with(settings);

    let before = engine.tip().unwrap();
    mine(&engine, 1);
    assert_eq!(engine.tip().unwrap().time, before.median_time_past + 1);

    let cancel = AtomicBool::new(false);
    let mined = engine
        .mine(1000, &anyone_can_spend(), &cancel, &mut |done| {
            if done == 3 {
                cancel.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        })
        .unwrap();
    assert_eq!(mined.len(), 3);
}

#[test]
fn an_observer_may_read_but_not_change_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let slot = std::sync::Arc::new(std::sync::OnceLock::<Engine>::new());
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (within, told) = (slot.clone(), seen.clone());
    let (engine, _) = Engine::open(
        Settings::regtest(dir.path()),
        Box::new(move |event| {
            let engine = within.get().unwrap();
            assert_eq!(engine.tip().unwrap().height, event.cursor().0);
            let refused = engine.submit_block(&[]).unwrap_err();
            told.lock().unwrap().push(refused.to_string());
        }),
    )
    .unwrap();
    slot.set(engine.clone()).unwrap();

    mine(&engine, 2);
    assert_eq!(seen.lock().unwrap().len(), 2);
    assert!(seen.lock().unwrap()[0].contains("observer"));
    engine.close().unwrap();
}

#[test]
fn readers_work_beside_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = Settings::regtest(dir.path());
    settings.journal_limit_bytes = 20_000;
    let (engine, _, _) = open_with(settings);
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let tip = engine.tip().unwrap();
                    assert!(engine.block(&tip.hash).unwrap().is_some());
                    assert!(engine.spent_outputs(&tip.hash).unwrap().is_some());
                }
            });
        }
        for round in 0..10 {
            let parent = mine(&engine, 10)[6];
            let raw = BlockBuilder::on(parent).salt(round).raw(&engine).unwrap();
            assert_eq!(engine.submit_block(&raw).unwrap(), Verdict::SideBranch);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(engine.tip().unwrap().height, 100);
}
