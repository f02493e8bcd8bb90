//! TRUC transactions (version 3, BIP 431): at most one parent and one child, and a small child, so
//! that nobody can pin them. What Lightning's zero-fee commitments rely on.

use std::collections::{BTreeSet, HashSet};

use bitcoin::{Transaction, Txid};

use crate::{Pool, Reject};

/// The version that asks for these rules.
pub const VERSION: i32 = 3;
const MAX_SIZE: u64 = 10_000;
const MAX_CHILD_SIZE: u64 = 1_000;

/// Whether a transaction asks for these rules.
pub fn is_truc(transaction: &Transaction) -> bool {
    transaction.version.0 == VERSION
}

fn violation<T>(why: impl Into<String>) -> Result<T, Reject> {
    Err(Reject::with("TRUC-violation", why))
}

/// Checks a newcomer; returns the sibling that it would have to replace, if there is one.
pub fn check(
    pool: &Pool,
    transaction: &Transaction,
    vsize: u64,
    parents: &BTreeSet<Txid>,
    ancestors: &HashSet<Txid>,
    conflicts: &BTreeSet<Txid>,
) -> Result<Option<Txid>, Reject> {
    let truc = is_truc(transaction);
    for parent in parents {
        let parent_is = pool
            .get(parent)
            .is_some_and(|entry| is_truc(&entry.transaction));
        if truc && !parent_is {
            return violation(format!(
                "version=3 transaction cannot spend from {parent}, which is not version=3"
            ));
        }
        if !truc && parent_is {
            return violation(format!(
                "a transaction that is not version=3 cannot spend from version=3 {parent}"
            ));
        }
    }
    if !truc {
        return Ok(None);
    }
    if vsize > MAX_SIZE {
        return violation(format!(
            "version=3 transaction is too big: {vsize} > {MAX_SIZE} virtual bytes"
        ));
    }
    if ancestors.len() > 1 {
        return violation("transaction would have too many ancestors");
    }
    let Some(parent) = parents.first() else {
        return Ok(None);
    };
    if vsize > MAX_CHILD_SIZE {
        return violation(format!(
            "version=3 child transaction is too big: {vsize} > {MAX_CHILD_SIZE} virtual bytes"
        ));
    }
    let siblings: Vec<_> = pool
        .descendants(*parent)
        .into_iter()
        .filter(|txid| !conflicts.contains(txid))
        .collect();
    match siblings[..] {
        [] => Ok(None),
        [sibling] => Ok(Some(sibling)),
        _ => violation(format!(
            "transaction {parent} would exceed its descendant limit"
        )),
    }
}
