//! What became of a submitted block, in Core's words.

use bitcoin::BlockHash;
use bitcoinkernel::ProcessBlockResult;

use crate::callbacks::{Mode, Report};

/// What became of a submitted block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Valid, durable, and part of the best chain.
    Accepted {
        /// Whether this submission moved the tip.
        tip_changed: bool,
    },
    /// Known already.
    Duplicate,
    /// Stored and durable, on a branch without more work than the best chain; its scripts and
    /// amounts are checked only if that branch wins.
    SideBranch,
    /// Refused; nothing was announced and nothing kept.
    Invalid {
        /// Core's reject reason, such as `bad-cb-amount`.
        code: String,
        /// Core's detail, empty where it gives none.
        debug: String,
    },
}

/// What one `process_block` call left behind.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The submitted block.
    pub hash: BlockHash,
    /// What the call returned.
    pub result: ProcessBlockResult,
    /// What the callbacks said during it.
    pub reports: &'a [Report],
    /// What the kernel logged during it.
    pub log: &'a [String],
    /// Whether the best chain holds the block now.
    pub in_best_chain: bool,
    /// Whether the tip is another than before.
    pub tip_changed: bool,
}

/// Joins the evidence; `is_ancestor` tells whether a block lies under the submitted one.
///
/// # Errors
/// The kernel's words, if it failed for a reason that is not the block's.
pub fn judge(
    evidence: &Evidence<'_>,
    is_ancestor: impl Fn(BlockHash) -> bool,
) -> Result<Verdict, String> {
    for report in evidence.reports {
        match report {
            Report::Fatal(detail) => return Err(detail.clone()),
            Report::Checked {
                mode: Mode::Internal,
                hash,
            } => {
                return Err(format!("block {hash} could not be validated"));
            }
            Report::Checked {
                mode: Mode::Invalid,
                hash,
            } if *hash == evidence.hash => {
                let (code, debug) = reason(evidence.log, *hash);
                return Ok(Verdict::Invalid { code, debug });
            }
            Report::Checked {
                mode: Mode::Invalid,
                hash,
            } if is_ancestor(*hash) => {
                let (code, debug) = reason(evidence.log, *hash);
                return Ok(Verdict::Invalid {
                    code: "bad-prevblk".to_owned(),
                    debug: format!("ancestor {hash} is invalid: {code} {debug}")
                        .trim_end()
                        .to_owned(),
                });
            }
            Report::Checked { .. } => {}
        }
    }
    Ok(match evidence.result {
        ProcessBlockResult::Rejected => {
            let (code, debug) = reason(evidence.log, evidence.hash);
            Verdict::Invalid { code, debug }
        }
        ProcessBlockResult::Duplicate => Verdict::Duplicate,
        ProcessBlockResult::NewBlock if evidence.in_best_chain => Verdict::Accepted {
            tip_changed: evidence.tip_changed,
        },
        ProcessBlockResult::NewBlock => Verdict::SideBranch,
    })
}

/// Finds Core's reject reason and detail for a block among log lines.
fn reason(log: &[String], hash: BlockHash) -> (String, String) {
    let connect = format!("ConnectBlock {hash} failed, ");
    let words = log.iter().find_map(|line| {
        if let Some((_, words)) = line.split_once(&connect) {
            return Some(words);
        }
        let (_, words) = line.split_once("AcceptBlock FAILED (")?;
        words.strip_suffix(')')
    });
    match words {
        Some(words) => {
            let (code, debug) = words.split_once(", ").unwrap_or((words, ""));
            (code.to_owned(), debug.to_owned())
        }
        // Core's own word for a refusal that it doesn't explain (BIP 22).
        None => ("rejected".to_owned(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::hashes::Hash;

    use super::*;

    #[test]
    fn reasons_are_found_in_both_forms_of_the_log() {
        let hash = BlockHash::all_zeros();
        let connect = vec![
            "noise".to_owned(),
            format!(
                "2026-01-01T00:00:00Z [error] ConnectTip: ConnectBlock {hash} failed, bad-cb-amount, coinbase pays too much (actual=2 vs limit=1)"
            ),
        ];
        let accept = vec![
            "ProcessNewBlock: AcceptBlock FAILED (bad-txnmrklroot, hashMerkleRoot mismatch)"
                .to_owned(),
        ];
        let bare = vec!["ProcessNewBlock: AcceptBlock FAILED (block-script-verify-flag-failed (Script failed an OP_EQUALVERIFY operation))".to_owned()];

        assert_eq!(
            reason(&connect, hash),
            (
                "bad-cb-amount".to_owned(),
                "coinbase pays too much (actual=2 vs limit=1)".to_owned()
            )
        );
        assert_eq!(reason(&accept, hash).0, "bad-txnmrklroot");
        assert_eq!(
            reason(&bare, hash).0,
            "block-script-verify-flag-failed (Script failed an OP_EQUALVERIFY operation)"
        );
        assert_eq!(reason(&[], hash).0, "rejected");
    }
}
