//! Chains that are not regtest, on blocks that exist: blocks 1 to 4 of the public signet, and blocks
//! 1 and 2 of testnet4, as every node of theirs has them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bitcoin::{
    Block, Network, ScriptBuf, Work,
    consensus::encode::{deserialize, serialize},
    constants::genesis_block,
    hex::FromHex as _,
};
use bllvm_kernel_node::{
    BlockId, Chain, Engine, EngineError, HeaderFault, Settings, Verdict, mempool::Room,
};

const SIGNET: &str = include_str!("data/signet.hex");
const TESTNET4: &str = include_str!("data/testnet4.hex");
const PUBLIC: Chain = Chain::Signet { challenge: None };

fn blocks(hex: &str) -> Vec<Vec<u8>> {
    hex.lines()
        .map(|line| Vec::from_hex(line).unwrap())
        .collect()
}

fn own(challenge: &str) -> Chain {
    let challenge = Some(ScriptBuf::from_hex(challenge).unwrap());
    Chain::Signet { challenge }
}

fn settings(chain: Chain, dir: &tempfile::TempDir) -> Settings {
    Settings::of(chain, dir.path().join("node"))
}

fn open(settings: Settings) -> Engine {
    Engine::open(settings, Box::new(|_| {})).unwrap().0
}

fn extends(engine: &Engine, raw: &[u8]) {
    let verdict = engine.submit_block(raw).unwrap();
    assert_eq!(verdict, Verdict::Accepted { tip_changed: true });
}

#[test]
fn blocks_of_the_public_signet_are_taken_and_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(settings(PUBLIC, &dir));
    let genesis = genesis_block(Network::Signet);
    let mut work = genesis.header.work();
    for (height, raw) in (1..).zip(blocks(SIGNET)) {
        let header = deserialize::<Block>(&raw).unwrap().header;
        let mut standing = engine.standing(&header.prev_blockhash).unwrap().unwrap();
        standing.step(&header).unwrap();
        extends(&engine, &raw);
        work = work + header.work();
        let tip = engine.tip().unwrap();
        assert_eq!((tip.height, tip.hash), (height, header.block_hash()));
        assert_eq!(tip.chain_work, work.to_be_bytes());
        let known = engine.standing(&tip.hash).unwrap().unwrap();
        assert_eq!((known.hash, known.work), (standing.hash, standing.work));
        assert_eq!(known.height(), standing.height());
    }
    engine.close().unwrap();

    let engine = open(settings(PUBLIC, &dir));
    assert_eq!(engine.tip().unwrap().chain_work, work.to_be_bytes());
    let last = blocks(SIGNET).pop().unwrap();
    let hash = deserialize::<Block>(&last).unwrap().block_hash();
    assert_eq!(engine.block(&hash).unwrap(), Some(last));
    let plan = engine.plan_on(&hash).unwrap().unwrap();
    assert_eq!(plan.bits, genesis.header.bits);
    assert_eq!(plan.subsidy().to_sat(), 5_000_000_000);
    assert!(engine.info().min_chain_work > work);
}

#[test]
fn a_block_without_the_signers_signature_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    // The public signet's keys, but both of them.
    let both = "522103ad5e0edad18cb1f0fc0d28a3d4f1f3e445640337489abb10404f2d1e086be430210359ef5021964fe22d6f8e05b2463c9540ce96883fe3b278760f048f5189f2e6c452ae";
    let engine = open(settings(own(both), &dir));
    let verdict = engine.submit_block(&blocks(SIGNET)[0]).unwrap();
    let Verdict::Invalid { code, .. } = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(code, "bad-signet-blksig");
    assert_eq!(engine.tip().unwrap().height, 0);
}

#[test]
fn a_signet_of_ones_own_has_its_own_directory() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(settings(own("51"), &dir));
    // Whatever solves their blocks, OP_TRUE is content with it.
    for raw in blocks(SIGNET) {
        extends(&engine, &raw);
    }
    assert_eq!(engine.info().min_chain_work, Work::from_be_bytes([0; 32]));
    engine.close().unwrap();

    for other in [PUBLIC, own("52"), Chain::Regtest] {
        let error = Engine::open(settings(other, &dir), Box::new(|_| {})).unwrap_err();
        assert!(
            matches!(error, EngineError::ForeignJournal { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("of another chain"), "{error}");
    }
    assert_eq!(open(settings(own("51"), &dir)).tip().unwrap().height, 4);
}

#[test]
fn blocks_of_testnet4_are_taken_and_what_comes_next_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(Settings {
        // A minute after the last of them.
        clock: || 1_714_999_000,
        ..settings(Chain::Testnet4, &dir)
    });
    let all = blocks(TESTNET4);
    for raw in &all {
        extends(&engine, raw);
    }
    let last: Block = deserialize(&all[1]).unwrap();
    let tip = engine.tip().unwrap();
    assert_eq!((tip.height, tip.hash), (2, last.block_hash()));

    let template = engine.template(Room::default()).unwrap();
    assert_eq!(template.plan.bits.to_consensus(), 0x1d00_ffff);
    assert_eq!(template.plan.height, 3);
    assert!(template.plan.min_time > last.header.time - 3600);

    // The same block again, by ourselves: the kernel's words for a time that is too early, and ours.
    let mut early = last.clone();
    early.header.prev_blockhash = tip.hash;
    early.header.time = genesis_block(Network::Testnet4).header.time;
    let verdict = engine.check_block(&serialize(&early)).unwrap();
    assert!(
        matches!(&verdict, Verdict::Invalid { code, .. } if code == "time-too-old"),
        "{verdict:?}"
    );
    let mut standing = engine.standing(&tip.hash).unwrap().unwrap();
    assert_eq!(standing.step(&early.header), Err(HeaderFault::Work));
    assert_eq!(
        standing.step(&last.header),
        Err(HeaderFault::Unlinked),
        "it stands on block 1"
    );
    let found = engine.header(BlockId::Height(1)).unwrap().unwrap();
    assert_eq!(found.hash, last.header.prev_blockhash);
}
