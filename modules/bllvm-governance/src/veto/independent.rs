//! Transcripts counted again by a program that shares no line with this one: `verify_transcript.py`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use bitcoin::secp256k1::Keypair;
use serde_json::{Value, json};

use super::properties::Dice;
use super::transcript::Broken;
use super::transcript::FORMAT;
use super::{Node, Signal, Transcript, tally};
use crate::rules::VetoRule;
use crate::statement::tests::{key, sign};
use crate::statement::{Action, Statement, reason_hash};

/// 1,000 under `BLLVM_TEST_FULL=1`, a twentieth of it otherwise.
fn cases() -> usize {
    let full = std::env::var_os("BLLVM_TEST_FULL").is_some_and(|value| value == "1");
    if full { 1000 } else { 50 }
}

fn signal(dice: &mut Dice, of: &Transcript, by: &Keypair) -> Signal {
    let pick = |dice: &mut Dice, from: u64, to: u64| {
        u32::try_from(from + dice.below(to - from + 1)).unwrap()
    };
    let action = Action::ALL[usize::try_from(dice.below(4)).unwrap()];
    let mostly = dice.below(4) > 0;
    let reason = if dice.below(2) == 0 {
        ""
    } else {
        "because: ü\n\"x\""
    };
    let said = Statement {
        chain: of.chain.clone(),
        rules: of.rules.clone(),
        repository: of.repository.clone(),
        number: of.number,
        head: if mostly {
            of.head.clone()
        } else {
            "b".repeat(40)
        },
        action,
        nonce: dice.below(3),
        from: pick(dice, 0, u64::from(of.height) + 1),
        to: pick(
            dice,
            u64::from(of.height).saturating_sub(1),
            u64::from(of.height) + 9,
        ),
        reason: reason_hash(reason),
    };
    Signal {
        key: by.x_only_public_key().0.to_string(),
        action,
        head: said.head.clone(),
        nonce: said.nonce,
        from: said.from,
        to: said.to,
        reason: reason.to_owned(),
        // About both ends of the time for signals.
        seen_at: [of.opened_at, of.closes_at][usize::try_from(dice.below(2)).unwrap()]
            + i64::from(pick(dice, 0, 10))
            - 5,
        signature: sign(&said, by).to_string(),
    }
}

fn transcript(dice: &mut Dice) -> Transcript {
    let nodes = dice.below(7);
    let height = u32::try_from(20 + dice.below(40)).unwrap();
    let mut owners: Vec<u64> = Vec::new();
    for _ in 0..=height {
        owners.push(dice.below(nodes + 2));
    }
    let node = |dice: &mut Dice, number: u64| Node {
        name: format!("n{number}"),
        key: key(u8::try_from(number + 1).unwrap())
            .x_only_public_key()
            .0
            .to_string(),
        blocks: (0..=height)
            .filter(|at| owners[*at as usize] == number)
            .collect(),
        proven_sat: [0, 1, 100, 2_100_000_000_000_000][usize::try_from(dice.below(4)).unwrap()],
        attested_sat: dice.below(3),
    };
    let mut made = Transcript {
        format: FORMAT.to_owned(),
        chain: "c".repeat(64),
        rules: "economic_veto_2025".to_owned(),
        rules_sha256: String::new(),
        repository: "example/node".to_owned(),
        number: dice.below(u64::MAX),
        head: "a".repeat(40),
        rule: VetoRule {
            mining_percent: u32::try_from(dice.below(60)).unwrap() + 1,
            economic_percent: u32::try_from(dice.below(60)).unwrap() + 1,
            hours: 24,
            source: String::new(),
        },
        opened_at: 100,
        closes_at: 100 + 86_400,
        closed: dice.below(2) == 0,
        height,
        block: "b".repeat(64),
        median_time: 100 + 86_400,
        window_from: 0,
        nodes: (0..nodes).map(|number| node(dice, number)).collect(),
        signals: Vec::new(),
        tally: tally(&[], 0, 1, 1),
    };
    for number in 0..nodes {
        for _ in 0..dice.below(3) {
            let said = signal(dice, &made, &key(u8::try_from(number + 1).unwrap()));
            made.signals.push(said);
        }
    }
    made.tally = made.count();
    spoil(dice, &mut made);
    made
}

/// Makes some of them untrue.
fn spoil(dice: &mut Dice, made: &mut Transcript) {
    match dice.below(20) {
        0 => made.tally.vetoed = !made.tally.vetoed,
        1 => made.format.push('x'),
        2 => made.median_time = made.closes_at - 1,
        3 => made.repository.push('x'),
        4 => made.nodes.extend(made.nodes.first().cloned()),
        5 => {
            if let Some(node) = made.nodes.first_mut() {
                node.blocks.push(made.height + 1);
            }
        }
        6 => {
            if let Some(said) = made.signals.last_mut() {
                said.nonce += 1;
            }
        }
        7 => {
            if let Some(node) = made.nodes.first_mut() {
                node.proven_sat += 1;
            }
        }
        8 => made.window_from = made.height,
        9 => made.closes_at += 1,
        10 => {
            if let Some(said) = made.signals.first_mut() {
                said.key = said.key.to_uppercase();
            }
        }
        11 => {
            if let Some(node) = made.nodes.last_mut() {
                node.key = node.key.to_uppercase();
            }
        }
        _ => {}
    }
}

fn verdict(of: &Transcript) -> Value {
    let broken = match of.verify() {
        Ok(()) => None,
        Err(Broken::Format(_)) => Some("format"),
        Err(Broken::Signature(_)) => Some("signature"),
        Err(Broken::Node { .. }) => Some("node"),
        Err(Broken::Window { .. } | Broken::Rules(..)) => Some("window"),
        Err(Broken::TooEarly { .. }) => Some("too_early"),
        Err(Broken::Tally { .. }) => Some("tally"),
    };
    json!({ "broken": broken, "tally": of.count() })
}

#[test]
fn a_program_of_its_own_comes_to_the_same_verdicts() {
    let mut dice = Dice(0x5eed);
    let made: Vec<_> = (0..cases()).map(|_| transcript(&mut dice)).collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/verify_transcript.py");
    let mut python = Command::new("python3")
        .args([script, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there");
    let mut input = python.stdin.take().unwrap();
    let lines: Vec<_> = made
        .iter()
        .map(|one| serde_json::to_string(one).unwrap())
        .collect();
    let writing = std::thread::spawn(move || input.write_all((lines.join("\n") + "\n").as_bytes()));
    let output = python.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.lines().count(), made.len());
    let (mut vetoed, mut broken) = (0, 0);
    for (ours, theirs) in made.iter().zip(output.lines()) {
        let theirs: Value = serde_json::from_str(theirs).unwrap();
        assert_eq!(
            verdict(ours),
            theirs,
            "{}",
            serde_json::to_string(ours).unwrap()
        );
        vetoed += usize::from(theirs["tally"]["vetoed"] == true);
        broken += usize::from(!theirs["broken"].is_null());
    }
    assert!(vetoed > 0 && broken > 5, "{vetoed} vetoed, {broken} broken");
    println!(
        "{} transcripts, {vetoed} vetoed, {broken} broken, all equal",
        made.len()
    );
}
