//! Bringing the index to the kernel's tip, after a block and at open.

use std::{path::Path, sync::PoisonError};

use bitcoin::{Block, BlockHash, OutPoint, Transaction, Txid};
use bitcoinkernel::{BlockTreeEntry, ChainstateManager};
use bllvm_mempool::Coin;

use crate::{
    Engine, EngineError,
    index::{Index, IndexError, Step},
    kernel,
    pool::Moves,
    writer::{Fresh, Inner},
};

/// Blocks that enter or leave in one view of the readers; a reorganisation is never split.
const AT_ONCE: u32 = 200;
/// With the block that reaches this many bytes it is enough at once: parsed, they take several times
/// as much memory.
const BYTES_AT_ONCE: usize = 16 << 20;

impl From<IndexError> for EngineError {
    fn from(error: IndexError) -> Self {
        Self::Index {
            detail: error.to_string(),
        }
    }
}

impl Engine {
    /// An unspent output of the best chain, and the tip at which the answer is true.
    pub fn coin(&self, outpoint: &OutPoint) -> Result<(Option<Coin>, BlockHash), EngineError> {
        self.inner.with_index(|index| Ok(index.coin(outpoint)?))
    }

    /// A transaction of the best chain, and its block.
    pub fn transaction(
        &self,
        txid: &Txid,
    ) -> Result<Option<(Transaction, BlockHash)>, EngineError> {
        let Some((hash, position)) = self.inner.with_index(|index| Ok(index.place(txid)?))? else {
            return Ok(None);
        };
        let found = self.inner.with_chain(|chain| {
            let entry = kernel::entry(chain, &hash);
            entry.map(|entry| block(chain, entry)).transpose()
        })?;
        let transaction = found
            .and_then(|block| block.txdata.into_iter().nth(position as usize))
            .filter(|transaction| transaction.compute_txid() == *txid);
        Ok(transaction.map(|transaction| (transaction, hash)))
    }

    /// All unspent outputs in key order, for comparisons; far too many on a public chain.
    pub fn coins(&self) -> Result<Vec<(OutPoint, Coin)>, EngineError> {
        self.inner.with_index(|index| Ok(index.coins()?))
    }
}

impl Inner {
    /// Runs a read of the index.
    pub fn with_index<T>(
        &self,
        read: impl FnOnce(&Index) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        read(index.as_ref().ok_or(EngineError::Closed)?)
    }

    /// Brings the index and the mempool to the kernel's tip. Called by the one writer, so the tip stands still.
    pub fn follow(&self, fresh: &Fresh<'_>) -> Result<(), EngineError> {
        let moves = self.follow_index(fresh)?;
        if moves.reorganised || !moves.connected.is_empty() {
            self.move_pool(moves)?;
        }
        Ok(())
    }

    /// Brings the index to the kernel's tip; the mempool is the caller's to bring along.
    pub fn follow_index(&self, fresh: &Fresh<'_>) -> Result<Moves, EngineError> {
        // Nobody needs the blocks of a long way: an empty mempool has nothing to do with them.
        let wanted = !self
            .pool
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty();
        let caught_up = |index: &Index| {
            self.with_chain(|chain| {
                let mut moves = Moves::default();
                Ok(catch_up(index, chain, fresh, wanted, &mut moves).map(|()| moves))
            })
        };
        match self.with_index(caught_up) {
            Ok(Ok(moves)) => return Ok(moves),
            Ok(Err(Behind::Unfit(why))) => {
                tracing::warn!("{why}; making it anew from the chain's blocks");
                self.renew_index(Index::anew)?;
            }
            Ok(Err(Behind::Failed(EngineError::Index { detail }))) => {
                // Once the disk has failed it, a database answers nothing until it is opened again.
                tracing::warn!("{detail}; opening it again");
                self.renew_index(Self::open_index)?;
            }
            // It could not be opened the last time.
            Err(EngineError::Closed) if !self.is_closed() => self.renew_index(Self::open_index)?,
            Ok(Err(Behind::Failed(error))) | Err(error) => return Err(error),
        }
        match self.with_index(caught_up)? {
            // What the mempool was told of the steps before is not known.
            Ok(moves) => Ok(Moves {
                reorganised: true,
                ..moves
            }),
            Err(Behind::Failed(error)) => Err(error),
            Err(Behind::Unfit(detail)) => Err(EngineError::Index { detail }),
        }
    }

    /// Puts another index in the place of this one, which is closed before: it is the same file.
    fn renew_index(
        &self,
        make: impl FnOnce(&Path, BlockHash) -> Result<Index, IndexError>,
    ) -> Result<(), EngineError> {
        let mut slot = self.index.write().unwrap_or_else(PoisonError::into_inner);
        drop(slot.take());
        *slot = Some(make(&self.index_path(), self.info.genesis)?);
        Ok(())
    }

    fn open_index(path: &Path, genesis: BlockHash) -> Result<Index, IndexError> {
        let (index, remade) = Index::open(path, genesis)?;
        if let Some(warning) = remade {
            tracing::warn!("{warning}");
        }
        Ok(index)
    }

    fn is_closed(&self) -> bool {
        let chain = self.chain.read().unwrap_or_else(PoisonError::into_inner);
        chain.is_none()
    }

    /// Where the index is.
    pub fn index_path(&self) -> std::path::PathBuf {
        self.settings.dir.join("index.redb")
    }
}

enum Behind {
    Unfit(String),
    Failed(EngineError),
}

impl From<EngineError> for Behind {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

impl From<IndexError> for Behind {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Unfit(_) => Self::Unfit(error.to_string()),
            IndexError::Database(_) => Self::Failed(error.into()),
        }
    }
}

fn catch_up(
    index: &Index,
    chain: &ChainstateManager,
    fresh: &Fresh<'_>,
    wanted: bool,
    moves: &mut Moves,
) -> Result<(), Behind> {
    let tip = kernel::tip(chain);
    loop {
        let (hash, height) = index.tip()?;
        if hash == kernel::hash(tip) {
            return Ok(());
        }
        let mut steps = Vec::new();
        let mut left = Vec::new();
        // The index's own records take it off a branch; only the way back must be known.
        let fork = match kernel::entry(chain, &hash) {
            Some(mut entry) => {
                while !kernel::is_under(entry, tip) {
                    steps.push(Step::Disconnect(kernel::hash(entry)));
                    left.push(entry);
                    entry = entry
                        .prev()
                        .ok_or_else(|| IndexError::Unfit("its branch has no root".to_owned()))?;
                }
                kernel::height(entry)
            }
            None => {
                return Err(IndexError::Unfit(format!(
                    "its tip {hash} at height {height} is not known to the chain"
                ))
                .into());
            }
        };
        let last = kernel::height(tip).min(fork.saturating_add(AT_ONCE));
        let mut bytes = 0;
        for next in fork + 1..=last {
            if bytes >= BYTES_AT_ONCE && left.is_empty() {
                break;
            }
            let entry = kernel::at(tip, next)
                .ok_or_else(|| IndexError::Unfit(format!("no block at height {next}")))?;
            let hash = kernel::hash(entry);
            let block = match fresh.get(&hash) {
                Some(raw) => parsed(raw)?,
                None => block(chain, entry)?,
            };
            bytes += block.total_size();
            steps.push(Step::Connect(hash, block));
        }
        index.apply(&steps)?;
        moves.reorganised |= !left.is_empty();
        for entry in left.into_iter().rev() {
            moves.returned.extend(block(chain, entry)?.txdata);
        }
        if wanted {
            let joined = steps.into_iter().filter_map(|step| match step {
                Step::Connect(_, block) => Some(block),
                Step::Disconnect(_) => None,
            });
            moves.connected.extend(joined);
        }
    }
}

/// A block, read and parsed.
pub fn block(chain: &ChainstateManager, entry: BlockTreeEntry<'_>) -> Result<Block, EngineError> {
    parsed(&chain.read_block_data(&entry)?.consensus_encode()?)
}

fn parsed(raw: &[u8]) -> Result<Block, EngineError> {
    bitcoin::consensus::deserialize(raw).map_err(|error| EngineError::Kernel {
        detail: format!("it returned an unreadable block: {error}"),
    })
}
