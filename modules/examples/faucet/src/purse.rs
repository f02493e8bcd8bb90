//! The wallet: a seed in a file, and everything else learnt from the chain.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use bdk_wallet::bitcoin::address::{self, NetworkUnchecked};
use bdk_wallet::bitcoin::bip32::Xpriv;
use bdk_wallet::bitcoin::{Address, Amount, Block, BlockHash, FeeRate, Network, Transaction, Txid};
use bdk_wallet::chain::BlockId;
use bdk_wallet::template::Bip86;
use bdk_wallet::{KeychainKind, SignOptions, Wallet};
use bllvm_sdk::{Error, Result};

const SEED: &str = "seed";
/// Addresses that are watched beyond the last one that was paid.
const LOOKAHEAD: u32 = 200;

/// Coins, and the key that spends them.
pub struct Purse(Wallet);

/// What is in it, in satoshi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Can be spent now.
    pub spendable_sat: u64,
    /// Mined here, and not yet 100 blocks old.
    pub immature_sat: u64,
    /// Waits for a block.
    pub unconfirmed_sat: u64,
}

impl Purse {
    /// The purse of this directory; a new one has a new seed.
    pub fn open(dir: &Path) -> Result<Self> {
        let master = Xpriv::new_master(Network::Regtest, &seed(&dir.join(SEED))?)?;
        let (given, change) = (KeychainKind::External, KeychainKind::Internal);
        let wallet = Wallet::create(Bip86(master, given), Bip86(master, change))
            .network(Network::Regtest)
            .lookahead(LOOKAHEAD)
            .create_wallet_no_persist()?;
        Ok(Self(wallet))
    }

    /// The blocks that it knows, newest first, down to the chain's first one.
    pub fn known(&self) -> Vec<(u32, BlockHash)> {
        let blocks = self.0.latest_checkpoint();
        blocks.iter().map(|at| (at.height(), at.hash())).collect()
    }

    /// Takes in the block after `before`; what it knew above that is undone.
    pub fn take(&mut self, block: &Block, height: u32, before: (u32, BlockHash)) -> Result<()> {
        let (below, hash) = before;
        let below = BlockId {
            height: below,
            hash,
        };
        Ok(self.0.apply_block_connected_to(block, height, below)?)
    }

    /// Its unconfirmed transactions are those among these, and no others.
    pub fn see_waiting(&mut self, waiting: Vec<Transaction>, now: u64) {
        let ids: Vec<Txid> = waiting.iter().map(Transaction::compute_txid).collect();
        let gone: Vec<(Txid, u64)> = self
            .0
            .transactions()
            .filter(|one| !one.chain_position.is_confirmed())
            .filter(|one| !ids.contains(&one.tx_node.txid))
            .map(|one| (one.tx_node.txid, now))
            .collect();
        self.0.apply_evicted_txs(gone);
        self.0
            .apply_unconfirmed_txs(waiting.into_iter().map(|one| (one, now)));
    }

    /// An address that nobody has paid yet.
    pub fn address(&mut self) -> String {
        let fresh = self.0.next_unused_address(KeychainKind::External);
        fresh.address.to_string()
    }

    /// What is in it.
    pub fn content(&self) -> Content {
        let found = self.0.balance();
        Content {
            spendable_sat: (found.confirmed + found.trusted_pending).to_sat(),
            immature_sat: found.immature.to_sat(),
            unconfirmed_sat: (found.trusted_pending + found.untrusted_pending).to_sat(),
        }
    }

    /// A signed transaction that pays somebody.
    pub fn pay(&mut self, to: &str, amount_sat: u64, fee_sat_per_vb: u64) -> Result<Transaction> {
        let unfit = |why: &dyn std::fmt::Display| Error::msg(format!("`address`: {why}"));
        let to: Result<Address<NetworkUnchecked>, address::ParseError> = to.trim().parse();
        let to = to.map_err(|why| unfit(&why))?;
        let to = to
            .require_network(Network::Regtest)
            .map_err(|_| unfit(&"it is of another chain than regtest"))?;
        let rate = FeeRate::from_sat_per_vb(fee_sat_per_vb)
            .ok_or_else(|| Error::msg("`fee_sat_per_vb` is too large"))?;
        let mut building = self.0.build_tx();
        building
            .add_recipient(to.script_pubkey(), Amount::from_sat(amount_sat))
            .fee_rate(rate);
        let mut psbt = building.finish()?;
        if !self.0.sign(&mut psbt, SignOptions::default())? {
            return Err(Error::msg("the purse could not sign for its own coins"));
        }
        Ok(psbt.extract_tx()?)
    }
}

/// The seed in this file, made and synced if there is none.
fn seed(path: &Path) -> Result<[u8; 32]> {
    match fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|bytes: Vec<u8>| {
            Error::msg(format!(
                "{} must hold 32 bytes and holds {}; remove it to begin with a new seed",
                path.display(),
                bytes.len()
            ))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(Error::msg)?;
            // Whole or not there at all.
            let draft = path.with_extension("new");
            let _ = fs::remove_file(&draft);
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&draft)?;
            file.write_all(&seed)?;
            file.sync_all()?;
            fs::rename(&draft, path)?;
            Ok(seed)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_purse_is_the_same_after_a_restart_and_knows_its_limits() {
        let dir = tempfile::tempdir().unwrap();
        let mut purse = Purse::open(dir.path()).unwrap();
        let address = purse.address();
        assert!(address.starts_with("bcrt1p"), "{address}");
        assert_eq!(Purse::open(dir.path()).unwrap().address(), address);
        let mainnet = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        let why = purse.pay(mainnet, 1000, 1).unwrap_err().chain();
        assert!(why.contains("another chain than regtest"), "{why}");
        let why = purse.pay(&address, 1000, 1).unwrap_err().chain();
        assert!(why.contains("nsufficient funds"), "{why}");
        fs::write(dir.path().join(SEED), b"short").unwrap();
        let why = Purse::open(dir.path()).err().unwrap().chain();
        assert!(why.contains("must hold 32 bytes and holds 5"), "{why}");
    }
}
