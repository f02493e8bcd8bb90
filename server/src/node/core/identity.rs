//! Whether this is the Bitcoin Core that was meant: its version and its chain.

use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash as _;
use bllvm_ipc::types::BlockHash;
use serde_json::json;

use super::CoreSettings;
use super::rpc::{Rpc, RpcError};
use super::shapes::{ChainInfo, NetworkInfo};

/// The oldest release that is spoken to; it tells what blocks spend, and judges packages.
const OLDEST: u32 = 260_000;

/// Checks version and chain; the error says what is wrong and the way out.
pub(super) async fn check(rpc: &Rpc, settings: &CoreSettings) -> Result<(), RpcError> {
    let chain = settings.chain.as_str();
    let network: NetworkInfo = rpc.call("getnetworkinfo", json!([])).await?;
    if network.version < OLDEST {
        return Err(RpcError::Away(format!(
            "Bitcoin Core {} is too old; {} or newer is needed",
            release(network.version),
            release(OLDEST)
        )));
    }
    let info: ChainInfo = rpc.call("getblockchaininfo", json!([])).await?;
    if info.chain != chain {
        return Err(RpcError::Away(format!(
            "this Bitcoin Core is on the chain `{}`, and `node.chain` says `{chain}`; set one of them right",
            info.chain
        )));
    }
    if let (Some(wanted), Some(found)) = (&settings.challenge, &info.signet_challenge)
        && *wanted.as_bytes() != *found.0
    {
        return Err(RpcError::Away(format!(
            "this Bitcoin Core is on the signet of the challenge {}, and `node.signet_challenge` says {}; set one of them right",
            hex::encode(&found.0),
            wanted.to_hex_string()
        )));
    }
    let genesis: BlockHash = rpc.call("getblockhash", json!([0])).await?;
    // A signet of one's own has signet's genesis block, too.
    let expected = bitcoin::Network::from_core_arg(chain)
        .map(|network| genesis_block(network).block_hash().to_byte_array());
    if expected != Ok(genesis.0) {
        return Err(RpcError::Away(format!(
            "its genesis block {genesis} is not the one of `{chain}`"
        )));
    }
    Ok(())
}

fn release(version: u32) -> String {
    format!("{}.{}", version / 10_000, version / 100 % 100)
}
