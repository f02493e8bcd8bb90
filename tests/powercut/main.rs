//! What was acknowledged survives: a kill at any moment, and a power cut at any moment.
//!
//! A power cut is a kill after which only synced bytes count (`shim.c`). The control run shows
//! that the shim does lose what is not synced: with `synchronous=NORMAL`, acknowledged rows go.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use bllvm_manifest::ModuleName;
use bllvm_node::clock::SystemClock;
use bllvm_node::model::{Id, OperationStatus};
use bllvm_node::store::{Options, Store};
use bllvm_tests::{Dice, times};
use tempfile::TempDir;

/// What ends the writer.
#[derive(Clone, Copy, PartialEq)]
enum Cut {
    /// Only the process: all that was written is there.
    Kill,
    /// The power: only what was synced is there.
    Power,
}

/// The compiled shim. It gets its name when it is whole: tests are processes of their own, and a writer
/// of another one may be loading it just now.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("powercut/shim.c");
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
        std::fs::rename(&draft, &library).expect("the shim gets its name");
        library
    })
}

/// Lets the writer acknowledge `count` changes, cuts, and gives all lines that it said, with the
/// folder that is left.
fn write_until_cut(mode: &str, cut: Cut, count: u64) -> (Vec<String>, TempDir) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let shadow = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_powercut-writer"));
    command.arg(data.path()).arg(mode).stdout(Stdio::piped());
    if cut == Cut::Power {
        command
            .env("LD_PRELOAD", shim())
            .env("POWERCUT_DIR", data.path().canonicalize().expect("a path"))
            .env("POWERCUT_SHADOW", shadow.path());
    }
    let mut writer = command.spawn().expect("the writer starts");
    let lines = BufReader::new(writer.stdout.take().expect("a pipe")).lines();
    let mut said = Vec::new();
    // After the kill, what the writer had said before still comes out of the pipe.
    for line in lines.map_while(Result::ok) {
        said.push(line);
        if said.len() as u64 == count {
            writer.kill().expect("the writer runs");
        }
    }
    writer.wait().expect("the writer ended");
    assert!(said.len() as u64 >= count, "the writer ended by itself");
    (said, if cut == Cut::Power { shadow } else { data })
}

/// Which of the acknowledged changes are missing.
async fn missing(said: &[String], dir: &Path) -> Vec<String> {
    let options = Options {
        disk_floor: 0,
        ..Options::default()
    };
    let store = Store::open_with(dir, Arc::new(SystemClock), options)
        .await
        .expect("what is left opens");
    store.quick_check().await.expect("what is left is sound");
    let module = ModuleName::new("writer").expect("a name");
    let cursor = store.cursor(&module).await.expect("a cursor").unwrap_or(0);
    let mut missing = Vec::new();
    for line in said {
        let words: Vec<_> = line.split(' ').collect();
        let number = || words[1].parse::<u64>().expect("a number");
        let operation = async || {
            let id: Id = words[1].parse().expect("an id");
            store.operation(id).await.expect("a readable row")
        };
        let there = match words[0] {
            "event" => {
                let event = store.event(number()).await.expect("a readable row");
                event.is_some_and(|event| {
                    let written = |field: &str| event.data[field].as_u64();
                    let said = |word: &str| word.parse::<u64>().ok();
                    written("task") == said(words[2]) && written("number") == said(words[3])
                })
            }
            "webhook" => {
                let id: Id = words[1].parse().expect("an id");
                let delivery = store.webhook_delivery(id).await.expect("a readable row");
                let body = store.webhook_body(id).await.expect("a readable row");
                let event = match &delivery {
                    Some(delivery) => store.event(delivery.seq).await.expect("a readable row"),
                    None => None,
                };
                let sent = format!("{} {} ", words[2], words[3]).repeat(1000);
                body.is_some_and(|body| body == sent.as_bytes())
                    && event.is_some_and(|event| event.data["delivery"] == words[1])
            }
            "cursor" => cursor >= number(),
            "revision" => {
                let revision = store.revision(&module, number()).await;
                revision.expect("a readable row").is_some()
            }
            "operation" => operation().await.is_some(),
            "finished" => operation()
                .await
                .is_some_and(|operation| operation.status == OperationStatus::Succeeded),
            _ => true,
        };
        if !there {
            missing.push(line.clone());
        }
    }
    store.close().await;
    missing
}

/// Cuts at so many different moments; gives how much was acknowledged and what was lost.
async fn rounds(mode: &str, cut: Cut, full: u32) -> (usize, Vec<String>) {
    let mut dice = Dice::new(7);
    let (mut acknowledged, mut lost) = (0, Vec::new());
    for _ in 0..times(full) {
        // Early ones, and late ones after checkpoints.
        let bound = 1 << (5 + dice.below(8));
        let count = 10 + dice.below(bound);
        let (said, left) = write_until_cut(mode, cut, count);
        acknowledged += said.len();
        lost.extend(missing(&said, left.path()).await);
    }
    println!("{acknowledged} acknowledged, {} lost", lost.len());
    (acknowledged, lost)
}

#[tokio::test]
async fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let (_, lost) = rounds("full", Cut::Power, 30).await;
    assert!(lost.is_empty(), "lost: {lost:?}");
}

#[tokio::test]
async fn without_the_sync_a_power_cut_loses_some() {
    let (acknowledged, lost) = rounds("normal", Cut::Power, 30).await;
    assert!(!lost.is_empty(), "none of {acknowledged} was lost");
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    let (_, lost) = rounds("full", Cut::Kill, 100).await;
    assert!(lost.is_empty(), "lost: {lost:?}");
}
