//! The engine's inside: one writer at a time, readers beside it.
//!
//! Locks, in the order they are taken: `writer` (journal and reports), then `index`, then `chain`, then `pool`
//! (each shared by its readers, exclusive only while it is closed or reopened). Neither is ever taken in a
//! kernel callback. The observer is called under `writer` alone, so it may read.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, atomic::AtomicBool, mpsc::Receiver,
    },
};

use bitcoin::{Amount, BlockHash, Script, hashes::Hash};
use bitcoinkernel::{
    BLOCK_CHECK_ALL, Block, BlockCheckResult, ChainParams, ChainstateManager, Context,
    ProcessBlockResult, prelude::*,
};

use bllvm_mempool::{Pool, Room};

use crate::{
    EngineError, Info, Opening, Settings, Tip, Verdict,
    callbacks::{Report, capture},
    engine::Observer,
    fee::FeeHistory,
    index::Index,
    journal::Journal,
    kernel,
    lock::DirLock,
    mining::{self, Mark},
    recovery::{self, Places, recover},
    replay::Guard,
    rules::Rules,
    verdict::{Evidence, judge},
    works::Works,
};

/// What all handles on one engine share.
pub struct Inner {
    /// How it was opened.
    pub settings: Settings,
    /// What it tells about itself.
    pub info: Info,
    /// The kernel; none once closed.
    pub chain: RwLock<Option<ChainstateManager>>,
    /// Coins and transactions; none once closed.
    pub index: RwLock<Option<Index>>,
    /// Unconfirmed transactions; changed only by the one writer.
    pub pool: RwLock<Pool>,
    /// Fee rates of the last blocks, as far as somebody asked.
    pub fees: Mutex<FeeHistory>,
    /// Taken by whoever changes the chain.
    pub writer: Mutex<Writer>,
    /// Why nothing works any more, once that is so.
    pub failed: OnceLock<String>,
    /// Who hears of that.
    pub on_failure: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Who hears of the chain's steps.
    pub observer: Observer,
    /// Where the kernel keeps its files.
    pub places: Places,
    /// The chain's rules, as the kernel has them.
    pub params: ChainParams,
    /// The chain's numbers.
    pub rules: Rules,
    /// The tip that index and mempool have reached; none before the first and after the last.
    pub settled: Mutex<Option<Tip>>,
    /// What is known of the work of chains.
    pub works: Mutex<Works>,
    /// What the kernel works in; last, so that it is dropped last.
    pub context: Context,
}

/// What only one thread at a time may use.
pub struct Writer {
    /// What makes a block durable.
    pub journal: Journal,
    /// What the kernel's callbacks said.
    pub reports: Receiver<Report>,
    /// The journal's size that calls for a flush.
    pub reopen_above: u64,
    /// Blocks that are kept out of replays.
    pub guard: Guard,
    /// The tip as the observer knows it.
    pub told: BlockHash,
    /// Tells the coinbases of one second apart.
    pub salt: u32,
    /// Given back at close.
    pub lock: Option<DirLock>,
}

/// Blocks that the kernel has just taken, as they came: they need not be read from disk.
pub type Fresh<'a> = HashMap<BlockHash, &'a [u8]>;

/// A block on its way to the kernel.
struct Submitted<'a> {
    raw: &'a [u8],
    block: Block,
    hash: BlockHash,
    /// Whether the journal has it for this submission.
    journaled: bool,
}

/// Marks this thread as inside the observer, also if that panics.
struct Observing;

impl Observing {
    fn start() -> Self {
        OBSERVING.set(true);
        Self
    }
}

impl Drop for Observing {
    fn drop(&mut self) {
        OBSERVING.set(false);
    }
}

thread_local! {
    static OBSERVING: Cell<bool> = const { Cell::new(false) };
}

impl Inner {
    /// Takes the right to change the chain.
    pub fn writer(&self) -> Result<MutexGuard<'_, Writer>, EngineError> {
        if OBSERVING.get() {
            return Err(EngineError::FromObserver);
        }
        Ok(self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Refuses once the kernel failed.
    pub fn alive(&self) -> Result<(), EngineError> {
        self.failed.get().map_or(Ok(()), |detail| {
            let detail = detail.clone();
            Err(EngineError::Fatal { detail })
        })
    }

    /// Runs a read; many may run at once, also beside a submission.
    pub fn with_chain<T>(
        &self,
        read: impl FnOnce(&ChainstateManager) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.alive()?;
        let chain = self.chain.read().unwrap_or_else(PoisonError::into_inner);
        read(chain.as_ref().ok_or(EngineError::Closed)?)
    }

    /// Judges a block, tells the observer, and keeps the journal small.
    pub fn submit(&self, writer: &mut Writer, raw: &[u8]) -> Result<Verdict, EngineError> {
        let mut verdicts = self.submit_batch(writer, &[raw])?;
        verdicts.pop().ok_or(EngineError::Closed)
    }

    /// Judges blocks until one is refused, tells the observer, and keeps the journal small.
    pub fn submit_batch(
        &self,
        writer: &mut Writer,
        blocks: &[&[u8]],
    ) -> Result<Vec<Verdict>, EngineError> {
        let mut fresh = Fresh::new();
        let process = |chain: &_| self.process_all(chain, writer, blocks, &mut fresh);
        let verdicts = self.with_chain(process)?;
        self.tell(writer, &fresh);
        if writer.journal.len() > writer.reopen_above
            && let Err(error) = self.reopen(writer)
        {
            // The blocks are accepted and durable whatever comes of this.
            tracing::error!(%error, "the kernel did not reopen after a flush");
        }
        Ok(verdicts)
    }

    /// Every block is in the journal, and synced, before the kernel sees the first one.
    fn process_all<'a>(
        &self,
        chain: &ChainstateManager,
        writer: &mut Writer,
        blocks: &[&'a [u8]],
        fresh: &mut Fresh<'a>,
    ) -> Result<Vec<Verdict>, EngineError> {
        let submitted = self.looked_at(chain, blocks)?;
        let journaled: Vec<&[u8]> = submitted
            .iter()
            .filter(|one| one.journaled)
            .map(|one| one.raw)
            .collect();
        let mut starts = writer.journal.append_blocks(&journaled)?.into_iter();
        let mut verdicts = Vec::with_capacity(submitted.len());
        for one in &submitted {
            let start = if one.journaled { starts.next() } else { None };
            let (verdict, is_new) = self.process(chain, writer, one)?;
            if !one.journaled && is_new && !matches!(verdict, Verdict::Invalid { .. }) {
                // Not reachable as far as we know; a block that is kept must be durable.
                writer.journal.append_block(one.raw)?;
            }
            let refused = matches!(verdict, Verdict::Invalid { .. });
            verdicts.push(verdict);
            if is_new && !refused {
                fresh.insert(one.hash, one.raw);
            }
            if refused {
                // What follows was not looked at and is not kept either.
                if let Some(start) = start.or_else(|| starts.next())
                    && let Err(error) = writer.journal.take_back(start)
                {
                    // Replayed, it will be refused again.
                    tracing::error!(%error, "a refused block stays in the journal");
                }
                break;
            }
        }
        Ok(verdicts)
    }

    /// Decodes blocks, and tells which ones the journal needs: those that the kernel can store and has
    /// not. What can't be stored needs none, since the kernel will refuse it, with its reason.
    fn looked_at<'a>(
        &self,
        chain: &ChainstateManager,
        blocks: &[&'a [u8]],
    ) -> Result<Vec<Submitted<'a>>, EngineError> {
        let mut looked_at: Vec<Submitted<'a>> = Vec::with_capacity(blocks.len());
        let mut journaled = HashSet::new();
        for raw in blocks {
            let block = match kernel::decode(raw) {
                Ok(block) => block,
                Err(error) if looked_at.is_empty() => return Err(error),
                // It is told to whoever submits it first.
                Err(_) => break,
            };
            let hash = BlockHash::from_byte_array(block.hash().to_bytes());
            let parent = kernel::parent(raw);
            let is_sound = matches!(
                block.check(&self.params, BLOCK_CHECK_ALL),
                BlockCheckResult::Valid
            );
            let has_parent = || {
                let known = kernel::entry(chain, &parent).map(|entry| kernel::hash(entry));
                known.is_some() || journaled.contains(&parent)
            };
            let is_missing = || {
                kernel::entry(chain, &hash)
                    .is_none_or(|entry| chain.read_block_data(&entry).is_err())
            };
            let needs = is_sound && has_parent() && is_missing() && !journaled.contains(&hash);
            if needs {
                journaled.insert(hash);
            }
            looked_at.push(Submitted {
                raw,
                block,
                hash,
                journaled: needs,
            });
        }
        Ok(looked_at)
    }

    /// Gives a block to the kernel. Tells also whether it was new to it.
    fn process(
        &self,
        chain: &ChainstateManager,
        writer: &mut Writer,
        submitted: &Submitted<'_>,
    ) -> Result<(Verdict, bool), EngineError> {
        let hash = submitted.hash;
        let before = kernel::tip(chain);
        writer.reports.try_iter().for_each(drop);
        let (result, log) = capture(|| chain.process_block(&submitted.block));
        writer.guard.survived(hash);
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
        Ok((verdict, result == ProcessBlockResult::NewBlock))
    }

    /// Brings the index, then the observer, to the tip.
    fn tell(&self, writer: &mut Writer, fresh: &Fresh<'_>) {
        if let Err(error) = self.follow(fresh) {
            // Its answers name the tip that they are true for; the next block tries again.
            tracing::error!(%error, "the index did not follow the chain");
        }
        self.settle();
        let steps = self.with_chain(|chain| {
            let tip = kernel::tip(chain);
            if kernel::hash(tip) == writer.told {
                return Ok(Vec::new());
            }
            let told = kernel::entry(chain, &writer.told).ok_or(EngineError::UnknownCursor)?;
            kernel::steps(chain, told, tip, usize::MAX)
        });
        let events = match steps {
            Ok(events) => events,
            // What is missing is told with the next block.
            Err(error) => return tracing::error!(%error, "the chain's events could not be read"),
        };
        for event in events {
            writer.told = event.cursor().1;
            let _inside = Observing::start();
            (self.observer)(event);
        }
    }

    /// The tip that readers are told.
    pub fn settled(&self) -> MutexGuard<'_, Option<Tip>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets readers know of the kernel's tip.
    pub fn settle(&self) {
        match self.with_chain(|chain| self.described(kernel::tip(chain))) {
            Ok(tip) => *self.settled() = Some(tip),
            // A closed or failed chain has no readers.
            Err(EngineError::Closed | EngineError::Fatal { .. }) => {}
            Err(error) => tracing::error!(%error, "the tip could not be read"),
        }
    }

    /// Mines on the tip; `None` if cancelled.
    pub fn mine_one(
        &self,
        to: &Script,
        mark: Option<Mark>,
        cancel: &AtomicBool,
    ) -> Result<Option<BlockHash>, EngineError> {
        // Held from plan to submission, so that nobody moves the tip between them.
        let mut writer = self.writer()?;
        let template = self.template(Room::default())?;
        let (plan, chosen) = (template.plan, template.selection);
        writer.salt = writer.salt.wrapping_add(1);
        let pays = plan.subsidy() + Amount::from_sat(chosen.fee);
        let coinbase = plan.coinbase(pays, to, writer.salt, mark);
        let transactions = chosen.transactions.into_iter();
        let transactions = transactions.map(|(transaction, _)| Arc::unwrap_or_clone(transaction));
        let mut block = plan.assemble(coinbase, transactions.collect());
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
    pub fn reopen(&self, writer: &mut Writer) -> Result<(), EngineError> {
        let mut chain = self.chain.write().unwrap_or_else(PoisonError::into_inner);
        let tip = self.flush(writer, chain.take().ok_or(EngineError::Closed)?)?;
        // The journal is emptied below: what the index needs of it must be on disk before. If it is
        // not, everything is replayed, and the journal stays as it is.
        let flushed = self.with_index(|index| Ok(index.flush()?));
        let closed_with = flushed.is_ok().then_some(tip);
        let scan = writer
            .journal
            .scan()
            .map_err(EngineError::io("read the journal in", &self.settings.dir));
        let recovered = scan
            .and_then(|scan| {
                recover(
                    &self.context,
                    &self.places,
                    &mut writer.journal,
                    &scan,
                    closed_with,
                    &writer.reports,
                    &mut writer.guard,
                )
            })
            .map_err(|error| self.fail(error.to_string()))?;
        if !matches!(recovered.how, Opening::Clean) {
            tracing::warn!(how = ?recovered.how, warnings = ?recovered.warnings, "the kernel came back without its last blocks");
        }
        *chain = Some(recovered.chain);
        drop(chain);
        // A journal that could not be emptied is not tried again with every block.
        let limit = self.settings.journal_limit_bytes;
        writer.reopen_above = if writer.journal.is_empty() {
            limit
        } else {
            writer.journal.len().saturating_add(limit)
        };
        self.tell(writer, &Fresh::new());
        flushed
    }

    /// Drops the kernel, which makes it write everything, and returns its tip.
    fn flush(&self, writer: &Writer, chain: ChainstateManager) -> Result<BlockHash, EngineError> {
        let tip = kernel::hash(kernel::tip(&chain));
        drop(chain);
        match recovery::fatal(&writer.reports) {
            Some(detail) => Err(self.fail(detail)),
            None => Ok(tip),
        }
    }

    /// Flushes the kernel and gives the directory back.
    pub fn close(&self) -> Result<(), EngineError> {
        let mut writer = self.writer()?;
        let open = self
            .index
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some();
        if open && let Err(error) = self.save_pool() {
            tracing::warn!(%error, "the mempool was not kept");
        }
        let taken = self
            .chain
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let index = self
            .index
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(Err(error)) = index.as_ref().map(Index::flush) {
            // What it lacks is applied again at the next open.
            tracing::warn!(%error, "the index was not flushed");
        }
        drop(index);
        *self.settled() = None;
        let shut = taken.map_or(Ok(()), |chain| {
            let tip = self.flush(&writer, chain)?;
            if writer.journal.is_empty() {
                return Ok(());
            }
            writer.journal.append_closed(tip)
        });
        writer.lock = None;
        shut
    }

    /// Nothing works any more from now on.
    pub fn fail(&self, detail: String) -> EngineError {
        let detail = self.failed.get_or_init(|| detail).clone();
        if let Some(told) = self.on_failure.get() {
            told();
        }
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
