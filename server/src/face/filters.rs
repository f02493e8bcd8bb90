//! Compact block filters (BIP157, BIP158).
//!
//! The base node tells a block's filter; the chain of filter headers is summed up here, a bounded
//! piece a request, and remembered.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bitcoin::bip158::{self, FilterHeader};
use bitcoin::hashes::Hash as _;
use bllvm_ipc::types::{BlockHash, BlockRef};
use serde_json::json;

use super::Face;
use super::chain::header_of;
use super::error::{MISC, NOT_FOUND, Outcome, Refusal};
use super::params::Args;
use crate::api::auth::Caller;

/// Filters that one request adds to the chain of headers.
const AT_ONCE: usize = 2000;
/// Filter headers that are remembered.
const REMEMBERED: usize = 500_000;

/// Filter headers by block.
#[derive(Debug, Default)]
pub(super) struct FilterHeaders(Mutex<HashMap<BlockHash, FilterHeader>>);

impl FilterHeaders {
    fn get(&self, hash: &BlockHash) -> Option<FilterHeader> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(hash).copied()
    }

    fn put(&self, hash: BlockHash, header: FilterHeader) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(hash, header);
    }
}

pub(super) async fn block_filter(face: &Face, _: &Caller, args: Args) -> Outcome {
    let hash = args.block_hash(0, "blockhash")?;
    if args.value(1).is_some() && args.text(1) != "basic" {
        return Err(Refusal::new(NOT_FOUND, "Unknown filtertype"));
    }
    header_of(face, hash).await?;
    let filter = face.node().filter(hash).await?.filter;
    let header = header_to(face, hash).await?;
    Ok(json!({ "filter": filter, "header": header }))
}

/// The filter header of a block.
async fn header_to(face: &Face, hash: BlockHash) -> Outcome<FilterHeader> {
    let known = face.filter_headers();
    // From the block down to the nearest one that is known; genesis stands on zeros.
    let mut pending = vec![hash];
    let mut at = hash;
    let mut header = loop {
        if let Some(header) = known.get(&at) {
            pending.pop();
            break header;
        }
        let info = header_of(face, at).await?;
        if info.height == 0 {
            break FilterHeader::all_zeros();
        }
        if pending.len() > AT_ONCE {
            return begin(face).await;
        }
        at = info.prev;
        pending.push(at);
    };
    while let Some(at) = pending.pop() {
        header = chained(face, at, &header).await?;
    }
    Ok(header)
}

/// Adds a piece to the best chain's headers, for the request that comes next.
async fn begin(face: &Face) -> Outcome<FilterHeader> {
    let known = face.filter_headers();
    let (mut low, mut high) = (0, face.node().tip().await?.height);
    // The known ones of the best chain begin at genesis without a gap.
    while low < high {
        let middle = low + (high - low) / 2;
        let hash = face.node().block_hash_at(middle).await?;
        if known.get(&hash).is_some() {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let mut header = FilterHeader::all_zeros();
    if let Some(below) = low.checked_sub(1) {
        let hash = face.node().block_hash_at(below).await?;
        header = known.get(&hash).unwrap_or(header);
    }
    for height in (low..).take(AT_ONCE) {
        let request = BlockRef {
            hash: None,
            height: Some(height),
        };
        let Ok(info) = face.node().header(request).await else {
            break;
        };
        header = chained(face, info.hash, &header).await?;
    }
    Err(Refusal::new(
        MISC,
        "Filter not found. Block filters are still in the process of being indexed.",
    ))
}

async fn chained(face: &Face, hash: BlockHash, below: &FilterHeader) -> Outcome<FilterHeader> {
    let filter = face.node().filter(hash).await?.filter;
    let header = bip158::BlockFilter::new(&filter.0).filter_header(below);
    face.filter_headers().put(hash, header);
    Ok(header)
}
