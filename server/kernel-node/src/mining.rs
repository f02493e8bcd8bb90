//! Making blocks: coinbase, witness commitment, and the proof of work that regtest asks for.

use std::sync::atomic::{AtomicBool, Ordering};

use bitcoin::{
    Address, Amount, Block, BlockHash, CompactTarget, Network, OutPoint, Script, ScriptBuf,
    Sequence, Transaction, TxIn, TxMerkleNode, TxOut, Witness,
    absolute::LockTime,
    address::NetworkUnchecked,
    block::{Header, Version},
    hashes::Hash,
    opcodes::all::{OP_PUSHNUM_1, OP_RETURN},
    script::Builder,
    transaction,
};

use crate::EngineError;

/// Stands in the coinbases of the blocks of one request.
pub type Mark = [u8; 16];

/// What a block on a given parent must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockPlan {
    /// The parent.
    pub prev: BlockHash,
    /// The new block's height.
    pub height: u32,
    /// The new block's time: now, or just after the parents' median if the clock is behind.
    pub time: u32,
    /// The earliest time that is valid.
    pub min_time: u32,
    /// The target; where blocks that come late may be easier, it depends on the time.
    pub bits: CompactTarget,
    /// Blocks between two halvings of the subsidy.
    pub halving: u32,
}

impl BlockPlan {
    /// What the coinbase may claim without fees.
    pub fn subsidy(&self) -> Amount {
        let halvings = self.height / self.halving;
        Amount::from_sat(
            Amount::from_int_btc(50)
                .to_sat()
                .checked_shr(halvings)
                .unwrap_or(0),
        )
    }

    /// The coinbase: its height (BIP 34), a salt that tells twins apart, a mark by which whoever
    /// asked for it finds it again, and what it pays. The
    /// witness commitment comes with [`BlockPlan::assemble`].
    pub fn coinbase(
        &self,
        pays: Amount,
        to: &Script,
        salt: u32,
        mark: Option<Mark>,
    ) -> Transaction {
        let script_sig = Builder::new()
            .push_int(i64::from(self.height))
            .push_slice(salt.to_le_bytes());
        let script_sig = match mark {
            Some(mark) => script_sig.push_slice(mark),
            None => script_sig.push_slice(b"bllvm"),
        };
        let script_sig = script_sig.into_script();
        Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: OutPoint::null(),
                script_sig,
                sequence: Sequence::MAX,
                witness: Witness::from_slice(&[[0_u8; 32]]),
            }],
            output: vec![TxOut {
                value: pays,
                script_pubkey: to.to_owned(),
            }],
        }
    }

    /// Commits to everything; only the proof of work is missing.
    pub fn assemble(&self, coinbase: Transaction, transactions: Vec<Transaction>) -> Block {
        let mut block = Block {
            header: Header {
                version: Version::from_consensus(0x2000_0000),
                prev_blockhash: self.prev,
                merkle_root: TxMerkleNode::all_zeros(),
                time: self.time,
                bits: self.bits,
                nonce: 0,
            },
            txdata: std::iter::once(coinbase).chain(transactions).collect(),
        };
        if let Some(root) = block.witness_root() {
            let commitment = Block::compute_witness_commitment(&root, &[0; 32]);
            let mut push = [0xaa, 0x21, 0xa9, 0xed].to_vec();
            push.extend_from_slice(commitment.as_byte_array());
            if let (Ok(push), Some(coinbase)) = (
                bitcoin::script::PushBytesBuf::try_from(push),
                block.txdata.first_mut(),
            ) {
                coinbase.output.push(TxOut {
                    value: Amount::ZERO,
                    script_pubkey: Builder::new()
                        .push_opcode(OP_RETURN)
                        .push_slice(push)
                        .into_script(),
                });
            }
        }
        if let Some(root) = block.compute_merkle_root() {
            block.header.merkle_root = root;
        }
        block
    }
}

/// Searches a nonce; false if cancelled. On regtest every second one fits.
pub fn grind(header: &mut Header, cancel: &AtomicBool) -> bool {
    let target = header.target();
    while header.validate_pow(target).is_err() {
        if header.nonce.is_multiple_of(4096) && cancel.load(Ordering::Relaxed) {
            return false;
        }
        header.nonce = header.nonce.wrapping_add(1);
    }
    true
}

/// A script that anybody can spend (`OP_TRUE`): where blocks are mined to if nobody cares.
pub fn anyone_can_spend() -> ScriptBuf {
    Builder::new().push_opcode(OP_PUSHNUM_1).into_script()
}

/// Reads an address of a network.
///
/// # Errors
/// [`EngineError::Address`] says what is wrong with it.
pub fn parse_address(address: &str, network: Network) -> Result<ScriptBuf, EngineError> {
    let unusable = |detail: String| EngineError::Address {
        address: address.to_owned(),
        detail,
    };
    let parsed: Address<NetworkUnchecked> = address
        .trim()
        .parse()
        .map_err(|error: bitcoin::address::ParseError| unusable(error.to_string()))?;
    let checked = parsed
        .require_network(network)
        .map_err(|_| unusable(format!("it belongs to another chain than {network}")))?;
    Ok(checked.script_pubkey())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_network_are_taken() {
        let parse_address = |address| parse_address(address, Network::Regtest);
        let good = parse_address("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080").unwrap();
        assert!(good.is_p2wpkh());

        let mainnet = parse_address("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4").unwrap_err();
        assert!(mainnet.to_string().contains("another chain"), "{mainnet}");
        assert!(parse_address("nonsense").is_err());
    }

    #[test]
    fn the_subsidy_halves_every_150_blocks() {
        let mut plan = BlockPlan {
            prev: BlockHash::all_zeros(),
            height: 149,
            time: 0,
            min_time: 0,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            halving: 150,
        };
        assert_eq!(plan.subsidy(), Amount::from_int_btc(50));
        plan.height = 150;
        assert_eq!(plan.subsidy(), Amount::from_int_btc(25));
        plan.height = 150 * 64;
        assert_eq!(plan.subsidy(), Amount::ZERO);
    }
}
