//! What a block spent, by pages. Consensus bounds neither its count nor its size in a useful way: a block
//! may spend 24,000 outputs, each with a script of up to 10,000 bytes.

use bllvm_ipc::types::{Coin, SpentOutputs, SpentOutputsRequest};

use super::NodeError;

/// The most coins on a page.
const MOST: u32 = 10_000;
/// About the most bytes on a page, below the 1 MiB of a frame by more than one coin.
const MOST_BYTES: usize = 768 << 10;
/// What a coin takes beside its script: field names, value, height, lengths.
const COIN_BYTES: usize = 64;

/// The page that a request names; everything where it names neither place nor limit.
///
/// # Errors
/// `params` for a limit out of range, or a cursor that is not of this block.
pub(super) fn page(
    all: SpentOutputs,
    request: &SpentOutputsRequest,
) -> Result<SpentOutputs, NodeError> {
    if request.cursor.is_none() && request.limit.is_none() {
        return Ok(all);
    }
    let limit = request.limit.unwrap_or(MOST);
    if !(1..=MOST).contains(&limit) {
        return Err(params(format!("`limit` is {limit}; use 1 to {MOST}")));
    }
    let (first, from) = match &request.cursor {
        None => (0, 0),
        Some(cursor) => place(cursor, &all.transactions).ok_or_else(|| {
            let text =
                "`cursor` is not `next` of an earlier page of this block; leave it out to start";
            params(text.to_owned())
        })?,
    };
    let (mut room, mut bytes) = (limit, MOST_BYTES);
    let mut transactions = Vec::new();
    for (number, coins) in all.transactions.into_iter().enumerate().skip(first) {
        let from = if number == first { from } else { 0 };
        let mut taken: Vec<Coin> = Vec::new();
        for (input, coin) in coins.into_iter().enumerate().skip(from) {
            let size = COIN_BYTES + coin.script_pubkey.0.len();
            // A page holds one coin at least, or the pages would never end.
            let is_full = room == 0 || size > bytes;
            if is_full && (!taken.is_empty() || !transactions.is_empty()) {
                if !taken.is_empty() {
                    transactions.push(taken);
                }
                return Ok(SpentOutputs {
                    transactions,
                    continues: from_the_middle(request),
                    next: Some(format!("{number}:{input}")),
                });
            }
            room = room.saturating_sub(1);
            bytes = bytes.saturating_sub(size);
            taken.push(coin);
        }
        transactions.push(taken);
    }
    Ok(SpentOutputs {
        transactions,
        continues: from_the_middle(request),
        next: None,
    })
}

/// Whether a page begins behind a transaction's first input.
fn from_the_middle(request: &SpentOutputsRequest) -> bool {
    let cursor = request.cursor.as_deref();
    cursor.is_some_and(|cursor| !cursor.ends_with(":0"))
}

/// The transaction and its input that a cursor names, where the block has them.
fn place(cursor: &str, transactions: &[Vec<Coin>]) -> Option<(usize, usize)> {
    let (transaction, input) = cursor.split_once(':')?;
    let place: (usize, usize) = (transaction.parse().ok()?, input.parse().ok()?);
    let there = transactions.get(place.0)?.len() > place.1;
    // Only what this file writes: no sign, no zeros in front.
    (there && format!("{}:{}", place.0, place.1) == cursor).then_some(place)
}

fn params(message: String) -> NodeError {
    NodeError::Invalid {
        code: "params".to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use bllvm_ipc::types::{BlockHash, Hex, Sample};

    use super::*;

    /// As many coins a transaction as `inputs` says, told apart by their values.
    fn spent(inputs: &[usize], script_bytes: usize) -> SpentOutputs {
        let mut value = 0;
        let mut coin = || {
            value += 1;
            Coin {
                value_sat: value,
                script_pubkey: Hex(vec![0x51; script_bytes]),
                ..Coin::sample()
            }
        };
        SpentOutputs {
            transactions: inputs
                .iter()
                .map(|count| (0..*count).map(|_| coin()).collect())
                .collect(),
            continues: false,
            next: None,
        }
    }

    fn ask(cursor: Option<&str>, limit: Option<u32>) -> SpentOutputsRequest {
        SpentOutputsRequest {
            hash: BlockHash([7; 32]),
            cursor: cursor.map(ToOwned::to_owned),
            limit,
        }
    }

    /// Follows the pages; the lists as they were, and how many pages it took.
    fn gathered(all: &SpentOutputs, limit: u32) -> (Vec<Vec<Coin>>, usize) {
        let (mut lists, mut cursor, mut pages): (Vec<Vec<Coin>>, Option<String>, _) =
            (Vec::new(), None, 0);
        loop {
            let page = page(all.clone(), &ask(cursor.as_deref(), Some(limit))).unwrap();
            let bytes = bllvm_ipc::codec::encode(&page).unwrap().len();
            assert!(bytes < 1 << 20, "{bytes}");
            let coins: usize = page.transactions.iter().map(Vec::len).sum();
            assert!(coins <= limit as usize, "{coins}");
            let mut rest = page.transactions.into_iter();
            if page.continues {
                lists.last_mut().unwrap().extend(rest.next().unwrap());
            }
            lists.extend(rest);
            pages += 1;
            cursor = page.next;
            if cursor.is_none() {
                return (lists, pages);
            }
        }
    }

    #[test]
    fn pages_of_any_size_make_the_whole_again() {
        let all = spent(&[1, 5, 2, 1, 1, 9, 3], 22);
        for limit in 1..=23 {
            let (lists, pages) = gathered(&all, limit);
            assert_eq!(lists, all.transactions, "{limit}");
            assert_eq!(pages, 22_usize.div_ceil(limit as usize), "{limit}");
        }
        assert_eq!(page(all.clone(), &ask(None, None)).unwrap(), all);
        let none = spent(&[], 0);
        assert_eq!(page(none.clone(), &ask(None, Some(1))).unwrap(), none);
    }

    #[test]
    fn a_page_fits_into_a_frame_however_long_the_scripts_are() {
        let many = spent(&[24_000], 1);
        assert_eq!(gathered(&many, MOST).1, 3);
        let long = spent(&[100, 300], 10_000);
        let (lists, pages) = gathered(&long, MOST);
        assert_eq!(lists, long.transactions);
        assert_eq!(pages, 6);
    }

    #[test]
    fn what_is_no_page_is_refused_by_its_field() {
        let all = spent(&[1, 5], 22);
        for (cursor, limit, field) in [
            (None, Some(0), "`limit` is 0"),
            (None, Some(MOST + 1), "`limit` is 10001"),
            (Some(""), None, "`cursor`"),
            (Some("1"), None, "`cursor`"),
            (Some("1:5"), None, "`cursor`"),
            (Some("2:0"), None, "`cursor`"),
            (Some("1:+2"), None, "`cursor`"),
            (Some("1:02"), None, "`cursor`"),
            (Some("-1:0"), None, "`cursor`"),
            (Some("1:99999999999999999999"), None, "`cursor`"),
        ] {
            let refused = page(all.clone(), &ask(cursor, limit)).unwrap_err();
            assert!(refused.to_string().contains(field), "{cursor:?}: {refused}");
        }
    }
}
