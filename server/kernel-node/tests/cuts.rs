//! The engine's process ends in the middle of connecting blocks: killed, or with the power cut.
//!
//! After a power cut only synced bytes count (`tests/powercut/shim.c`). Whatever the moment, the next
//! open shows a tip that was announced, or the one block after it that was on its way, and the index
//! equals a set from scratch. Each round starts in what the last one left.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use bllvm_kernel_node::{
    BlockId, Engine, Opening, Settings,
    bitcoin::{OutPoint, ScriptBuf, consensus::serialize},
    testing::{BlockBuilder, spend},
};
use common::{assert_in_step, block_at, open_with, quick_dir};

const DIR: &str = "BLLVM_TEST_CUTS_DIR";
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

/// The compiled shim.
fn shim() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/powercut/shim.c");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("powercut-shim.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([&library, &source])
        .args(["-ldl", "-lpthread"])
        .status()
        .expect("cc starts, as it did to link this test");
    assert!(compiled.success(), "the shim does not compile");
    library
}

/// Lets the child connect `count` blocks in `dir`, and ends it; the last block that it announced.
fn connect_until_cut(dir: &Path, shadow: Option<(&Path, &Path)>, count: u32) -> (u32, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
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
fn end_again_and_again(power: bool) {
    let root = quick_dir();
    let root = root.path().canonicalize().unwrap();
    let shim = shim();
    let mut dir = root.join("0");
    fs::create_dir(&dir).unwrap();
    let (mut replayed, mut connected) = (0, 0);
    for round in 1..=rounds() {
        // Early ones, and late ones after some flushes, as the first; the same in each run.
        let count = 1 + (round * 37 + round * round * 11) % [30, 90, 5][round as usize % 3];
        let shadow = root.join(round.to_string());
        // The shadow begins as what the last cut left.
        let cut = power.then_some((shadow.as_path(), shim.as_path()));
        if power {
            common::copy(&dir, &shadow);
        }
        let (height, hash) = connect_until_cut(&dir, cut, count);
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
            reached == height || reached == height + 1,
            "round {round}: announced {height}, found {reached} ({how:?})"
        );
        let there = engine.header(BlockId::Height(height)).unwrap().unwrap();
        assert_eq!(there.hash.to_string(), hash, "round {round}");
        assert_in_step(&engine);
        engine.close().unwrap();
        fs::remove_dir_all(&look).unwrap();
    }
    println!(
        "{} rounds, {connected} blocks, {replayed} replays",
        rounds()
    );
    assert!(replayed > 0, "no journal was ever needed");
}

#[test]
fn a_kill_at_any_moment_leaves_an_announced_tip_and_a_consistent_index() {
    end_again_and_again(false);
}

#[test]
fn a_power_cut_at_any_moment_leaves_an_announced_tip_and_a_consistent_index() {
    end_again_and_again(true);
}
