//! The mempool on the node's page: its picture, the next block, fees, and what is sent.

use bllvm_ipc::types::Template;
use bllvm_web::format::{self, Hash};
use bllvm_web::pages::{BandRow, FeeRow, MempoolPart, SendForm, VerdictRow};
use bllvm_web::parts::{Badge, Fact, Tone, Value};

use super::present::sentence;
use crate::api::Api;
use crate::api::error::{ApiError, ApiResult};
use crate::api::v1::node::transactions::{TargetFee, fees, in_short};
use crate::model::Actor;
use crate::node::{FeeBand, MempoolPicture, picture};

/// Virtual bytes that a block has room for beside its coinbase.
const BLOCK_VBYTES: u64 = 998_000;
/// The weight of a whole block.
const BLOCK_WEIGHT: u64 = 4_000_000;
const TARGETS: [u16; 4] = [1, 6, 24, 72];

/// What the base node has of it; empty where it has none, or does not answer.
#[derive(Default)]
pub struct Parts {
    pub mempool: Option<MempoolPart>,
    pub template: Vec<Fact>,
    pub fees: Vec<FeeRow>,
}

/// Asks the base node.
pub async fn parts(api: &Api) -> Parts {
    let (picture, template, fees) = tokio::join!(
        picture(&*api.node),
        api.control.next_template(),
        fees(api, &TARGETS),
    );
    Parts {
        mempool: picture.ok().map(|picture| drawn(&picture)),
        template: template.map(|template| next(&template)).unwrap_or_default(),
        fees: fees
            .map(|fees| in_rows(&fees.estimates))
            .unwrap_or_default(),
    }
}

/// Sends what was typed, or tests it; the form with the verdicts, and whether all were taken.
///
/// # Errors
/// When the fault is ours, or the base node is away.
pub async fn send(api: &Api, by: &Actor, typed: String, test: bool) -> ApiResult<(SendForm, bool)> {
    let transactions: Vec<String> = typed.split_whitespace().map(str::to_owned).collect();
    let verdict = if test {
        api.control.test_transactions(&transactions).await
    } else {
        api.control.broadcast(&transactions, by).await
    };
    let verdict = match verdict {
        Ok(verdict) => verdict,
        Err(error) => {
            let refused = ApiError::from(error);
            if refused.problem().status >= 500 {
                return Err(refused);
            }
            let form = SendForm {
                transactions: typed,
                error: Some(sentence(&refused.problem().detail)),
                verdicts: Vec::new(),
            };
            return Ok((form, false));
        }
    };
    let accepted = verdict.results.iter().all(|one| one.accepted);
    let word = if test {
        "would be accepted"
    } else {
        "accepted"
    };
    let verdicts = verdict.results.into_iter().map(|one| VerdictRow {
        badge: if one.accepted {
            Badge::new(Tone::Good, word)
        } else {
            Badge::new(Tone::Bad, "refused")
        },
        txid: Hash::new(one.txid.to_string()),
        reason: one.reason.unwrap_or_default(),
    });
    let form = SendForm {
        verdicts: verdicts.collect(),
        error: None,
        // What is in needs no second sending.
        transactions: if accepted && !test {
            String::new()
        } else {
            typed
        },
    };
    Ok((form, accepted))
}

fn drawn(picture: &MempoolPicture) -> MempoolPart {
    let most = picture.bands.iter().map(|band| band.vsize).max();
    let most = most.unwrap_or(0).max(1);
    let mut above = 0;
    let bands = picture.bands.iter().rev().map(|band| {
        let row = BandRow {
            rates: rates(band),
            transactions: format::count(band.transactions),
            size: vbytes(band.vsize),
            length: u32::try_from((band.vsize * 1000).div_ceil(most)).unwrap_or(1000),
            next: above < BLOCK_VBYTES,
        };
        above += band.vsize;
        row
    });
    let bands = bands.collect();
    let summary = match picture.transactions {
        0 => "No transaction waits".to_owned(),
        1 => format!("1 transaction, {}", vbytes(picture.vsize)),
        many => format!(
            "{} transactions, {}",
            format::count(many),
            vbytes(picture.vsize)
        ),
    };
    MempoolPart {
        summary: format!(
            "{summary}; at least {} gets in",
            rate(picture.min_fee_sat_per_kvb)
        ),
        note: if picture.looked_at < picture.transactions {
            format!(
                "The picture is made of {} of them.",
                format::count(picture.looked_at)
            )
        } else {
            String::new()
        },
        bands,
    }
}

fn rates(band: &FeeBand) -> String {
    match band.to_sat_per_vb {
        Some(to) => format!("{} to {to}", band.from_sat_per_vb),
        None => format!("{} and more", band.from_sat_per_vb),
    }
}

fn vbytes(vsize: u64) -> String {
    match vsize {
        0..10_000 => format!("{} vB", format::count(vsize)),
        10_000..10_000_000 => format!("{} kvB", format::count(vsize / 1000)),
        _ => format!("{} MvB", format::count(vsize / 1_000_000)),
    }
}

fn rate(sat_per_kvb: u64) -> String {
    let text = format!("{}.{:03}", sat_per_kvb / 1000, sat_per_kvb % 1000);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} sat/vB")
}

fn next(template: &Template) -> Vec<Fact> {
    let mut facts = vec![
        Fact::text("Height", format::count(template.height.into())),
        Fact::new("On", Value::Hash(Hash::new(template.prev.to_string()))),
    ];
    if let Ok(short) = in_short(template) {
        let filled = short.weight * 1000 / BLOCK_WEIGHT;
        facts.push(Fact::text(
            "Transactions",
            format!(
                "{}, {}.{} % of a block's weight",
                format::count(short.transactions.len() as u64),
                filled / 10,
                filled % 10
            ),
        ));
    }
    facts.push(Fact::text(
        "Its miner gets",
        format::sats(template.coinbase_value_sat),
    ));
    facts
}

/// One row a target, and one for all where there is none for the same reason.
fn in_rows(estimates: &[TargetFee]) -> Vec<FeeRow> {
    let unknown = |one: &TargetFee| one.sat_per_kvb.is_none() && one.basis == estimates[0].basis;
    if !estimates.is_empty() && estimates.iter().all(unknown) {
        return vec![FeeRow {
            target: "any number of blocks".to_owned(),
            rate: String::new(),
            basis: estimates[0].basis.clone(),
        }];
    }
    estimates.iter().map(fee).collect()
}

fn fee(fee: &TargetFee) -> FeeRow {
    FeeRow {
        target: format::plural(fee.target_blocks.into(), "block", "blocks"),
        rate: fee.sat_per_kvb.map(rate).unwrap_or_default(),
        basis: fee.basis.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_without_needless_zeros() {
        for (sat_per_kvb, text) in [
            (1000, "1 sat/vB"),
            (1500, "1.5 sat/vB"),
            (1, "0.001 sat/vB"),
        ] {
            assert_eq!(rate(sat_per_kvb), text);
        }
        assert_eq!(rate(10_000), "10 sat/vB");
    }

    #[test]
    fn the_next_block_ends_where_it_is_full() {
        let band = |from, vsize| FeeBand {
            from_sat_per_vb: from,
            to_sat_per_vb: Some(from + 1),
            transactions: 1,
            vsize,
            fees_sat: 0,
        };
        let part = drawn(&MempoolPicture {
            transactions: 4,
            vsize: 2_100_000,
            min_fee_sat_per_kvb: 1000,
            looked_at: 3,
            bands: vec![band(1, 1_000_000), band(2, 500_000), band(3, 600_000)],
        });
        let next: Vec<_> = part.bands.iter().map(|band| band.next).collect();
        assert_eq!(next, [true, true, false]);
        assert_eq!(part.bands[2].length, 1000);
        assert!(part.note.contains("3 of them"), "{}", part.note);
    }
}
