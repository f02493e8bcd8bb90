//! The engine's process ends in the middle of connecting blocks: killed, or with the power cut.
//!
//! After a power cut only synced bytes count (`tests/powercut/shim.c`). Whatever the moment, the next
//! open shows a tip that was announced, or what was on its way behind it (one block, or a batch), and the
//! index equals a set from scratch. Each round starts in what the last one left.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use bllvm_kernel_node::{
    BlockId, ChainEvent, Engine, Opening, Settings, Verdict,
    bitcoin::{
        Block, OutPoint, ScriptBuf,
        consensus::{deserialize, serialize},
    },
    testing::{BlockBuilder, spend},
};
use common::{assert_in_step, block_at, open_with, quick_dir};

const DIR: &str = "BLLVM_TEST_CUTS_DIR";
/// A file of blocks that are to be taken in by batches, as an import does; without it, one by one.
const BLOCKS: &str = "BLLVM_TEST_CUTS_BLOCKS";
/// The most blocks of a batch.
const BATCH: usize = 15;
/// What may be on its way behind an announced block: the rest of its batch, and the next one.
const BEHIND: u32 = 30;
/// Small enough that the kernel is flushed, and the journal emptied, every few dozen blocks.
const JOURNAL_LIMIT: u64 = 10_000;

fn open(dir: &Path) -> (Engine, u32, Opening) {
    let settings = Settings {
        journal_limit_bytes: JOURNAL_LIMIT,
        ..Settings::regtest(dir)
    };
    let (engine, report, _) = open_with(settings);
    (engine, report.height, report.how)
}

/// A block that spends the coinbase that has just become ripe.
fn next_block(engine: &Engine, salt: u32) -> Vec<u8> {
    let tip = engine.tip().unwrap();
    let mut block = BlockBuilder::on(tip.hash).salt(salt);
    if let Some(ripe) = tip.height.checked_sub(99).filter(|height| *height > 0) {
        let coinbase = block_at(engine, ripe).txdata.swap_remove(0);
        let outpoint = OutPoint::new(coinbase.compute_txid(), 0);
        block = block.with(spend(outpoint, coinbase.output[0].value, ScriptBuf::new()));
    }
    serialize(&block.build(engine).unwrap())
}

/// Runs in a process of its own: connects blocks, says each, and is ended from outside.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    if let Some(blocks) = std::env::var_os(BLOCKS) {
        return take_in(Path::new(&dir), &read_blocks(Path::new(&blocks)));
    }
    let (engine, _, _) = open(Path::new(&dir));
    for salt in 0.. {
        let raw = next_block(&engine, salt);
        engine.submit_block(&raw).unwrap();
        let tip = engine.tip().unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "ACK {} {}", tip.height, tip.hash).unwrap();
        out.flush().unwrap();
    }
}

/// Takes in blocks by batches of all sizes, some of them known already; says what the observer hears.
fn take_in(dir: &Path, blocks: &[Vec<u8>]) {
    let settings = Settings {
        journal_limit_bytes: JOURNAL_LIMIT,
        ..Settings::regtest(dir)
    };
    let say = |event: ChainEvent| {
        let (height, hash) = event.cursor();
        let mut out = std::io::stdout().lock();
        writeln!(out, "ACK {height} {hash}").unwrap();
        out.flush().unwrap();
    };
    let (engine, report) = Engine::open(settings, Box::new(say)).unwrap();
    let mut at = (report.height as usize).saturating_sub(3);
    while at < blocks.len() {
        let end = blocks.len().min(at + 1 + at % BATCH);
        let batch: Vec<&[u8]> = blocks[at..end].iter().map(Vec::as_slice).collect();
        let verdicts = engine.submit_blocks(&batch).unwrap();
        assert_eq!(verdicts.len(), batch.len());
        at = end;
    }
    panic!("there are not enough blocks for this test");
}

/// A chain of so many blocks, each with its length before it, in a file.
fn write_blocks(path: &Path, count: u32) {
    let dir = quick_dir();
    let (engine, _, _) = common::open(dir.path());
    let mut bytes = Vec::new();
    for salt in 0..count {
        let raw = next_block(&engine, salt);
        engine.submit_block(&raw).unwrap();
        bytes.extend_from_slice(&u32::try_from(raw.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&raw);
    }
    fs::write(path, bytes).unwrap();
}

fn read_blocks(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let (mut rest, mut blocks) = (bytes.as_slice(), Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (block, behind) = behind.split_at(u32::from_le_bytes(*length) as usize);
        blocks.push(block.to_vec());
        rest = behind;
    }
    blocks
}

/// The compiled shim. It gets its name when it is whole: tests are processes of their own, and a child
/// of another one may be loading it just now.
fn shim() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/powercut/shim.c");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let draft = folder.join(format!("powercut-{}.so", std::process::id()));
    let library = folder.join("powercut-shim.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([&draft, &source])
        .args(["-ldl", "-lpthread"])
        .status()
        .expect("cc starts, as it did to link this test");
    assert!(compiled.success(), "the shim does not compile");
    fs::rename(&draft, &library).unwrap();
    library
}

/// Lets the child connect `count` blocks in `dir`, and ends it; the last block that it announced.
fn connect_until_cut(
    dir: &Path,
    blocks: Option<&Path>,
    shadow: Option<(&Path, &Path)>,
    count: u32,
) -> (u32, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(blocks) = blocks {
        command.env(BLOCKS, blocks);
    }
    if let Some((shadow, shim)) = shadow {
        command
            .env("LD_PRELOAD", shim)
            .env("POWERCUT_DIR", dir)
            .env("POWERCUT_SHADOW", shadow);
    }
    let mut child = command.spawn().unwrap();
    let (mut said, mut last) = (0, None);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(rest) = line.split_once("ACK ").map(|(_, rest)| rest) else {
            continue;
        };
        let (height, hash) = rest.split_once(' ').unwrap();
        last = Some((height.parse().unwrap(), hash.to_owned()));
        said += 1;
        if said == count {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success());
    last.expect("the child announced a block")
}

fn rounds() -> u32 {
    if std::env::var("BLLVM_TEST_FULL").is_ok_and(|full| full == "1") {
        100
    } else {
        5
    }
}

/// Ends the child again and again; what it had done when the power was cut is all there is.
fn end_again_and_again(power: bool, by_batches: bool) {
    let root = quick_dir();
    let root = root.path().canonicalize().unwrap();
    let blocks = by_batches.then(|| root.join("blocks"));
    if let Some(blocks) = &blocks {
        write_blocks(blocks, 200 + rounds() * 80);
    }
    // What may have been on its way behind the last block that was announced.
    let most_behind = if by_batches { BEHIND } else { 1 };
    let shim = power.then(shim);
    let mut dir = root.join("0");
    fs::create_dir(&dir).unwrap();
    let (mut replayed, mut connected) = (0, 0);
    for round in 1..=rounds() {
        // Early ones, and late ones after some flushes, as the first; the same in each run.
        let count = 1 + (round * 37 + round * round * 11) % [30, 90, 5][round as usize % 3];
        let shadow = root.join(round.to_string());
        // The shadow begins as what the last cut left.
        let cut = shim.as_deref().map(|shim| (shadow.as_path(), shim));
        if power {
            common::copy(&dir, &shadow);
        }
        let (height, hash) = connect_until_cut(&dir, blocks.as_deref(), cut, count);
        connected += count;
        if power {
            fs::remove_dir_all(&dir).unwrap();
            dir = shadow;
        }
        // Looked at on a copy: the next round meets what the cut left, not what this open mended.
        let look = root.join("look");
        common::copy(&dir, &look);
        let (engine, reached, how) = open(&look);
        if matches!(how, Opening::Replayed { .. }) {
            replayed += 1;
        }
        assert!(
            (height..=height + most_behind).contains(&reached),
            "round {round}: announced {height}, found {reached} ({how:?})"
        );
        let there = engine.header(BlockId::Height(height)).unwrap().unwrap();
        assert_eq!(there.hash.to_string(), hash, "round {round}");
        assert_in_step(&engine);
        engine.close().unwrap();
        fs::remove_dir_all(&look).unwrap();
    }
    if let Some(blocks) = blocks {
        // Begun anew, it ends with the same chain.
        let blocks = read_blocks(&blocks);
        let (engine, reached, _) = open(&dir);
        let all: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
        let verdicts = engine.submit_blocks(&all).unwrap();
        let known = verdicts.iter().filter(|one| **one == Verdict::Duplicate);
        assert_eq!(
            (verdicts.len(), known.count()),
            (all.len(), reached as usize)
        );
        let last: Block = deserialize(all[all.len() - 1]).unwrap();
        assert_eq!(engine.tip().unwrap().hash, last.block_hash());
        assert_in_step(&engine);
        engine.close().unwrap();
    }
    println!(
        "{} rounds, {connected} blocks, {replayed} replays",
        rounds()
    );
    assert!(replayed > 0, "no journal was ever needed");
}

#[test]
fn a_kill_at_any_moment_leaves_an_announced_tip_and_a_consistent_index() {
    end_again_and_again(false, false);
}

#[test]
fn a_power_cut_at_any_moment_leaves_an_announced_tip_and_a_consistent_index() {
    end_again_and_again(true, false);
}

#[test]
fn a_kill_in_the_middle_of_an_import_leaves_what_was_announced() {
    end_again_and_again(false, true);
}

#[test]
fn a_power_cut_in_the_middle_of_an_import_leaves_what_was_announced() {
    end_again_and_again(true, true);
}
