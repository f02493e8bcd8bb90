//! How the index writes coins, places and undo records. Fixed widths, little-endian.

use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf, TxOut, Txid, hashes::Hash};
use bllvm_mempool::Coin;

/// Bytes of an outpoint as a key: sorts by transaction, then by output.
pub const KEY: usize = 36;
/// Bytes of a block's place.
pub const PLACE: usize = 36;

/// An outpoint as a key.
pub fn key(outpoint: &OutPoint) -> [u8; KEY] {
    let mut key = [0; KEY];
    key[..32].copy_from_slice(outpoint.txid.as_byte_array());
    key[32..].copy_from_slice(&outpoint.vout.to_be_bytes());
    key
}

/// A coin: value, height and coinbase flag in one number, script.
pub fn coin(coin: &Coin) -> Vec<u8> {
    let script = coin.output.script_pubkey.as_bytes();
    let mut bytes = Vec::with_capacity(12 + script.len());
    bytes.extend_from_slice(&coin.output.value.to_sat().to_le_bytes());
    bytes.extend_from_slice(&(coin.height << 1 | u32::from(coin.coinbase)).to_le_bytes());
    bytes.extend_from_slice(script);
    bytes
}

/// Reads a coin; none if the bytes are not one.
pub fn read_coin(bytes: &[u8]) -> Option<Coin> {
    let (value, rest) = bytes.split_first_chunk::<8>()?;
    let (place, script) = rest.split_first_chunk::<4>()?;
    let place = u32::from_le_bytes(*place);
    Some(Coin {
        output: TxOut {
            value: Amount::from_sat(u64::from_le_bytes(*value)),
            script_pubkey: ScriptBuf::from_bytes(script.to_vec()),
        },
        height: place >> 1,
        coinbase: place & 1 == 1,
    })
}

/// A block and a number: a tip and its height, or a block and a transaction's position in it.
pub fn place(hash: BlockHash, number: u32) -> [u8; PLACE] {
    let mut bytes = [0; PLACE];
    bytes[..32].copy_from_slice(hash.as_byte_array());
    bytes[32..].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// Reads a place.
pub fn read_place(bytes: &[u8]) -> Option<(BlockHash, u32)> {
    let (hash, number) = bytes.split_first_chunk::<32>()?;
    Some((
        BlockHash::from_byte_array(*hash),
        u32::from_le_bytes(number.try_into().ok()?),
    ))
}

/// What takes one block off again without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// The block.
    pub hash: BlockHash,
    /// The block before it.
    pub prev: BlockHash,
    /// What its transactions spent, in their order.
    pub spent: Vec<(OutPoint, Coin)>,
    /// Its transactions, each with the number of its outputs.
    pub made: Vec<(Txid, u32)>,
}

impl Undo {
    /// As bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(self.hash.as_byte_array());
        bytes.extend_from_slice(self.prev.as_byte_array());
        count(&mut bytes, self.made.len());
        for (txid, outputs) in &self.made {
            bytes.extend_from_slice(txid.as_byte_array());
            bytes.extend_from_slice(&outputs.to_le_bytes());
        }
        count(&mut bytes, self.spent.len());
        for (outpoint, spent) in &self.spent {
            bytes.extend_from_slice(&key(outpoint));
            let spent = coin(spent);
            count(&mut bytes, spent.len());
            bytes.extend_from_slice(&spent);
        }
        bytes
    }

    /// From bytes; none if they are not one.
    pub fn read(mut bytes: &[u8]) -> Option<Self> {
        let from = &mut bytes;
        let hash = BlockHash::from_byte_array(*take::<32>(from)?);
        let prev = BlockHash::from_byte_array(*take::<32>(from)?);
        let mut made = Vec::new();
        for _ in 0..read_count(from)? {
            let txid = Txid::from_byte_array(*take::<32>(from)?);
            made.push((txid, u32::from_le_bytes(*take::<4>(from)?)));
        }
        let mut spent = Vec::new();
        for _ in 0..read_count(from)? {
            let txid = Txid::from_byte_array(*take::<32>(from)?);
            let vout = u32::from_be_bytes(*take::<4>(from)?);
            let length = read_count(from)? as usize;
            let (own, rest) = from.split_at_checked(length)?;
            *from = rest;
            spent.push((OutPoint { txid, vout }, read_coin(own)?));
        }
        from.is_empty().then_some(Self {
            hash,
            prev,
            spent,
            made,
        })
    }
}

fn count(bytes: &mut Vec<u8>, count: usize) {
    // A block holds at most a few hundred thousand of anything.
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&count.to_le_bytes());
}

fn read_count(from: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*take::<4>(from)?))
}

fn take<'a, const N: usize>(from: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = from.split_first_chunk::<N>()?;
    *from = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undo_record_survives_and_a_damaged_one_is_refused() {
        let spent = Coin {
            output: TxOut {
                value: Amount::from_sat(77),
                script_pubkey: ScriptBuf::from_bytes(vec![1, 2, 3]),
            },
            height: 12,
            coinbase: true,
        };
        let undo = Undo {
            hash: BlockHash::from_byte_array([1; 32]),
            prev: BlockHash::from_byte_array([2; 32]),
            spent: vec![(OutPoint::new(Txid::from_byte_array([3; 32]), 258), spent)],
            made: vec![(Txid::from_byte_array([4; 32]), 9)],
        };
        let bytes = undo.write();
        assert_eq!(Undo::read(&bytes), Some(undo));
        for cut in 0..bytes.len() {
            assert_eq!(Undo::read(&bytes[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn keys_sort_by_output_number() {
        let at = |vout| key(&OutPoint::new(Txid::from_byte_array([9; 32]), vout));
        assert!(at(1) < at(256));
    }
}
