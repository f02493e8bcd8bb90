//! The module: follows the chain with its purse, and gives from it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bdk_wallet::bitcoin::consensus::encode::{deserialize, serialize};
use bdk_wallet::bitcoin::hashes::Hash as _;
use bdk_wallet::bitcoin::{Block, BlockHash, Transaction};
use bllvm_sdk::types::{self as t, PageRequest};
use bllvm_sdk::{Context, Error, Event, Methods, Module, NoParams, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::purse::Purse;

/// Unconfirmed transactions that are looked at.
const MOST_WAITING: u32 = 1000;

/// Gives worthless coins.
pub struct Faucet {
    context: Context,
    config: Config,
    purse: Mutex<Purse>,
}

/// Where to mine to, or to pay back to.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AddressView {
    /// The address.
    pub address: String,
}

/// What the faucet has.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BalanceView {
    /// Can be given now, in satoshi.
    pub spendable_sat: u64,
    /// Mined to it, and not yet 100 blocks old.
    pub immature_sat: u64,
    /// Waits for a block.
    pub unconfirmed_sat: u64,
    /// The height up to which it has seen the chain.
    pub height: u32,
}

/// Whom to give how much.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendParams {
    /// A regtest address.
    pub address: String,
    /// How much, in satoshi.
    pub amount_sat: u64,
}

/// What was sent.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Sent {
    /// The transaction's id.
    pub txid: String,
    /// The fee, in satoshi.
    pub fee_sat: Option<u64>,
}

impl Module for Faucet {
    type Config = Config;
    const EVENTS: &'static [&'static str] = &["chain.*"];

    fn methods() -> Methods<Self> {
        Methods::new()
            .method(
                "address",
                "An address that fills the faucet: mine to it.",
                Self::address,
            )
            .method("balance", "What the faucet has.", Self::balance)
            .method("send", "Gives coins to an address, on regtest.", Self::send)
    }

    async fn prepare(context: Context, config: Config) -> Result<Self> {
        let purse = Mutex::new(Purse::open(context.data_dir())?);
        Ok(Self {
            context,
            config,
            purse,
        })
    }

    async fn activate(self: Arc<Self>) -> Result<()> {
        // A base node that is away now is asked again with the next event or call.
        if let Err(error) = self.catch_up().await {
            tracing::warn!("the chain was not followed yet: {error}");
        }
        Ok(())
    }

    async fn event(&self, _: &Event) -> Result<()> {
        if let Err(error) = self.catch_up().await {
            tracing::warn!("the chain was not followed: {error}");
        }
        Ok(())
    }
}

impl Faucet {
    async fn address(self: Arc<Self>, _: NoParams) -> Result<AddressView> {
        self.catch_up().await?;
        let address = self.purse().address();
        Ok(AddressView { address })
    }

    async fn balance(self: Arc<Self>, _: NoParams) -> Result<BalanceView> {
        self.catch_up().await?;
        let purse = self.purse();
        let content = purse.content();
        Ok(BalanceView {
            spendable_sat: content.spendable_sat,
            immature_sat: content.immature_sat,
            unconfirmed_sat: content.unconfirmed_sat,
            height: purse.known().first().map_or(0, |(height, _)| *height),
        })
    }

    async fn send(self: Arc<Self>, wanted: SendParams) -> Result<Sent> {
        let most = self.config.most_at_once_sat;
        if wanted.amount_sat > most {
            return Err(Error::msg(format!(
                "`amount_sat` is {}; this faucet gives {most} at once (`most_at_once_sat`)",
                wanted.amount_sat
            )));
        }
        self.catch_up().await?;
        let rate = self.config.fee_sat_per_vb;
        let paying = self.purse().pay(&wanted.address, wanted.amount_sat, rate)?;
        let verdicts = self
            .context
            .node()
            .broadcast(vec![serialize(&paying)])
            .await?;
        let verdict = verdicts.results.first();
        if !verdict.is_some_and(|verdict| verdict.accepted) {
            let reason = verdict.and_then(|verdict| verdict.reason.as_deref());
            let reason = reason.unwrap_or("no reason given");
            return Err(Error::msg(format!(
                "the node refused the payment: {reason}"
            )));
        }
        let sent = Sent {
            txid: paying.compute_txid().to_string(),
            fee_sat: verdict.and_then(|verdict| verdict.fee_sat),
        };
        self.catch_up().await?;
        Ok(sent)
    }

    /// Brings the purse to the tip, and to what waits in the mempool.
    async fn catch_up(&self) -> Result<()> {
        let node = self.context.node();
        let chain = node.network_info().await?.chain;
        if chain != "regtest" {
            return Err(Error::msg(format!(
                "this faucet is for regtest, and the node is on `{chain}`"
            )));
        }
        while let Some((height, before)) = self.next_block().await? {
            let raw = node.block_at(height).await?;
            let block: Block = deserialize(&raw)?;
            // Another branch has come meanwhile: the next look finds the fork.
            if block.header.prev_blockhash == before {
                self.purse().take(&block, height, (height - 1, before))?;
            }
        }
        let page = PageRequest {
            cursor: None,
            limit: Some(MOST_WAITING),
        };
        let mut waiting = Vec::new();
        for txid in node.mempool_list(page).await?.items {
            // It may be gone since the list was made.
            if let Ok(found) = node.mempool_transaction(txid).await {
                waiting.push(deserialize::<Transaction>(&found.raw.0)?);
            }
        }
        let balance = {
            let mut purse = self.purse();
            purse.see_waiting(waiting, now());
            purse.content().spendable_sat
        };
        let address = self.purse().address();
        let status = [
            ("balance", "Can give", format!("{balance} sat")),
            ("address", "Mine to", address),
        ];
        if let Err(error) = self.context.ui().status(&status).await {
            tracing::debug!("the dashboard took no status: {error}");
        }
        Ok(())
    }

    /// The height of the next block, and the one below it that the purse knows.
    async fn next_block(&self) -> Result<Option<(u32, BlockHash)>> {
        let node = self.context.node();
        let tip = node.tip().await?;
        let known = self.purse().known();
        if known.first().map(|(_, hash)| hash.to_byte_array()) == Some(tip.hash.0) {
            return Ok(None);
        }
        for (height, hash) in known {
            let shown = t::BlockHash(hash.to_byte_array());
            let found = node.header(shown).await;
            if found.is_ok_and(|header| header.in_best_chain) {
                return Ok((height < tip.height).then_some((height + 1, hash)));
            }
        }
        Err(Error::msg("the node's chain begins with another block"))
    }

    /// Never held over a wait.
    fn purse(&self) -> MutexGuard<'_, Purse> {
        self.purse.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a wallet notes when it saw something; the server's Clock is not a module's"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
