//! What Bitcoin Core's answers hold, as far as it is read.

use bitcoin::hashes::Hash as _;
use bitcoin::{Amount, BlockHash, CompactTarget, TxMerkleNode};
use bllvm_ipc::types as t;
use serde::Deserialize;

use super::rpc::RpcError;
use crate::node::ChainStatus;

/// Of `getblockchaininfo`.
#[derive(Debug, Deserialize)]
pub(super) struct ChainInfo {
    pub(super) chain: String,
    pub(super) signet_challenge: Option<t::Hex>,
    pub(super) bestblockhash: t::BlockHash,
    blocks: u32,
    headers: u32,
    #[serde(default)]
    verificationprogress: f64,
    #[serde(default)]
    initialblockdownload: bool,
    #[serde(default)]
    size_on_disk: u64,
    pruneheight: Option<u32>,
    #[serde(default)]
    warnings: Warnings,
}

impl ChainInfo {
    pub(super) fn status(self) -> ChainStatus {
        ChainStatus {
            headers: self.headers.max(self.blocks),
            progress: self.verificationprogress,
            syncing: self.initialblockdownload,
            size_on_disk: self.size_on_disk,
            pruned_below: self.pruneheight,
            warnings: match self.warnings {
                Warnings::None => Vec::new(),
                Warnings::One(text) => Some(text)
                    .filter(|text| !text.is_empty())
                    .into_iter()
                    .collect(),
                Warnings::Many(all) => all,
            },
        }
    }
}

/// A list; before version 28, one text that may be empty.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Warnings {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

/// Of `getnetworkinfo`.
#[derive(Debug, Deserialize)]
pub(super) struct NetworkInfo {
    pub(super) version: u32,
    pub(super) subversion: String,
    #[serde(default)]
    pub(super) connections: u32,
}

/// Of `getblockheader`.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    pub(super) hash: t::BlockHash,
    pub(super) confirmations: i64,
    pub(super) height: u32,
    version: i32,
    merkleroot: TxMerkleNode,
    pub(super) time: u32,
    pub(super) mediantime: u32,
    nonce: u32,
    bits: String,
    pub(super) chainwork: t::Hex,
    #[serde(rename = "nTx")]
    pub(super) transactions: u32,
    previousblockhash: Option<t::BlockHash>,
}

impl Header {
    /// The block before it; zeros for genesis.
    pub(super) fn prev(&self) -> t::BlockHash {
        self.previousblockhash.unwrap_or_default()
    }

    pub(super) fn in_best_chain(&self) -> bool {
        self.confirmations >= 0
    }

    /// The 80 bytes, which must have the hash that is told beside them.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, RpcError> {
        let wrong = |what: &str| RpcError::Shape(format!("header {}: {what}", self.hash));
        let bits = u32::from_str_radix(&self.bits, 16).map_err(|_| wrong("`bits` is no number"))?;
        let header = bitcoin::block::Header {
            version: bitcoin::block::Version::from_consensus(self.version),
            prev_blockhash: BlockHash::from_byte_array(self.prev().0),
            merkle_root: self.merkleroot,
            time: self.time,
            bits: CompactTarget::from_consensus(bits),
            nonce: self.nonce,
        };
        if header.block_hash().to_byte_array() != self.hash.0 {
            return Err(wrong("its fields do not have its hash"));
        }
        Ok(bitcoin::consensus::serialize(&header))
    }

    pub(super) fn info(&self) -> Result<t::HeaderInfo, RpcError> {
        Ok(t::HeaderInfo {
            hash: self.hash,
            prev: self.prev(),
            height: self.height,
            time: self.time,
            in_best_chain: self.in_best_chain(),
            header: t::Hex(self.bytes()?),
        })
    }
}

/// A locking script.
#[derive(Debug, Deserialize)]
pub(super) struct Script {
    pub(super) hex: t::Hex,
}

/// Of `getblock` with what is spent.
#[derive(Debug, Deserialize)]
pub(super) struct SpendingBlock {
    pub(super) tx: Vec<SpendingTransaction>,
}

/// One transaction of it.
#[derive(Debug, Deserialize)]
pub(super) struct SpendingTransaction {
    pub(super) vin: Vec<SpendingInput>,
}

/// One input of it.
#[derive(Debug, Deserialize)]
pub(super) struct SpendingInput {
    pub(super) prevout: Option<Prevout>,
}

/// What an input spends.
#[derive(Debug, Deserialize)]
pub(super) struct Prevout {
    generated: bool,
    height: u32,
    value: f64,
    #[serde(rename = "scriptPubKey")]
    script: Script,
}

impl Prevout {
    pub(super) fn coin(self) -> Result<t::Coin, RpcError> {
        Ok(t::Coin {
            value_sat: satoshi(self.value)?,
            script_pubkey: self.script.hex,
            height: self.height,
            coinbase: self.generated,
        })
    }
}

/// Of `gettxout`.
#[derive(Debug, Deserialize)]
pub(super) struct TxOut {
    pub(super) bestblock: t::BlockHash,
    pub(super) confirmations: u32,
    pub(super) value: f64,
    #[serde(rename = "scriptPubKey")]
    pub(super) script: Script,
    pub(super) coinbase: bool,
}

/// Of `getrawtransaction`.
#[derive(Debug, Deserialize)]
pub(super) struct RawTransaction {
    pub(super) hex: t::Hex,
    pub(super) blockhash: Option<t::BlockHash>,
}

/// Of `getmempoolinfo`.
#[derive(Debug, Deserialize)]
pub(super) struct MempoolInfo {
    pub(super) size: u64,
    pub(super) bytes: u64,
    pub(super) mempoolminfee: f64,
    #[serde(default)]
    pub(super) usage: u64,
    #[serde(default)]
    pub(super) maxmempool: u64,
    #[serde(default)]
    pub(super) total_fee: f64,
    #[serde(default)]
    pub(super) minrelaytxfee: f64,
    #[serde(default)]
    pub(super) incrementalrelayfee: f64,
}

/// Of `getmempoolentry`.
#[derive(Debug, Deserialize)]
pub(super) struct MempoolEntry {
    pub(super) vsize: u64,
    pub(super) weight: u64,
    pub(super) time: u64,
    pub(super) height: u32,
    pub(super) descendantcount: u64,
    pub(super) descendantsize: u64,
    pub(super) ancestorcount: u64,
    pub(super) ancestorsize: u64,
    pub(super) wtxid: t::Txid,
    pub(super) fees: EntryFees,
    pub(super) depends: Vec<t::Txid>,
    #[serde(default)]
    pub(super) spentby: Vec<t::Txid>,
    #[serde(default, rename = "bip125-replaceable")]
    pub(super) replaceable: bool,
}

/// Fees of an entry.
#[derive(Debug, Deserialize)]
pub(super) struct EntryFees {
    pub(super) base: f64,
    pub(super) ancestor: f64,
    pub(super) descendant: f64,
}

/// Of `testmempoolaccept` and of a package.
#[derive(Debug, Deserialize)]
pub(super) struct Verdict {
    pub(super) txid: t::Txid,
    #[serde(default)]
    pub(super) allowed: Option<bool>,
    #[serde(default, rename = "reject-reason")]
    pub(super) reason: Option<String>,
    #[serde(default, rename = "package-error")]
    pub(super) package_error: Option<String>,
    #[serde(default)]
    pub(super) error: Option<String>,
    #[serde(default)]
    pub(super) fees: Option<BaseFee>,
}

/// The fee of a verdict.
#[derive(Debug, Deserialize)]
pub(super) struct BaseFee {
    pub(super) base: f64,
}

/// Of `submitpackage`.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) package_msg: String,
    #[serde(rename = "tx-results")]
    pub(super) results: std::collections::HashMap<t::Txid, Verdict>,
}

/// Of `estimatesmartfee`.
#[derive(Debug, Deserialize)]
pub(super) struct SmartFee {
    pub(super) feerate: Option<f64>,
    #[serde(default)]
    pub(super) errors: Vec<String>,
    pub(super) blocks: u32,
}

/// Of `getpeerinfo`.
#[derive(Debug, Deserialize)]
pub(super) struct Peer {
    pub(super) addr: String,
    pub(super) inbound: bool,
    pub(super) subver: String,
    #[serde(default)]
    pub(super) startingheight: i64,
    /// In hexadecimal.
    #[serde(default)]
    pub(super) services: String,
    #[serde(default)]
    pub(super) version: u32,
    #[serde(default)]
    pub(super) conntime: u64,
    #[serde(default)]
    pub(super) bytessent: u64,
    #[serde(default)]
    pub(super) bytesrecv: u64,
    #[serde(default)]
    pub(super) lastsend: u64,
    #[serde(default)]
    pub(super) lastrecv: u64,
}

/// Of `getblockfilter`.
#[derive(Debug, Deserialize)]
pub(super) struct Filter {
    pub(super) filter: t::Hex,
}

/// Of `getblocktemplate`.
#[derive(Debug, Deserialize)]
pub(super) struct Template {
    pub(super) previousblockhash: t::BlockHash,
    pub(super) transactions: Vec<TemplateTransaction>,
    pub(super) coinbasevalue: u64,
    pub(super) longpollid: String,
    pub(super) mintime: u32,
    pub(super) bits: String,
    pub(super) height: u32,
}

/// One transaction of it.
#[derive(Debug, Deserialize)]
pub(super) struct TemplateTransaction {
    pub(super) data: t::Hex,
    pub(super) fee: Option<u64>,
    pub(super) sigops: Option<u64>,
}

/// Satoshi out of an amount in bitcoin. The number is the nearest to a decimal of eight places,
/// which is found again exactly.
pub(super) fn satoshi(bitcoin: f64) -> Result<u64, RpcError> {
    let amount = Amount::from_btc(bitcoin);
    amount
        .map(Amount::to_sat)
        .map_err(|error| RpcError::Shape(format!("{bitcoin} is no amount: {error}")))
}

/// The same of a sum that `prioritisetransaction` may have taken below nothing.
pub(super) fn satoshi_or_none(bitcoin: f64) -> Result<u64, RpcError> {
    satoshi(bitcoin.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        for sat in [
            0,
            1,
            10,
            546,
            12_345_678,
            5_000_000_000,
            2_099_999_997_690_000,
        ] {
            let text = format!("{}.{:08}", sat / 100_000_000, sat % 100_000_000);
            assert_eq!(satoshi(text.parse().unwrap()), Ok(sat), "{text}");
        }
        assert!(satoshi(-1.0).is_err() && satoshi(f64::NAN).is_err());
    }
}
