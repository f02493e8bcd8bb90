//! The mempool beside the chain: how it asks the kernel and the index, and how it follows blocks.

use std::sync::PoisonError;

use bitcoin::{Block, OutPoint, Transaction, TxOut};
use bitcoinkernel::{BlockTreeEntry, ChainstateManager};
use bllvm_mempool::{Chain, Coin, Fault, Pool, Room, ScriptFailure, Selection, Verdicts};

use crate::{
    BlockPlan, Engine, EngineError,
    index::{Coins, Index},
    kernel, mempool_file,
    writer::{Fresh, Inner},
};

/// What the next block may be made of.
#[derive(Debug, Clone)]
pub struct BlockTemplate {
    /// Parent, height, time and target.
    pub plan: BlockPlan,
    /// The transactions from the mempool.
    pub selection: Selection,
    /// Changes whenever the tip or the mempool does.
    pub id: String,
}

/// What a step of the index means for the mempool.
#[derive(Debug, Default)]
pub struct Moves {
    /// Transactions of blocks that left, in the order in which they had joined.
    pub returned: Vec<Transaction>,
    /// Blocks that joined.
    pub connected: Vec<Block>,
    /// Whether any block left, or that is not known.
    pub reorganised: bool,
}

impl Engine {
    /// Takes transactions into the mempool, in their order; see [`Pool::submit`].
    ///
    /// # Errors
    /// If chain or index could not be asked; nothing has changed then.
    pub fn submit_transactions(
        &self,
        transactions: &[Transaction],
    ) -> Result<Verdicts, EngineError> {
        let _writer = self.inner.writer()?;
        let now = self.inner.now();
        self.inner
            .with_view(|view, pool| pool.submit(view, transactions, now))
    }

    /// What [`Engine::submit_transactions`] would say now; nothing changes.
    pub fn test_transactions(&self, transactions: &[Transaction]) -> Result<Verdicts, EngineError> {
        let _writer = self.inner.writer()?;
        let now = self.inner.now();
        self.inner
            .with_view(|view, pool| pool.test(view, transactions, now))
    }

    /// Reads the mempool; the time is the engine's clock.
    pub fn mempool<T>(&self, read: impl FnOnce(&Pool, u64) -> T) -> T {
        let pool = self
            .inner
            .pool
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        read(&pool, self.inner.now())
    }

    /// As [`Engine::mempool`], but none where somebody changes it just now.
    pub fn mempool_now<T>(&self, read: impl FnOnce(&Pool, u64) -> T) -> Option<T> {
        let pool = self.inner.pool.try_read().ok()?;
        Some(read(&pool, self.inner.now()))
    }

    /// Chooses the next block's transactions.
    pub fn template(&self, room: Room) -> Result<BlockTemplate, EngineError> {
        let _writer = self.inner.writer()?;
        self.inner.template(room)
    }

    /// Changes whenever the tip or the mempool does.
    pub fn template_id(&self) -> Result<String, EngineError> {
        let tip = self.tip()?.hash;
        Ok(template_id(tip, self.mempool(|pool, _| pool.sequence())))
    }
}

fn template_id(tip: bitcoin::BlockHash, sequence: u64) -> String {
    format!("{tip}{sequence}")
}

impl Inner {
    /// Seconds since 1970.
    pub fn now(&self) -> u64 {
        (self.settings.clock)()
    }

    /// Chooses the next block's transactions; the writer's right is the caller's.
    pub fn template(&self, room: Room) -> Result<BlockTemplate, EngineError> {
        self.follow(&Fresh::new())?;
        let plan = self.with_chain(|chain| Ok(self.plan(kernel::tip(chain))))?;
        let pool = self.pool.read().unwrap_or_else(PoisonError::into_inner);
        Ok(BlockTemplate {
            id: template_id(plan.prev, pool.sequence()),
            selection: pool.select(room),
            plan,
        })
    }

    /// Runs a change of the mempool at the kernel's tip, which the index has reached.
    pub fn with_view<T>(
        &self,
        change: impl FnOnce(&View<'_>, &mut Pool) -> Result<T, Fault>,
    ) -> Result<T, EngineError> {
        self.follow(&Fresh::new())?;
        self.with_view_here(change)
    }

    fn with_view_here<T>(
        &self,
        change: impl FnOnce(&View<'_>, &mut Pool) -> Result<T, Fault>,
    ) -> Result<T, EngineError> {
        self.with_index(|index| {
            self.with_chain(|chain| {
                let view = View::new(index, chain)?;
                let mut pool = self.pool.write().unwrap_or_else(PoisonError::into_inner);
                change(&view, &mut pool).map_err(|Fault(detail)| EngineError::Index { detail })
            })
        })
    }

    /// Brings the mempool behind the index.
    pub fn move_pool(&self, moves: Moves) -> Result<(), EngineError> {
        let now = self.now();
        if moves.reorganised {
            return self.with_view_here(|view, pool| pool.reorganised(view, moves.returned, now));
        }
        let mut pool = self.pool.write().unwrap_or_else(PoisonError::into_inner);
        for block in &moves.connected {
            pool.block_connected(block, now);
        }
        Ok(())
    }

    /// Takes up what the last clean close left.
    pub fn load_pool(&self) -> Result<usize, EngineError> {
        let path = self.settings.dir.join(mempool_file::NAME);
        let kept = mempool_file::take(&path)?;
        let now = self.now();
        self.with_view(|view, pool| pool.restore(view, kept, now))
    }

    /// Leaves the mempool for the next open.
    pub fn save_pool(&self) -> Result<(), EngineError> {
        let path = self.settings.dir.join(mempool_file::NAME);
        let pool = self.pool.read().unwrap_or_else(PoisonError::into_inner);
        mempool_file::write(&path, &pool)
    }
}

/// The chain at the kernel's tip.
pub struct View<'a> {
    coins: Coins,
    tip: BlockTreeEntry<'a>,
    height: u32,
    median_time: u32,
}

impl<'a> View<'a> {
    fn new(index: &Index, chain: &'a ChainstateManager) -> Result<Self, EngineError> {
        let tip = kernel::tip(chain);
        let (coins, indexed) = index.snapshot()?;
        if indexed != kernel::hash(tip) {
            return Err(EngineError::Index {
                detail: "the index is not at the tip".to_owned(),
            });
        }
        Ok(Self {
            coins,
            tip,
            height: kernel::height(tip),
            median_time: kernel::median_time_past(tip),
        })
    }
}

impl Chain for View<'_> {
    fn height(&self) -> u32 {
        self.height
    }

    fn median_time(&self) -> u32 {
        self.median_time
    }

    fn median_time_at(&self, height: u32) -> u32 {
        kernel::at(self.tip, height).map_or(0, kernel::median_time_past)
    }

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Fault> {
        self.coins
            .get(outpoint)
            .map_err(|error| Fault(error.to_string()))
    }

    fn verify(
        &self,
        transaction: &Transaction,
        spent: &[TxOut],
    ) -> Result<Result<(), ScriptFailure>, Fault> {
        let raw = bitcoin::consensus::serialize(transaction);
        match kernel::verify_scripts(&raw, spent) {
            Ok(None) => Ok(Ok(())),
            Ok(Some(input)) => Ok(Err(ScriptFailure { input })),
            Err(error) => Err(Fault(error.to_string())),
        }
    }
}
