//! The engine's handle: opening, and everything that changes the chain. Reading is in `reads`, the
//! work itself in `writer`.

use std::{
    fmt, fs,
    sync::{
        Arc, Mutex, OnceLock, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use bitcoin::{BlockHash, Script};
use bllvm_mempool::Pool;

use crate::{
    Chain, ChainEvent, EngineError, Info, OpenReport, Settings, Verdict, callbacks,
    index::Index,
    journal::Journal,
    kernel,
    lock::DirLock,
    mining::Mark,
    recovery::{Places, recover},
    replay::Guard,
    writer::{Fresh, Inner, Writer},
};

/// Hears of each step of the best chain, in order, once it is durable. It runs on the thread that
/// changed the chain and may read from the engine; a call that changes the chain is refused with
/// [`EngineError::FromObserver`]. Blocks that come back at open are not told: readers ask
/// [`Engine::chain_since`].
pub type Observer = Box<dyn Fn(ChainEvent) + Send + Sync>;

/// The embedded node; cheap to clone, and usable from any thread.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the directory, and brings the chain to where it was acknowledged last.
    ///
    /// # Errors
    /// [`EngineError::UnsupportedChain`], [`EngineError::Busy`], or what the files or the kernel
    /// refuse.
    pub fn open(settings: Settings, observer: Observer) -> Result<(Self, OpenReport), EngineError> {
        let started = Instant::now();
        supported(&settings.chain)?;
        let dir = &settings.dir;
        fs::create_dir_all(dir).map_err(EngineError::io("make", dir))?;
        let lock = DirLock::take(dir)?;
        let chain = &settings.chain;
        let genesis = chain.genesis();
        let (mut journal, scan) = Journal::open(&dir.join("blocks.journal"), chain.identity())?;
        let (context, reports) = callbacks::context(chain)?;
        let places = Places::of(chain, dir);
        let mut guard = Guard::open(dir)?;
        let recovered = recover(
            &context,
            &places,
            &mut journal,
            &scan,
            scan.closed_tip(),
            &reports,
            &mut guard,
        )?;
        for warning in &recovered.warnings {
            tracing::warn!("{warning}");
        }
        let index_path = settings.dir.join("index.redb");
        let (index, remade) = Index::open(&index_path, genesis)?;
        let mut warnings = recovered.warnings;
        if let Some(warning) = remade {
            tracing::warn!("{warning}");
            warnings.push(warning);
        }
        let tip = kernel::tip(&recovered.chain);
        let (height, told) = (kernel::height(tip), kernel::hash(tip));
        let over_limit = journal.len() > settings.journal_limit_bytes;
        let engine = Self {
            inner: Arc::new(Inner {
                info: Info {
                    chain: chain.clone(),
                    genesis,
                    kernel: "bitcoinkernel 0.3.2 (Bitcoin Core 31.99)",
                    max_headers: 2000,
                    max_events: 1000,
                    journal_limit_bytes: settings.journal_limit_bytes,
                    min_chain_work: settings.min_chain_work,
                },
                chain: RwLock::new(Some(recovered.chain)),
                index: RwLock::new(Some(index)),
                pool: RwLock::new(Pool::new(settings.policy.clone())),
                fees: Mutex::default(),
                writer: Mutex::new(Writer {
                    journal,
                    reports,
                    guard,
                    reopen_above: settings.journal_limit_bytes,
                    told,
                    salt: 0,
                    lock: Some(lock),
                }),
                params: chain.kernel_params(),
                rules: chain.rules(),
                settled: Mutex::default(),
                works: Mutex::default(),
                settings,
                failed: OnceLock::new(),
                on_failure: OnceLock::new(),
                observer,
                places,
                context,
            }),
        };
        // A crash loses the mempool, also what a block gave back that left just before.
        engine.inner.follow_index(&Fresh::new())?;
        engine.inner.settle();
        match engine.inner.load_pool() {
            Ok(count) => tracing::debug!(count, "the mempool is back"),
            // Whoever sent them sends them again.
            Err(error) => tracing::warn!(%error, "the mempool could not be taken up"),
        }
        if over_limit {
            engine.inner.reopen(&mut *engine.inner.writer()?)?;
        }
        let report = OpenReport {
            how: recovered.how,
            elapsed: started.elapsed(),
            height,
            warnings,
        };
        Ok((engine, report))
    }

    /// Submits a block. It is durable before the kernel sees it, and its events have been
    /// delivered before this returns.
    ///
    /// # Errors
    /// [`EngineError::UndecodableBlock`]; [`EngineError::JournalWrite`], and the block was not
    /// processed; [`EngineError::Fatal`] if the kernel failed: the block may then appear after a
    /// restart.
    pub fn submit_block(&self, raw: &[u8]) -> Result<Verdict, EngineError> {
        let mut writer = self.inner.writer()?;
        self.inner.submit(&mut writer, raw)
    }

    /// Submits blocks in order, and makes all of them durable by one sync before the kernel sees the
    /// first. The verdicts are those of the first so many, one at least: they end with the first block
    /// that is refused, since what follows may stand on it. The events of all come at the end.
    ///
    /// # Errors
    /// As [`Engine::submit_block`], where that concerns the first block or the journal.
    pub fn submit_blocks(&self, blocks: &[&[u8]]) -> Result<Vec<Verdict>, EngineError> {
        let mut writer = self.inner.writer()?;
        self.inner.submit_batch(&mut writer, blocks)
    }

    /// Mines blocks on the tip, one at a time, until `count` or `cancel`. `progress` hears how many
    /// are done. Times are real, or just after the median of the last blocks if the clock is behind.
    ///
    /// # Errors
    /// As [`Engine::submit_block`]; blocks mined before the error stay.
    pub fn mine(
        &self,
        count: u32,
        to: &Script,
        cancel: &AtomicBool,
        progress: &mut dyn FnMut(u32),
    ) -> Result<Vec<BlockHash>, EngineError> {
        self.mine_marked(count, to, None, cancel, progress)
    }

    /// As [`Engine::mine`], with a mark in the coinbases: after a crash, it tells which blocks of
    /// the request are there.
    ///
    /// # Errors
    /// As [`Engine::mine`].
    pub fn mine_marked(
        &self,
        count: u32,
        to: &Script,
        mark: Option<Mark>,
        cancel: &AtomicBool,
        progress: &mut dyn FnMut(u32),
    ) -> Result<Vec<BlockHash>, EngineError> {
        let mut mined = Vec::new();
        for done in 1..=count {
            if cancel.load(Ordering::Relaxed) {
                break;
            }
            let Some(hash) = self.inner.mine_one(to, mark, cancel)? else {
                break;
            };
            mined.push(hash);
            progress(done);
        }
        Ok(mined)
    }

    /// Flushes the kernel by reopening it and empties the journal. Happens by itself when the
    /// journal grows beyond its limit.
    pub fn checkpoint(&self) -> Result<(), EngineError> {
        let mut writer = self.inner.writer()?;
        self.inner.reopen(&mut writer)
    }

    /// Tells, at the latest with the next failed call, that the kernel failed and only a restart helps.
    /// The first one that asks is told; it must not call the engine.
    pub fn on_failure(&self, told: Box<dyn Fn() + Send + Sync>) {
        let first = self.inner.on_failure.set(told).is_ok();
        if first
            && self.inner.failed.get().is_some()
            && let Some(told) = self.inner.on_failure.get()
        {
            told();
        }
    }

    /// Why the kernel failed, if it did.
    pub fn failure(&self) -> Option<EngineError> {
        let detail = self.inner.failed.get().cloned()?;
        Some(EngineError::Fatal { detail })
    }

    /// How large the journal is, in bytes.
    pub fn journal_bytes(&self) -> Result<u64, EngineError> {
        Ok(self.inner.writer()?.journal.len())
    }

    /// Waits for running calls, flushes the kernel, and gives the directory back. Other handles on
    /// this engine then answer [`EngineError::Closed`]. Dropping the last handle does the same, but
    /// can't report an error.
    pub fn close(self) -> Result<(), EngineError> {
        self.inner.close()
    }
}

fn supported(chain: &Chain) -> Result<(), EngineError> {
    let reason = match chain {
        Chain::Regtest | Chain::Signet { .. } | Chain::Testnet4 => return Ok(()),
        Chain::Mainnet => {
            "it has no pruning, one thread for scripts, and a fixed cache; use a Bitcoin Core node \
             instead"
        }
    };
    let chain = chain.clone();
    Err(EngineError::UnsupportedChain { chain, reason })
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
