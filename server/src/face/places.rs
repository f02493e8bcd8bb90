//! Where a block stands: the work up to it, its median time, the number of its transactions.
//!
//! A backend with an index of its own tells them. Where it does not, they are worked out from
//! headers and remembered: summed up once along the best chain, with a mark every thousand blocks.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bitcoin::Work;
use bitcoin::consensus::Decodable as _;
use bllvm_ipc::types::{BlockHash, BlockRef, HeaderInfo, HeadersRequest};

use crate::node::{BlockPlace, NodeError, ReadNode};

/// Blocks whose place is remembered.
const REMEMBERED: usize = 20_000;
/// A mark in every so many blocks.
const MARK_EVERY: u32 = 1000;
/// Headers that one request fetches.
const HEADERS_AT_ONCE: u32 = 2000;
/// Blocks whose times make the median.
const MEDIAN_SPAN: u32 = 11;

/// The places of blocks.
pub(super) struct Places {
    node: Arc<dyn ReadNode>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    places: HashMap<BlockHash, BlockPlace>,
    works: HashMap<BlockHash, Work>,
    marks: BTreeMap<u32, (BlockHash, Work)>,
}

impl Places {
    pub(super) fn new(node: Arc<dyn ReadNode>) -> Self {
        Self {
            node,
            known: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a block stands.
    pub(super) async fn of(&self, header: &HeaderInfo) -> Result<BlockPlace, NodeError> {
        if let Some(place) = self.known().places.get(&header.hash) {
            return Ok(*place);
        }
        let place = match self.node.block_place(header.hash).await {
            Err(NodeError::Unsupported(_)) => BlockPlace {
                chain_work: self.work(header).await?.to_be_bytes(),
                median_time: self.median_time(header).await?,
                transactions: self.transactions(header.hash).await?,
            },
            told => told?,
        };
        // A header whose block is still to come is asked again.
        if place.transactions > 0 {
            let mut known = self.known();
            if known.places.len() >= REMEMBERED {
                known.places.clear();
            }
            known.places.insert(header.hash, place);
        }
        Ok(place)
    }

    async fn prev(&self, header: &HeaderInfo) -> Result<HeaderInfo, NodeError> {
        let hash = Some(header.prev);
        self.node.header(BlockRef { hash, height: None }).await
    }

    /// The work up to and with a block.
    async fn work(&self, header: &HeaderInfo) -> Result<Work, NodeError> {
        let mut pending = Vec::new();
        let mut at = header.clone();
        let mut sum = loop {
            let remembered = self.known().works.get(&at.hash).copied();
            if let Some(work) = remembered {
                break work;
            }
            if at.height == 0 {
                break own_work(&at)?;
            }
            if at.in_best_chain
                && let Some(work) = self.work_along_best_chain(&at).await?
            {
                break work;
            }
            let prev = self.prev(&at).await?;
            pending.push(at);
            at = prev;
        };
        for header in pending.iter().rev() {
            sum = sum + own_work(header)?;
            self.remember(header, sum);
        }
        Ok(sum)
    }

    /// Sums up from the nearest mark; none where the chain moved meanwhile.
    async fn work_along_best_chain(&self, to: &HeaderInfo) -> Result<Option<Work>, NodeError> {
        let (mut hash, mut height, mut sum) = self.mark_below(to.height).await?;
        while height < to.height {
            let request = HeadersRequest {
                locator: vec![hash],
                max: HEADERS_AT_ONCE.min(to.height - height),
            };
            let headers = self.node.headers(request).await?.headers;
            if headers.is_empty() {
                return Ok(None);
            }
            for header in &headers {
                if header.prev != hash {
                    return Ok(None);
                }
                sum = sum + own_work(header)?;
                (hash, height) = (header.hash, header.height);
                self.remember(header, sum);
            }
        }
        Ok((hash == to.hash).then_some(sum))
    }

    /// The last mark up to a height that is still in the best chain; genesis at the latest.
    async fn mark_below(&self, height: u32) -> Result<(BlockHash, u32, Work), NodeError> {
        loop {
            let mark = {
                let known = self.known();
                let mark = known.marks.range(..=height).next_back();
                mark.map(|(at, (hash, work))| (*at, *hash, *work))
            };
            let Some((at, hash, work)) = mark else {
                let genesis = BlockRef {
                    hash: None,
                    height: Some(0),
                };
                let genesis = self.node.header(genesis).await?;
                return Ok((genesis.hash, 0, own_work(&genesis)?));
            };
            match self.node.block_hash_at(at).await {
                Ok(now) if now == hash => return Ok((hash, at, work)),
                Ok(_) | Err(NodeError::NotFound(_)) => drop(self.known().marks.remove(&at)),
                Err(error) => return Err(error),
            }
        }
    }

    fn remember(&self, header: &HeaderInfo, work: Work) {
        let mut known = self.known();
        if known.works.len() >= REMEMBERED {
            known.works.clear();
        }
        known.works.insert(header.hash, work);
        if header.in_best_chain && header.height.is_multiple_of(MARK_EVERY) {
            known.marks.insert(header.height, (header.hash, work));
        }
    }

    async fn median_time(&self, header: &HeaderInfo) -> Result<u32, NodeError> {
        let mut times = vec![header.time];
        if header.in_best_chain && header.height >= MEDIAN_SPAN {
            let before = self.node.block_hash_at(header.height - MEDIAN_SPAN).await?;
            let request = HeadersRequest {
                locator: vec![before],
                max: MEDIAN_SPAN,
            };
            let headers = self.node.headers(request).await?.headers;
            if headers.last().is_some_and(|last| last.hash == header.hash) {
                times = headers.iter().map(|header| header.time).collect();
            }
        }
        let mut at = header.clone();
        while times.len() < MEDIAN_SPAN as usize && at.height > 0 {
            at = self.prev(&at).await?;
            times.push(at.time);
        }
        times.sort_unstable();
        Ok(times[times.len() / 2])
    }

    /// Transactions in a block; 0 where only its header is there, as Bitcoin Core has it.
    async fn transactions(&self, hash: BlockHash) -> Result<u32, NodeError> {
        let block = match self.node.block(hash).await {
            Ok(block) => block,
            Err(NodeError::NotFound(_)) => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut rest = block.get(80..).unwrap_or_default();
        let count = bitcoin::VarInt::consensus_decode(&mut rest).map_err(|error| {
            NodeError::Internal(format!(
                "the block's transactions cannot be counted: {error}"
            ))
        })?;
        Ok(u32::try_from(count.0).unwrap_or(u32::MAX))
    }
}

fn own_work(header: &HeaderInfo) -> Result<Work, NodeError> {
    Ok(super::render::parse_header(header)?.work())
}
