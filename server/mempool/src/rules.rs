//! Consensus rules beside scripts: the transaction alone, its times, and its amounts.

use bitcoin::{
    Amount, Sequence, Transaction, TxOut, Weight, absolute::LOCK_TIME_THRESHOLD,
    relative::LockTime as Relative,
};

use crate::{Chain, Coin, Reject};

/// Blocks before a coinbase may be spent.
const MATURITY: u32 = 100;

/// What must hold of a transaction whatever the chain is.
pub fn check_alone(transaction: &Transaction) -> Result<(), Reject> {
    check_shape(transaction)?;
    if transaction.is_coinbase() {
        return Err(Reject::new("coinbase"));
    }
    let mut inputs = transaction.input.iter();
    if inputs.any(|input| input.previous_output.is_null()) {
        return Err(Reject::new("bad-txns-prevout-null"));
    }
    Ok(())
}

/// What must hold of a block's first transaction whatever the chain is.
pub fn check_coinbase(transaction: &Transaction) -> Result<(), Reject> {
    check_shape(transaction)?;
    let length = transaction.input.first().map(|one| one.script_sig.len());
    if !length.is_some_and(|length| (2..=100).contains(&length)) {
        return Err(Reject::new("bad-cb-length"));
    }
    Ok(())
}

fn check_shape(transaction: &Transaction) -> Result<(), Reject> {
    if transaction.input.is_empty() {
        return Err(Reject::new("bad-txns-vin-empty"));
    }
    if transaction.output.is_empty() {
        return Err(Reject::new("bad-txns-vout-empty"));
    }
    if transaction.base_size() as u64 * 4 > Weight::MAX_BLOCK.to_wu() {
        return Err(Reject::new("bad-txns-oversize"));
    }
    let mut total = Amount::ZERO;
    for TxOut { value, .. } in &transaction.output {
        if i64::try_from(value.to_sat()).is_err() {
            return Err(Reject::new("bad-txns-vout-negative"));
        }
        if *value > Amount::MAX_MONEY {
            return Err(Reject::new("bad-txns-vout-toolarge"));
        }
        total = total
            .checked_add(*value)
            .filter(|total| *total <= Amount::MAX_MONEY)
            .ok_or_else(|| Reject::new("bad-txns-txouttotal-toolarge"))?;
    }
    let mut inputs: Vec<_> = transaction
        .input
        .iter()
        .map(|input| input.previous_output)
        .collect();
    inputs.sort_unstable();
    if inputs.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Reject::new("bad-txns-inputs-duplicate"));
    }
    Ok(())
}

/// Whether the next block may hold it by its lock time (BIP 113).
pub fn check_final(transaction: &Transaction, chain: &impl Chain) -> Result<(), Reject> {
    let lock = transaction.lock_time.to_consensus_u32();
    let now = if lock < LOCK_TIME_THRESHOLD {
        chain.height() + 1
    } else {
        chain.median_time()
    };
    let ignored = transaction
        .input
        .iter()
        .all(|input| input.sequence == Sequence::MAX);
    if lock < now || ignored {
        Ok(())
    } else {
        Err(Reject::new("non-final"))
    }
}

/// Whether the next block may hold it by its inputs' relative locks (BIP 68).
pub fn check_sequences(
    transaction: &Transaction,
    coins: &[Coin],
    chain: &impl Chain,
) -> Result<(), Reject> {
    // The version counts as unsigned here, so that below zero is above two.
    if transaction.version.0.cast_unsigned() < 2 {
        return Ok(());
    }
    let next = chain.height() + 1;
    for (input, coin) in transaction.input.iter().zip(coins) {
        let open = match input.sequence.to_relative_lock_time() {
            None => true,
            Some(Relative::Blocks(blocks)) => coin.height + u32::from(blocks.value()) <= next,
            Some(Relative::Time(time)) => {
                let since = chain.median_time_at(coin.height.saturating_sub(1));
                u64::from(since) + u64::from(time.value()) * 512 <= u64::from(chain.median_time())
            }
        };
        if !open {
            return Err(Reject::new("non-BIP68-final"));
        }
    }
    Ok(())
}

/// Checks maturity and amounts, and returns the fee.
pub fn check_amounts(
    transaction: &Transaction,
    coins: &[Coin],
    chain: &impl Chain,
) -> Result<u64, Reject> {
    let mut inputs = Amount::ZERO;
    for coin in coins {
        let age = (chain.height() + 1).saturating_sub(coin.height);
        if coin.coinbase && age < MATURITY {
            return Err(Reject::with(
                "bad-txns-premature-spend-of-coinbase",
                format!("tried to spend coinbase at depth {age}"),
            ));
        }
        inputs = inputs
            .checked_add(coin.output.value)
            .filter(|total| *total <= Amount::MAX_MONEY)
            .ok_or_else(|| Reject::new("bad-txns-inputvalues-outofrange"))?;
    }
    let outputs: Amount = transaction.output.iter().map(|output| output.value).sum();
    inputs
        .checked_sub(outputs)
        .map(Amount::to_sat)
        .ok_or_else(|| {
            Reject::with(
                "bad-txns-in-belowout",
                format!("value in ({inputs}) < value out ({outputs})"),
            )
        })
}
