//! Everything that is asked of the chain without changing it.

use std::sync::PoisonError;

use bitcoin::{BlockHash, TxOut, Work};
use bitcoinkernel::{BlockTreeEntry, prelude::*};

use crate::{
    BlockId, BlockPlan, ChainDelta, ChainEvent, Engine, EngineError, HeaderInfo, Info, SpentOutput,
    Standing, Tip, kernel, writer::Inner,
};

impl Engine {
    /// What this engine is and what it allows.
    pub fn info(&self) -> Info {
        self.inner.info.clone()
    }

    /// The end of the best chain, once index and mempool have reached it: whoever asks for coins or
    /// unconfirmed transactions after this finds them as they are there, or later.
    ///
    /// It is kept ready, so that nobody waits for a block that is being connected.
    pub fn tip(&self) -> Result<Tip, EngineError> {
        self.inner.alive()?;
        self.inner.settled().clone().ok_or(EngineError::Closed)
    }

    /// The height of the best header that is known, with or without its block.
    pub fn best_header_height(&self) -> Result<u32, EngineError> {
        self.inner.with_chain(|chain| {
            let tip = kernel::height(kernel::tip(chain));
            Ok(chain.best_entry().map_or(tip, kernel::height).max(tip))
        })
    }

    /// What the blocks take on disk, in bytes.
    pub fn block_bytes(&self) -> Result<u64, EngineError> {
        let places = &self.inner.places;
        let measured = places.block_bytes();
        measured.map_err(EngineError::io("measure", &self.inner.settings.dir))
    }

    /// A header by hash (any known block) or height (the best chain).
    pub fn header(&self, id: BlockId) -> Result<Option<HeaderInfo>, EngineError> {
        self.inner.with_chain(|chain| {
            let tip = kernel::tip(chain);
            let entry = match id {
                BlockId::Hash(hash) => kernel::entry(chain, &hash),
                BlockId::Height(height) => kernel::at(tip, height),
            };
            entry
                .map(|entry| kernel::header_info(entry, tip))
                .transpose()
        })
    }

    /// The best chain's headers after the first block of `locator` that it holds (newest first,
    /// as in the peer protocol), or after block 0 if it holds none.
    pub fn headers(&self, locator: &[BlockHash], max: u32) -> Result<Vec<HeaderInfo>, EngineError> {
        let max = max.min(self.inner.info.max_headers);
        self.inner.with_chain(|chain| {
            let tip = kernel::tip(chain);
            let fork = locator
                .iter()
                .filter_map(|hash| kernel::entry(chain, hash))
                .find(|entry| kernel::is_under(*entry, tip))
                .map_or(0, |entry| kernel::height(entry));
            let last = kernel::height(tip).min(fork.saturating_add(max));
            (fork + 1..=last)
                .filter_map(|height| kernel::at(tip, height))
                .map(|entry| kernel::header_info(entry, tip))
                .collect()
        })
    }

    /// A block as it travels, on whatever branch.
    pub fn block(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, EngineError> {
        self.inner.with_chain(|chain| {
            // A header may be known without its block, for instance when the block was refused.
            let block =
                kernel::entry(chain, hash).and_then(|entry| chain.read_block_data(&entry).ok());
            Ok(block.map(|block| block.consensus_encode()).transpose()?)
        })
    }

    /// The hash at a height of the best chain.
    pub fn block_hash_at(&self, height: u32) -> Result<Option<BlockHash>, EngineError> {
        self.inner.with_chain(|chain| {
            Ok(kernel::at(kernel::tip(chain), height).map(|entry| kernel::hash(entry)))
        })
    }

    /// What a block's transactions spent: one list per transaction, the coinbase's empty one first.
    ///
    /// # Errors
    /// [`EngineError::NeverConnected`] for a block of a branch that was never the best.
    pub fn spent_outputs(
        &self,
        hash: &BlockHash,
    ) -> Result<Option<Vec<Vec<SpentOutput>>>, EngineError> {
        self.inner.with_chain(|chain| {
            kernel::entry(chain, hash)
                .map(|entry| kernel::spent_outputs(chain, entry))
                .transpose()
        })
    }

    /// Whether one input of a transaction satisfies the output it spends, by consensus rules up to
    /// taproot. `spent` names the outputs of all inputs, in their order.
    ///
    /// # Errors
    /// [`EngineError::ScriptCheck`] if transaction, input and outputs don't fit together.
    pub fn verify_script(
        &self,
        transaction: &[u8],
        input: u32,
        spent: &[TxOut],
    ) -> Result<bool, EngineError> {
        kernel::verify_script(transaction, input, spent)
    }

    /// The steps from a reader's cursor to the tip. `known` holds the block it applied last and a
    /// few before that, newest first; the older ones serve if the newest is not known here.
    ///
    /// # Errors
    /// [`EngineError::UnknownCursor`] if no block of `known` is known here, or it is empty.
    pub fn chain_since(
        &self,
        known: &[(u32, BlockHash)],
        max: u32,
    ) -> Result<ChainDelta, EngineError> {
        let max = max.clamp(1, self.inner.info.max_events) as usize;
        self.inner.with_chain(|chain| {
            let tip = kernel::tip(chain);
            let mut events = Vec::new();
            let mut from: Option<BlockTreeEntry<'_>> = None;
            for (index, (height, hash)) in known.iter().enumerate() {
                if let Some(entry) =
                    kernel::entry(chain, hash).filter(|entry| kernel::height(*entry) == *height)
                {
                    from = Some(entry);
                    break;
                }
                // Undo what only the reader knows; that needs the one before it.
                match known.get(index + 1) {
                    Some((below, prev)) if below.checked_add(1) == Some(*height) => {
                        events.push(ChainEvent::Disconnected {
                            height: *height,
                            hash: *hash,
                            prev: *prev,
                        });
                    }
                    _ => return Err(EngineError::UnknownCursor),
                }
            }
            let from = from.ok_or(EngineError::UnknownCursor)?;
            if events.len() > max {
                events.truncate(max);
                return Ok(ChainDelta { events, more: true });
            }
            events.extend(kernel::steps(chain, from, tip, max - events.len())?);
            let reached = events
                .last()
                .map_or_else(|| kernel::hash(from), |event| event.cursor().1);
            Ok(ChainDelta {
                more: reached != kernel::hash(tip),
                events,
            })
        })
    }

    /// What a block on this parent must hold; `None` if the parent is not known.
    pub fn plan_on(&self, parent: &BlockHash) -> Result<Option<BlockPlan>, EngineError> {
        self.inner.with_chain(|chain| {
            Ok(kernel::entry(chain, parent).map(|entry| self.inner.plan(entry)))
        })
    }

    /// Where the chain that ends in a block stands, for the headers after it; `None` if the block
    /// is not known.
    pub fn standing(&self, hash: &BlockHash) -> Result<Option<Standing>, EngineError> {
        self.inner.with_chain(|chain| {
            Ok(kernel::entry(chain, hash).map(|entry| Standing {
                hash: *hash,
                work: self.inner.work(entry),
                difficulty: kernel::difficulty(entry, self.inner.rules),
            }))
        })
    }
}

impl Inner {
    pub(crate) fn plan(&self, parent: BlockTreeEntry<'_>) -> BlockPlan {
        let now = u32::try_from((self.settings.clock)()).unwrap_or(u32::MAX);
        let difficulty = kernel::difficulty(parent, self.rules);
        let min_time = kernel::median_time_past(parent)
            .saturating_add(1)
            .max(difficulty.unwarped().unwrap_or(0));
        let time = now.max(min_time);
        BlockPlan {
            prev: kernel::hash(parent),
            height: kernel::height(parent) + 1,
            time,
            min_time,
            bits: difficulty.next_bits(time),
            halving: self.rules.halving,
        }
    }

    /// A block as a tip.
    pub(crate) fn described(&self, tip: BlockTreeEntry<'_>) -> Result<Tip, EngineError> {
        Ok(Tip {
            hash: kernel::hash(tip),
            height: kernel::height(tip),
            header: kernel::header(tip)?,
            time: tip.header().timestamp(),
            median_time_past: kernel::median_time_past(tip),
            chain_work: self.work(tip).to_be_bytes(),
        })
    }

    /// The work of the chain that ends in a block.
    pub(crate) fn work(&self, entry: BlockTreeEntry<'_>) -> Work {
        let mut works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        works.of(entry)
    }
}
