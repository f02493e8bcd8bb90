//! Whether a block could be the next one, its proof of work apart. Nothing of it is kept.

use bitcoin::Block;
use bitcoin::block::Header;
use bitcoin::consensus::encode::deserialize;
use bllvm_mempool::{Chain as _, Reject, check_proposal};

use crate::{Difficulty, Engine, EngineError, Verdict, kernel};

/// How far ahead of our clock a block's time may be.
const MAX_AHEAD: u64 = 2 * 60 * 60;

impl Engine {
    /// What [`Engine::submit_block`] would say of a block on the tip if it had its proof of work:
    /// accepted, known already, or why not.
    ///
    /// # Errors
    /// [`EngineError::UndecodableBlock`], or if chain or index could not be asked.
    pub fn check_block(&self, raw: &[u8]) -> Result<Verdict, EngineError> {
        kernel::decode(raw)?;
        let block: Block = deserialize(raw).map_err(|error| EngineError::UndecodableBlock {
            detail: error.to_string(),
        })?;
        // The tip stays while the block is judged.
        let _writer = self.inner.writer()?;
        let known = self.inner.with_chain(|chain| {
            // Of a block that was refused, the header may have stayed.
            let entry = kernel::entry(chain, &block.block_hash());
            Ok(entry.is_some_and(|entry| chain.read_block_data(&entry).is_ok()))
        })?;
        if known {
            return Ok(Verdict::Duplicate);
        }
        let (plan, difficulty) = self.inner.with_chain(|chain| {
            let tip = kernel::tip(chain);
            Ok((
                self.inner.plan(tip),
                kernel::difficulty(tip, self.inner.rules),
            ))
        })?;
        if block.header.prev_blockhash != plan.prev {
            return Ok(refused(&Reject::new("inconclusive-not-best-prevblk")));
        }
        let now = self.inner.now();
        if block.header.version.to_consensus() < 4 {
            // Since BIPs 34, 66 and 65, which hold from the first block of a test network.
            return Ok(Verdict::Invalid {
                code: format!("bad-version(0x{:08x})", block.header.version.to_consensus()),
                debug: "rejected block version".to_owned(),
            });
        }
        let judged = self.inner.with_view(|view, _| {
            if let Err(reject) = check_header(&block.header, &difficulty, view.median_time(), now) {
                return Ok(Err(reject));
            }
            check_proposal(&block, view, plan.subsidy().to_sat())
        })?;
        Ok(match judged {
            Ok(()) => Verdict::Accepted { tip_changed: false },
            Err(reject) => refused(&reject),
        })
    }
}

fn refused(reject: &Reject) -> Verdict {
    Verdict::Invalid {
        code: reject.code.to_owned(),
        debug: reject.detail.clone(),
    }
}

fn check_header(
    header: &Header,
    difficulty: &Difficulty,
    median_time: u32,
    now: u64,
) -> Result<(), Reject> {
    if header.bits != difficulty.next_bits(header.time) {
        return Err(Reject::with("bad-diffbits", "incorrect proof of work"));
    }
    if header.time <= median_time {
        return Err(Reject::with(
            "time-too-old",
            "block's timestamp is too early",
        ));
    }
    if difficulty.warps(header.time) {
        return Err(Reject::with(
            "time-timewarp-attack",
            "block's timestamp is too early on diff adjustment block",
        ));
    }
    if u64::from(header.time) > now + MAX_AHEAD {
        return Err(Reject::with(
            "time-too-new",
            "block timestamp too far in the future",
        ));
    }
    Ok(())
}
