//! The engine: one writer at a time, readers beside it.
//!
//! Locks, in the order they are taken: `writer` (journal and reports), then `chain` (shared by every
//! kernel call, exclusive only while the kernel is closed or reopened). Neither is ever taken in a
//! kernel callback. The observer is called under `writer` alone, so it may read.

use std::{
    cell::Cell,
    fmt, fs,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, atomic::AtomicBool, mpsc::Receiver,
    },
    time::Instant,
};

use bitcoin::{BlockHash, Network, Script, constants::genesis_block, hashes::Hash};
use bitcoinkernel::{
    BLOCK_CHECK_ALL, BlockCheckResult, ChainParams, ChainType, ChainstateManager, Context,
    ProcessBlockResult, prelude::*,
};

use crate::{
    Chain, ChainEvent, EngineError, Info, OpenReport, Opening, Settings, Verdict,
    callbacks::{self, Report, capture},
    journal::Journal,
    kernel,
    lock::DirLock,
    mining,
    recovery::{self, Places, recover},
    verdict::{Evidence, judge},
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

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) info: Info,
    pub(crate) chain: RwLock<Option<ChainstateManager>>,
    writer: Mutex<Writer>,
    failed: OnceLock<String>,
    observer: Observer,
    places: Places,
    params: ChainParams,
    // Last, because the kernel works in it.
    context: Context,
}

struct Writer {
    journal: Journal,
    reports: Receiver<Report>,
    salt: u32,
    // Given back at close.
    lock: Option<DirLock>,
}

thread_local! {
    static OBSERVING: Cell<bool> = const { Cell::new(false) };
}

impl Engine {
    /// Opens the directory, and brings the chain to where it was acknowledged last.
    ///
    /// # Errors
    /// [`EngineError::UnsupportedChain`], [`EngineError::Busy`], or what the files or the kernel
    /// refuse.
    pub fn open(settings: Settings, observer: Observer) -> Result<(Self, OpenReport), EngineError> {
        let started = Instant::now();
        supported(settings.chain)?;
        let dir = &settings.dir;
        fs::create_dir_all(dir).map_err(EngineError::io("make", dir))?;
        let lock = DirLock::take(dir)?;
        let genesis = genesis_block(Network::Regtest).block_hash();
        let (mut journal, scan) = Journal::open(&dir.join("blocks.journal"), genesis)?;
        let (context, reports) = callbacks::context(ChainType::Regtest)?;
        let places = Places::regtest(dir);
        let recovered = recover(&context, &places, &mut journal, &scan, &reports)?;
        for warning in &recovered.warnings {
            tracing::warn!("{warning}");
        }
        let height = kernel::height(kernel::tip(&recovered.chain));
        let over_limit = journal.len() > settings.journal_limit_bytes;
        let engine = Self {
            inner: Arc::new(Inner {
                info: Info {
                    chain: settings.chain,
                    genesis,
                    kernel: "bitcoinkernel 0.3.2 (Bitcoin Core 31.99)",
                    max_headers: 2000,
                    max_events: 1000,
                    journal_limit_bytes: settings.journal_limit_bytes,
                },
                settings,
                chain: RwLock::new(Some(recovered.chain)),
                writer: Mutex::new(Writer {
                    journal,
                    reports,
                    salt: 0,
                    lock: Some(lock),
                }),
                failed: OnceLock::new(),
                observer,
                places,
                params: ChainParams::new(ChainType::Regtest),
                context,
            }),
        };
        if over_limit {
            engine.inner.reopen(&mut *engine.inner.writer()?)?;
        }
        let report = OpenReport {
            how: recovered.how,
            elapsed: started.elapsed(),
            height,
            warnings: recovered.warnings,
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
        let mut mined = Vec::new();
        for done in 1..=count {
            if cancel.load(std::sync::atomic::Ordering::Relaxed) {
                break;
            }
            let Some(hash) = self.inner.mine_one(to, cancel)? else {
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

impl Inner {
    fn writer(&self) -> Result<MutexGuard<'_, Writer>, EngineError> {
        if OBSERVING.get() {
            return Err(EngineError::FromObserver);
        }
        Ok(self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs a read; many may run at once, also beside a submission.
    pub(crate) fn with_chain<T>(
        &self,
        read: impl FnOnce(&ChainstateManager) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        if let Some(detail) = self.failed.get() {
            return Err(EngineError::Fatal {
                detail: detail.clone(),
            });
        }
        let chain = self.chain.read().unwrap_or_else(PoisonError::into_inner);
        read(chain.as_ref().ok_or(EngineError::Closed)?)
    }

    fn submit(&self, writer: &mut Writer, raw: &[u8]) -> Result<Verdict, EngineError> {
        let (verdict, events) = self.with_chain(|chain| self.process(chain, writer, raw))?;
        self.announce(events);
        if writer.journal.len() > self.settings.journal_limit_bytes {
            // The block is accepted and durable whatever comes of this.
            if let Err(error) = self.reopen(writer) {
                tracing::error!(%error, "the kernel did not reopen after a flush");
            }
        }
        Ok(verdict)
    }

    fn process(
        &self,
        chain: &ChainstateManager,
        writer: &mut Writer,
        raw: &[u8],
    ) -> Result<(Verdict, Vec<ChainEvent>), EngineError> {
        let block = kernel::decode(raw)?;
        let hash = BlockHash::from_byte_array(block.hash().to_bytes());
        let before = kernel::tip(chain);
        // What can't be stored needs no journal: the kernel will refuse it, with its reason.
        let journaled = matches!(
            block.check(&self.params, BLOCK_CHECK_ALL),
            BlockCheckResult::Valid
        ) && kernel::entry(chain, &kernel::parent(raw)).is_some()
            && kernel::entry(chain, &hash)
                .is_none_or(|entry| chain.read_block_data(&entry).is_err());
        if journaled {
            writer.journal.append_block(raw)?;
        }

        writer.reports.try_iter().for_each(drop);
        let (result, log) = capture(|| chain.process_block(&block));
        let reports: Vec<Report> = writer.reports.try_iter().collect();
        let after = kernel::tip(chain);
        let own = kernel::entry(chain, &hash);
        let evidence = Evidence {
            hash,
            result,
            reports: &reports,
            log: &log,
            in_best_chain: own.is_some_and(|own| kernel::is_under(own, after)),
            tip_changed: kernel::hash(before) != kernel::hash(after),
        };
        let verdict = judge(&evidence, |other| {
            match (kernel::entry(chain, &other), own) {
                (Some(other), Some(own)) => kernel::is_under(other, own),
                _ => false,
            }
        })
        .map_err(|detail| self.fail(detail))?;
        if journaled && matches!(verdict, Verdict::Invalid { .. }) {
            writer.journal.take_back()?;
        } else if !journaled && result == ProcessBlockResult::NewBlock {
            // Not reachable as far as we know; a block that is kept must be durable.
            writer.journal.append_block(raw)?;
        }
        let events = kernel::steps(chain, before, after, usize::MAX)?;
        Ok((verdict, events))
    }

    fn announce(&self, events: Vec<ChainEvent>) {
        struct Told;
        impl Drop for Told {
            fn drop(&mut self) {
                OBSERVING.set(false);
            }
        }
        OBSERVING.set(true);
        let _told = Told;
        for event in events {
            (self.observer)(event);
        }
    }

    fn mine_one(&self, to: &Script, cancel: &AtomicBool) -> Result<Option<BlockHash>, EngineError> {
        // Held from plan to submission, so that nobody moves the tip between them.
        let mut writer = self.writer()?;
        let plan = self.with_chain(|chain| Ok(self.plan(kernel::tip(chain))))?;
        writer.salt = writer.salt.wrapping_add(1);
        let coinbase = plan.coinbase(plan.subsidy(), to, writer.salt);
        let mut block = plan.assemble(coinbase, Vec::new());
        if !mining::grind(&mut block.header, cancel) {
            return Ok(None);
        }
        let raw = bitcoin::consensus::serialize(&block);
        match self.submit(&mut writer, &raw)? {
            Verdict::Accepted { .. } => Ok(Some(block.block_hash())),
            Verdict::Invalid { code, debug } => Err(EngineError::MiningRefused { code, debug }),
            other @ (Verdict::Duplicate | Verdict::SideBranch) => Err(EngineError::MiningRefused {
                code: "inconclusive".to_owned(),
                debug: format!("{other:?}"),
            }),
        }
    }

    /// Closes the kernel, which makes it write everything, and opens it again. The journal is
    /// emptied only if the tip is still there.
    fn reopen(&self, writer: &mut Writer) -> Result<(), EngineError> {
        let mut chain = self.chain.write().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = chain.take() else {
            return Err(EngineError::Closed);
        };
        self.shut(writer, open)?;
        let scan = writer
            .journal
            .scan()
            .map_err(EngineError::io("read", &self.settings.dir))?;
        let recovered = recover(
            &self.context,
            &self.places,
            &mut writer.journal,
            &scan,
            &writer.reports,
        )
        .map_err(|error| self.fail(error.to_string()))?;
        if !matches!(recovered.how, Opening::Clean) {
            tracing::warn!(how = ?recovered.how, "the kernel came back without its last blocks");
        }
        *chain = Some(recovered.chain);
        Ok(())
    }

    /// Drops the kernel and notes its tip, unless it said that it could not write.
    fn shut(&self, writer: &mut Writer, chain: ChainstateManager) -> Result<(), EngineError> {
        let tip = kernel::hash(kernel::tip(&chain));
        drop(chain);
        if let Some(detail) = recovery::fatal(&writer.reports) {
            return Err(self.fail(detail));
        }
        if writer.journal.is_empty() {
            return Ok(());
        }
        writer.journal.append_closed(tip)
    }

    fn close(&self) -> Result<(), EngineError> {
        let mut writer = self.writer()?;
        let taken = self
            .chain
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let shut = taken.map_or(Ok(()), |chain| self.shut(&mut writer, chain));
        writer.lock = None;
        shut
    }

    fn fail(&self, detail: String) -> EngineError {
        let detail = self.failed.get_or_init(|| detail).clone();
        EngineError::Fatal { detail }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // From inside the observer there is nothing to wait for: this is the last handle.
        OBSERVING.set(false);
        if let Err(error) = self.close() {
            tracing::warn!(%error, "the chain was not closed cleanly; its journal is replayed at the next start");
        }
    }
}

fn supported(chain: Chain) -> Result<(), EngineError> {
    let reason = match chain {
        Chain::Regtest => return Ok(()),
        Chain::Signet | Chain::Testnet4 => "it finds no peers yet; use a Bitcoin Core node instead",
        Chain::Mainnet => {
            "it has no peers, no pruning and a fixed cache; use a Bitcoin Core node instead"
        }
    };
    Err(EngineError::UnsupportedChain { chain, reason })
}
