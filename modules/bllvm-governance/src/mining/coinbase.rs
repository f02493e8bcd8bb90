//! What one block says of its miner: the coinbase's text and whom it pays.

use bitcoin::block::Header;
use bitcoin::consensus::encode::{self, VarInt};
use bitcoin::consensus::{Decodable, deserialize_partial};
use bitcoin::hashes::Hash;
use bitcoin::{ScriptBuf, Transaction};
use bllvm_sdk::types::BlockHash;
use serde::{Deserialize, Serialize};

/// The outputs that are kept, largest first; no pool that is paid by most of a coinbase needs more.
const MOST_PAYOUTS: usize = 64;
/// Longer scripts have no address, so no list can name them.
const LONGEST_SCRIPT: usize = 64;

/// The part of a block that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mined {
    /// The block.
    pub hash: BlockHash,
    /// The block before it.
    pub previous: BlockHash,
    /// The coinbase's input script, at most 100 bytes by consensus.
    pub text: Vec<u8>,
    /// Satoshi of all outputs, those included that are not kept.
    pub total_sat: u64,
    /// The largest outputs that have an address.
    pub payouts: Vec<Payout>,
}

/// One output of a coinbase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payout {
    /// The script that is paid.
    pub script: ScriptBuf,
    /// How much.
    pub value_sat: u64,
}

/// Why bytes are not a block.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// They end early or are malformed.
    #[error("these bytes are no block: {0}")]
    Malformed(#[from] encode::Error),
    /// Its first transaction is an ordinary one, or there is none.
    #[error("the block does not begin with a coinbase")]
    NoCoinbase,
}

impl Mined {
    /// Reads header and coinbase; the other transactions are not looked at.
    pub fn read(block: &[u8]) -> Result<Self, BlockError> {
        let (header, used) = deserialize_partial::<Header>(block)?;
        let mut rest = &block[used..];
        let count = VarInt::consensus_decode(&mut rest)?;
        if count.0 == 0 {
            return Err(BlockError::NoCoinbase);
        }
        let coinbase = Transaction::consensus_decode(&mut rest)?;
        if !coinbase.is_coinbase() {
            return Err(BlockError::NoCoinbase);
        }
        Ok(Self::of(&header, &coinbase))
    }

    fn of(header: &Header, coinbase: &Transaction) -> Self {
        let outputs = coinbase.output.iter();
        let total_sat = outputs.map(|output| output.value.to_sat()).sum();
        let with_address = coinbase.output.iter().filter(|output| {
            output.value.to_sat() > 0 && output.script_pubkey.len() <= LONGEST_SCRIPT
        });
        let mut payouts: Vec<_> = with_address
            .map(|output| Payout {
                script: output.script_pubkey.clone(),
                value_sat: output.value.to_sat(),
            })
            .collect();
        payouts.sort_by_key(|payout| std::cmp::Reverse(payout.value_sat));
        payouts.truncate(MOST_PAYOUTS);
        Self {
            hash: BlockHash(header.block_hash().to_byte_array()),
            previous: BlockHash(header.prev_blockhash.to_byte_array()),
            text: coinbase.input[0].script_sig.to_bytes(),
            total_sat,
            payouts,
        }
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::Network;
    use bitcoin::consensus::serialize;
    use bitcoin::constants::genesis_block;

    use super::*;

    #[test]
    fn the_first_block_is_read_with_its_headline() {
        let block = genesis_block(Network::Bitcoin);
        let mined = Mined::read(&serialize(&block)).unwrap();
        assert_eq!(mined.hash.to_string(), block.block_hash().to_string());
        assert_eq!(mined.previous, BlockHash([0; 32]));
        assert_eq!(mined.total_sat, 5_000_000_000);
        let text = String::from_utf8_lossy(&mined.text).into_owned();
        assert!(text.contains("The Times 03/Jan/2009"), "{text}");
    }

    #[test]
    fn cut_off_blocks_are_refused_and_never_panic() {
        let bytes = serialize(&genesis_block(Network::Bitcoin));
        for end in 0..bytes.len() {
            assert!(Mined::read(&bytes[..end]).is_err(), "{end} bytes");
        }
    }
}
