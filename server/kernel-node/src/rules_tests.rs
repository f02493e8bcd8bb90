use bitcoin::{TxMerkleNode, block::Version, constants::genesis_block, hashes::Hash as _};

use super::*;

/// A standing of a signet or testnet4 that needs no work to be made.
fn at(chain: &Chain, height: u32, time: u32, bits: u32) -> Difficulty {
    let bits = CompactTarget::from_consensus(bits);
    Difficulty {
        rules: chain.rules(),
        height,
        time,
        bits,
        first: (time, bits),
        real_bits: bits,
    }
}

fn next(difficulty: &Difficulty, time: u32) -> u32 {
    difficulty.next_bits(time).to_consensus()
}

const SIGNET: Chain = Chain::Signet { challenge: None };

#[test]
fn signet_asks_for_what_its_first_period_earned() {
    // Block 0 and block 2015 of the public signet, and the target of its block 2016.
    let mut last = at(&SIGNET, 2015, 1_599_332_177, 503_543_726);
    last.first.0 = 1_598_918_400;
    assert_eq!(next(&last, 1_599_332_200), 503_394_215);
    last.height = 2014;
    assert_eq!(
        next(&last, 1_599_332_200),
        503_543_726,
        "only once a period"
    );
    assert_eq!(next(&last, 1_699_332_200), 503_543_726, "late or not");
}

#[test]
fn a_period_that_ends_before_it_began_counts_as_the_shortest() {
    let mut last = at(&SIGNET, 2015, 1_000, 0x1e00_ffff);
    last.first.0 = 2_000;
    // A quarter of 0x00ffff.
    assert_eq!(next(&last, 3_000), 0x1d3f_ffc0);
}

#[test]
fn testnet4_lets_late_blocks_be_easy_and_then_goes_on_as_before() {
    let mut last = at(&Chain::Testnet4, 10, 10_000, 0x1c00_ffff);
    let header = |time, bits| Header {
        version: Version::TWO,
        prev_blockhash: BlockHash::all_zeros(),
        merkle_root: TxMerkleNode::all_zeros(),
        time,
        bits: CompactTarget::from_consensus(bits),
        nonce: 0,
    };
    assert_eq!(
        next(&last, 11_200),
        0x1c00_ffff,
        "twenty minutes are in time"
    );
    assert_eq!(next(&last, 11_201), 0x1d00_ffff);
    last.step(&header(11_201, 0x1d00_ffff));
    assert_eq!(
        next(&last, 11_202),
        0x1c00_ffff,
        "the last that was not easy"
    );
    assert_eq!(next(&last, 12_402), 0x1d00_ffff);
    last.step(&header(11_300, 0x1c00_ffff));
    assert_eq!((last.height, next(&last, 11_301)), (12, 0x1c00_ffff));
}

#[test]
fn testnet4_counts_a_period_from_its_first_target() {
    // An easy block at the end of a period does not make the next one easy (BIP 94).
    let mut last = at(&Chain::Testnet4, 2015, 1_209_600, 0x1d00_ffff);
    last.first = (0, CompactTarget::from_consensus(0x1c00_ffff));
    assert_eq!(next(&last, 1_209_700), 0x1c00_ffff);
    assert_eq!(
        next(&last, 2_000_000),
        0x1c00_ffff,
        "nor is one that is late"
    );
    assert_eq!(last.unwarped(), Some(1_209_000));
    assert!(last.warps(1_208_999) && !last.warps(1_209_000));
    last.rules.bip94 = false;
    assert_eq!(next(&last, 1_209_700), 0x1d00_ffff);
    assert!(!last.warps(0));
}

fn regtest_after(standing: &Standing) -> Header {
    let mut header = genesis_block(Network::Regtest).header;
    header.prev_blockhash = standing.hash;
    while header.validate_pow(header.target()).is_err() {
        header.nonce = header.nonce.wrapping_add(1);
    }
    header
}

#[test]
fn headers_must_be_linked_and_carry_their_work() {
    let mut standing = Standing::at_genesis(&Chain::Regtest);
    let genesis = standing.hash;
    let good = regtest_after(&standing);
    let mut other = good;
    other.prev_blockhash = BlockHash::all_zeros();
    assert_eq!(standing.step(&other), Err(HeaderFault::Unlinked));
    let mut other = good;
    other.bits = CompactTarget::from_consensus(0x207f_fffe);
    assert_eq!(standing.step(&other), Err(HeaderFault::Target));
    let mut other = good;
    while other.validate_pow(other.target()).is_ok() {
        other.nonce = other.nonce.wrapping_add(1);
    }
    assert_eq!(standing.step(&other), Err(HeaderFault::Work));
    assert_eq!((standing.height(), standing.hash), (0, genesis));

    standing.step(&good).unwrap();
    assert_eq!((standing.height(), standing.hash), (1, good.block_hash()));
    let mut two = [0; 32];
    two[31] = 4;
    assert_eq!(standing.work.to_be_bytes(), two);
}

#[test]
fn chains_are_named_and_told_apart() {
    let own = |byte| Chain::Signet {
        challenge: Some(ScriptBuf::from_bytes(vec![byte])),
    };
    let names = [
        Chain::Regtest,
        SIGNET,
        own(0x51),
        Chain::Testnet4,
        Chain::Mainnet,
    ];
    let named: Vec<_> = names.iter().map(Chain::name).collect();
    assert_eq!(named, ["regtest", "signet", "signet", "testnet4", "main"]);
    assert_eq!(own(0x51).genesis(), SIGNET.genesis());
    assert_ne!(own(0x51).identity(), SIGNET.identity());
    assert_ne!(own(0x51).identity(), own(0x52).identity());
    let none = Work::from_be_bytes([0; 32]);
    assert!(SIGNET.min_chain_work() > none && own(0x51).min_chain_work() == none);
}
