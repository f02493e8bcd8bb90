//! The mempool as people look at it: how many bytes wait at which fee rate.
//!
//! Made of what every backend answers, transaction by transaction, and bounded: of a large mempool
//! a part is looked at, and the picture says so.

use bllvm_ipc::types::{MempoolInfo, PageRequest, Txid};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{MempoolEntry, NodeError, ReadNode};

/// Transactions that are looked at.
const MOST: usize = 2000;
/// Ids asked for at once.
const PAGE: u32 = 1000;
/// Questions under way at the same time.
const TOGETHER: usize = 16;
/// Where bands begin, in sat/vB.
const BANDS: [u64; 16] = [
    0, 1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300, 500, 1000,
];

/// Transactions whose fee rates are near each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeeBand {
    /// The lowest fee rate in it, sat/vB.
    pub from_sat_per_vb: u64,
    /// The lowest fee rate above it; none for the highest band.
    pub to_sat_per_vb: Option<u64>,
    /// Transactions.
    pub transactions: u64,
    /// Their virtual bytes.
    pub vsize: u64,
    /// Their fees.
    pub fees_sat: u64,
}

/// The mempool by fee rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MempoolPicture {
    /// Transactions in all.
    pub transactions: u64,
    /// Virtual bytes in all.
    pub vsize: u64,
    /// Lowest fee rate that gets in, satoshi per 1,000 virtual bytes.
    pub min_fee_sat_per_kvb: u64,
    /// Transactions that the bands are made of; fewer than all where there are many.
    pub looked_at: u64,
    /// From the lowest to the highest fee rate, none left out in between.
    pub bands: Vec<FeeBand>,
}

/// Looks at the mempool.
///
/// # Errors
/// Where the base node is away, or has no mempool.
pub async fn picture(node: &dyn ReadNode) -> Result<MempoolPicture, NodeError> {
    let info = node.mempool_info().await?;
    let ids = ids(node).await?;
    let entries = stream::iter(ids)
        .map(|txid| node.mempool_entry(txid))
        .buffer_unordered(TOGETHER)
        .collect::<Vec<_>>()
        .await;
    let mut there = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry {
            Ok(entry) => there.push(entry),
            // It was mined or replaced while we looked.
            Err(NodeError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(of(&info, &there))
}

async fn ids(node: &dyn ReadNode) -> Result<Vec<Txid>, NodeError> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest {
            cursor,
            limit: Some(PAGE),
        };
        let page = node.mempool_list(page).await?;
        ids.extend(page.items);
        cursor = page.next;
        if cursor.is_none() || ids.len() >= MOST {
            ids.truncate(MOST);
            return Ok(ids);
        }
    }
}

/// The picture of these entries.
fn of(info: &MempoolInfo, entries: &[MempoolEntry]) -> MempoolPicture {
    let mut bands: Vec<FeeBand> = BANDS
        .iter()
        .enumerate()
        .map(|(place, from)| FeeBand {
            from_sat_per_vb: *from,
            to_sat_per_vb: BANDS.get(place + 1).copied(),
            transactions: 0,
            vsize: 0,
            fees_sat: 0,
        })
        .collect();
    for entry in entries {
        let rate = entry.fee_sat / entry.vsize.max(1);
        let place = BANDS.partition_point(|from| *from <= rate) - 1;
        let band = &mut bands[place];
        band.transactions += 1;
        band.vsize += entry.vsize;
        band.fees_sat += entry.fee_sat;
    }
    let used = |band: &FeeBand| band.transactions > 0;
    let first = bands.iter().position(used).unwrap_or(bands.len());
    let last = bands.iter().rposition(used).map_or(first, |last| last + 1);
    MempoolPicture {
        transactions: info.transactions,
        vsize: info.vsize,
        min_fee_sat_per_kvb: info.min_fee_sat_per_kvb,
        looked_at: entries.len() as u64,
        bands: bands.drain(first..last).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Relatives;

    fn entry(fee_sat: u64, vsize: u64) -> MempoolEntry {
        let alone = Relatives {
            count: 1,
            vsize,
            fees_sat: fee_sat,
        };
        MempoolEntry {
            wtxid: Txid([9; 32]),
            vsize,
            weight: vsize * 4,
            fee_sat,
            time: 0,
            height: 1,
            ancestors: alone,
            descendants: alone,
            depends: Vec::new(),
            spent_by: Vec::new(),
            replaceable: false,
        }
    }

    #[test]
    fn transactions_fall_into_the_band_of_their_fee_rate() {
        let info = MempoolInfo {
            transactions: 5,
            vsize: 900,
            min_fee_sat_per_kvb: 1000,
        };
        let entries = [
            entry(100, 100),
            entry(199, 100),
            entry(200, 100),
            entry(1900, 100),
            entry(500, 500),
        ];
        let picture = of(&info, &entries);
        let bands: Vec<_> = picture
            .bands
            .iter()
            .map(|band| (band.from_sat_per_vb, band.transactions, band.vsize))
            .collect();
        assert_eq!(
            bands,
            [
                (1, 3, 700),
                (2, 1, 100),
                (3, 0, 0),
                (5, 0, 0),
                (8, 0, 0),
                (12, 1, 100)
            ]
        );
        assert_eq!((picture.looked_at, picture.transactions), (5, 5));
        assert!(of(&info, &[]).bands.is_empty());
        let high = of(&info, &[entry(10_000_000, 100)]);
        assert_eq!(high.bands[0].to_sat_per_vb, None);
    }
}
