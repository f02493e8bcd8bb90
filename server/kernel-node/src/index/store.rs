//! The index's tables and how a block enters and leaves them.

use std::{fs, path::Path};

use bitcoin::{Block, BlockHash, OutPoint, Txid};
use bllvm_mempool::Coin;
use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    Table, TableDefinition, WriteTransaction,
};

use super::codec::{self, KEY, PLACE, Undo};

const COINS: TableDefinition<&[u8; KEY], &[u8]> = TableDefinition::new("coins");
const PLACES: TableDefinition<&[u8; 32], &[u8; PLACE]> = TableDefinition::new("transactions");
const UNDO: TableDefinition<u32, &[u8]> = TableDefinition::new("undo");
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const TIP: &str = "tip";
const FORMAT: &str = "format";
const FORMAT_NOW: &[u8] = b"bllvm-index-1";
/// Blocks that can be taken off without help.
const UNDO_DEPTH: u32 = 288;
/// Blocks between two flushes: what a crash costs to apply again.
const FLUSH_EVERY: u32 = 64;
const CACHE_BYTES: usize = 64 << 20;

/// Why the index could not be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It does not fit the chain, or itself; making it anew mends that.
    #[error("the index does not fit the chain: {0}")]
    Unfit(String),
    /// The database failed, a full disk for instance.
    #[error("the index failed: {0}")]
    Database(#[from] redb::Error),
}

macro_rules! from_redb {
    ($($error:ident),+) => { $(
        impl From<redb::$error> for IndexError {
            fn from(error: redb::$error) -> Self {
                Self::Database(error.into())
            }
        }
    )+ };
}
from_redb!(
    DatabaseError,
    TransactionError,
    TableError,
    StorageError,
    CommitError,
    SetDurabilityError
);

impl IndexError {
    /// Whether the disk is to blame: it is full, or does not let us. The file is as good as before.
    fn is_the_disks(&self) -> bool {
        use std::io::ErrorKind as Kind;
        let Self::Database(redb::Error::Io(error)) = self else {
            return false;
        };
        matches!(
            error.kind(),
            Kind::StorageFull
                | Kind::QuotaExceeded
                | Kind::FileTooLarge
                | Kind::PermissionDenied
                | Kind::ReadOnlyFilesystem
        )
    }
}

/// What to do to the index.
pub enum Step {
    /// Put this block on the tip.
    Connect(BlockHash, Block),
    /// Take the tip off; it must be this one.
    Disconnect(BlockHash),
}

/// The open index.
#[derive(Debug)]
pub struct Index {
    database: Database,
}

impl Index {
    /// Opens the file, or makes it with the chain's first block as its tip. A file that is damaged,
    /// or is of another format, is made anew: everything in it comes from the chain.
    pub fn open(path: &Path, genesis: BlockHash) -> Result<(Self, Option<String>), IndexError> {
        match Self::attempt(path, genesis) {
            Ok(index) => Ok((index, None)),
            Err(error) if error.is_the_disks() => Err(error),
            Err(error) => {
                let warning = format!("the index is made anew: {error}");
                Ok((Self::anew(path, genesis)?, Some(warning)))
            }
        }
    }

    /// Removes the file and makes an empty one.
    pub fn anew(path: &Path, genesis: BlockHash) -> Result<Self, IndexError> {
        match fs::remove_file(path) {
            Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => {
                return Err(IndexError::Database(redb::Error::Io(fault)));
            }
            _ => {}
        }
        Self::attempt(path, genesis)
    }

    fn attempt(path: &Path, genesis: BlockHash) -> Result<Self, IndexError> {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(path)?;
        let index = Self { database };
        let writing = index.database.begin_write()?;
        {
            let mut meta = writing.open_table(META)?;
            let format = meta.get(FORMAT)?.map(|format| format.value().to_vec());
            match format {
                Some(format) if format == FORMAT_NOW => {}
                Some(_) => return Err(IndexError::Unfit("it has another format".to_owned())),
                None => {
                    meta.insert(FORMAT, FORMAT_NOW)?;
                    meta.insert(TIP, codec::place(genesis, 0).as_slice())?;
                }
            }
            writing.open_table(COINS)?;
            writing.open_table(PLACES)?;
            writing.open_table(UNDO)?;
        }
        writing.commit()?;
        index.tip()?;
        Ok(index)
    }

    /// One whose file is the test's.
    #[cfg(test)]
    pub fn on(backend: impl redb::StorageBackend) -> Self {
        let database = Database::builder().create_with_backend(backend);
        Self {
            database: database.unwrap(),
        }
    }

    /// The block that everything in it stands for.
    pub fn tip(&self) -> Result<(BlockHash, u32), IndexError> {
        let reading = self.database.begin_read()?;
        let meta = reading.open_table(META)?;
        let tip = meta.get(TIP)?;
        tip.and_then(|tip| codec::read_place(tip.value()))
            .ok_or_else(|| IndexError::Unfit("it names no tip".to_owned()))
    }

    /// A coin, and the tip at which the answer is true.
    pub fn coin(&self, outpoint: &OutPoint) -> Result<(Option<Coin>, BlockHash), IndexError> {
        let (coins, tip) = self.snapshot()?;
        Ok((coins.get(outpoint)?, tip))
    }

    /// All coins as they are now, and the tip that they are of.
    pub fn snapshot(&self) -> Result<(Coins, BlockHash), IndexError> {
        let reading = self.database.begin_read()?;
        let meta = reading.open_table(META)?;
        let tip = meta.get(TIP)?;
        let tip = tip.and_then(|tip| codec::read_place(tip.value()));
        let (hash, _) = tip.ok_or_else(|| IndexError::Unfit("it names no tip".to_owned()))?;
        Ok((Coins(reading.open_table(COINS)?), hash))
    }

    /// Where the best chain holds a transaction: its block, and its position there.
    pub fn place(&self, txid: &Txid) -> Result<Option<(BlockHash, u32)>, IndexError> {
        let reading = self.database.begin_read()?;
        let places = reading.open_table(PLACES)?;
        let found = places.get(bitcoin::hashes::Hash::as_byte_array(txid))?;
        Ok(found.and_then(|place| codec::read_place(place.value())))
    }

    /// All coins, in key order, and their number; for comparisons.
    pub fn coins(&self) -> Result<Vec<(OutPoint, Coin)>, IndexError> {
        let reading = self.database.begin_read()?;
        let coins = reading.open_table(COINS)?;
        let mut all = Vec::with_capacity(usize::try_from(coins.len()?).unwrap_or(0));
        for row in coins.iter()? {
            let (key, coin) = row?;
            let (txid, vout) = key.value().split_at(32);
            let outpoint = OutPoint {
                txid: bitcoin::hashes::Hash::from_slice(txid)
                    .map_err(|_| IndexError::Unfit("a key is not an output".to_owned()))?,
                vout: vout
                    .try_into()
                    .map(u32::from_be_bytes)
                    .map_err(|_| IndexError::Unfit("a key is not an output".to_owned()))?,
            };
            all.push((outpoint, read_coin(coin.value())?));
        }
        Ok(all)
    }

    /// Makes steps, all of them or none, in one view of the readers.
    pub fn apply(&self, steps: &[Step]) -> Result<(), IndexError> {
        let mut writing = self.database.begin_write()?;
        let from = self.tip()?;
        let mut tip = from;
        {
            let mut tables = Tables::open(&writing)?;
            for step in steps {
                tip = match step {
                    Step::Connect(hash, block) => tables.connect(tip, *hash, block)?,
                    Step::Disconnect(hash) => tables.disconnect(tip, *hash)?,
                };
            }
            let mut meta = writing.open_table(META)?;
            meta.insert(TIP, codec::place(tip.0, tip.1).as_slice())?;
        }
        // The journal has what is lost; a flush now and then bounds how much that is.
        if from.1 / FLUSH_EVERY == tip.1 / FLUSH_EVERY {
            writing.set_durability(Durability::None)?;
        }
        writing.commit()?;
        Ok(())
    }

    /// Makes everything durable.
    pub fn flush(&self) -> Result<(), IndexError> {
        Ok(self.database.begin_write()?.commit()?)
    }
}

/// The coins at one tip, whatever the index does meanwhile.
pub struct Coins(ReadOnlyTable<&'static [u8; KEY], &'static [u8]>);

impl Coins {
    /// A coin.
    pub fn get(&self, outpoint: &OutPoint) -> Result<Option<Coin>, IndexError> {
        let found = self.0.get(&codec::key(outpoint))?;
        found.map(|bytes| read_coin(bytes.value())).transpose()
    }
}

fn read_coin(bytes: &[u8]) -> Result<Coin, IndexError> {
    codec::read_coin(bytes).ok_or_else(|| IndexError::Unfit("a coin is not readable".to_owned()))
}

struct Tables<'a> {
    coins: Table<'a, &'static [u8; KEY], &'static [u8]>,
    places: Table<'a, &'static [u8; 32], &'static [u8; PLACE]>,
    undo: Table<'a, u32, &'static [u8]>,
}

impl<'a> Tables<'a> {
    fn open(writing: &'a WriteTransaction) -> Result<Self, IndexError> {
        Ok(Self {
            coins: writing.open_table(COINS)?,
            places: writing.open_table(PLACES)?,
            undo: writing.open_table(UNDO)?,
        })
    }

    fn connect(
        &mut self,
        tip: (BlockHash, u32),
        hash: BlockHash,
        block: &Block,
    ) -> Result<(BlockHash, u32), IndexError> {
        let height = tip.1 + 1;
        let mut undo = Undo {
            hash,
            prev: tip.0,
            spent: Vec::new(),
            made: Vec::with_capacity(block.txdata.len()),
        };
        if block.header.prev_blockhash != tip.0 {
            return Err(IndexError::Unfit(format!(
                "block {hash} does not follow {}",
                tip.0
            )));
        }
        for (position, transaction) in (0..).zip(&block.txdata) {
            let txid = transaction.compute_txid();
            let coinbase = transaction.is_coinbase();
            for input in transaction.input.iter().filter(|_| !coinbase) {
                let outpoint = input.previous_output;
                let spent = self.coins.remove(&codec::key(&outpoint))?;
                let spent = spent.ok_or_else(|| {
                    IndexError::Unfit(format!("block {hash} spends {outpoint}, which it lacks"))
                })?;
                undo.spent.push((outpoint, read_coin(spent.value())?));
            }
            for (vout, output) in (0..).zip(&transaction.output) {
                if Coin::unspendable(&output.script_pubkey) {
                    continue;
                }
                let coin = Coin {
                    output: output.clone(),
                    height,
                    coinbase,
                };
                let key = codec::key(&OutPoint { txid, vout });
                self.coins.insert(&key, codec::coin(&coin).as_slice())?;
            }
            let place = codec::place(hash, position);
            self.places
                .insert(bitcoin::hashes::Hash::as_byte_array(&txid), &place)?;
            let outputs = u32::try_from(transaction.output.len()).unwrap_or(u32::MAX);
            undo.made.push((txid, outputs));
        }
        self.undo.insert(height, undo.write().as_slice())?;
        if let Some(old) = height.checked_sub(UNDO_DEPTH) {
            self.undo.remove(old)?;
        }
        Ok((hash, height))
    }

    fn disconnect(
        &mut self,
        tip: (BlockHash, u32),
        hash: BlockHash,
    ) -> Result<(BlockHash, u32), IndexError> {
        let unfit = |why: &str| IndexError::Unfit(format!("block {hash} cannot leave: {why}"));
        let record = self.undo.remove(tip.1)?;
        let record = record
            .and_then(|record| Undo::read(record.value()))
            .ok_or_else(|| unfit("there is no record of what it changed"))?;
        if record.hash != hash || tip.0 != hash {
            return Err(unfit("it is not the tip"));
        }
        // Backwards: what a later transaction of the block spent of an earlier one returns first.
        let mut spent = record.spent;
        for (txid, outputs) in record.made.iter().rev() {
            for vout in 0..*outputs {
                let outpoint = OutPoint { txid: *txid, vout };
                self.coins.remove(&codec::key(&outpoint))?;
            }
            self.places
                .remove(bitcoin::hashes::Hash::as_byte_array(txid))?;
        }
        let own: std::collections::HashSet<Txid> =
            record.made.iter().map(|(txid, _)| *txid).collect();
        spent.retain(|(outpoint, _)| !own.contains(&outpoint.txid));
        for (outpoint, coin) in spent {
            self.coins
                .insert(&codec::key(&outpoint), codec::coin(&coin).as_slice())?;
        }
        Ok((record.prev, tip.1 - 1))
    }
}
