//! The only file that knows how the kernel's handles are read. Everything it returns is copied out.
//!
//! A multi-step read takes the tip's entry once and walks from there: entries never change, while
//! the active chain may between two calls.

use bitcoin::{BlockHash, CompactTarget, ScriptBuf, hashes::Hash};
use bitcoinkernel::{
    Block, BlockTreeEntry, ChainstateManager, KernelError, PrecomputedTransactionData,
    ScriptPubkey, ScriptVerifyError, Transaction, TxOut, VERIFY_ALL, prelude::*, verify,
};

use crate::{
    ChainEvent, EngineError, HeaderInfo, SpentOutput,
    rules::{Difficulty, Rules},
};

/// The tip's entry. Never the kernel's own `tip()`, which reads the height and the entry in two
/// steps and trusts that nothing happened between them.
pub fn tip(chain: &ChainstateManager) -> BlockTreeEntry<'_> {
    let active = chain.active_chain();
    loop {
        if let Ok(height) = usize::try_from(active.height())
            && let Some(entry) = active.at_height(height)
        {
            return entry;
        }
        std::thread::yield_now();
    }
}

/// Any known block's entry.
pub fn entry<'a>(chain: &'a ChainstateManager, hash: &BlockHash) -> Option<BlockTreeEntry<'a>> {
    chain.get_block_tree_entry(&bitcoinkernel::BlockHash::from(hash.to_byte_array()))
}

/// An entry's hash.
pub fn hash(entry: BlockTreeEntry<'_>) -> BlockHash {
    BlockHash::from_byte_array(entry.block_hash().to_bytes())
}

/// An entry's height.
pub fn height(entry: BlockTreeEntry<'_>) -> u32 {
    u32::try_from(entry.height()).unwrap_or(0)
}

/// The hash of the block before; zeros before the first.
pub fn prev_hash(entry: BlockTreeEntry<'_>) -> BlockHash {
    BlockHash::from_byte_array(entry.header().prev_hash().to_bytes())
}

/// An entry's header as it travels.
pub fn header(entry: BlockTreeEntry<'_>) -> Result<[u8; 80], EngineError> {
    Ok(entry.header().consensus_encode()?)
}

/// Whether `below` lies on the chain that ends in `top`.
pub fn is_under(below: BlockTreeEntry<'_>, top: BlockTreeEntry<'_>) -> bool {
    top.ancestor(below.height())
        .is_some_and(|ancestor| ancestor.block_hash() == below.block_hash())
}

/// The entry at a height of the chain that ends in `top`.
pub fn at(top: BlockTreeEntry<'_>, height: u32) -> Option<BlockTreeEntry<'_>> {
    top.ancestor(i32::try_from(height).ok()?)
}

/// The median time of a block and the ten before it.
pub fn median_time_past(entry: BlockTreeEntry<'_>) -> u32 {
    let mut times: Vec<u32> = std::iter::successors(Some(entry), BlockTreeEntry::prev)
        .take(11)
        .map(|entry| entry.header().timestamp())
        .collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(0)
}

/// What the target of the block after this one depends on.
pub fn difficulty(entry: BlockTreeEntry<'_>, rules: Rules) -> Difficulty {
    let facts = |entry: BlockTreeEntry<'_>| {
        let header = entry.header();
        let bits = CompactTarget::from_consensus(header.bits());
        (header.timestamp(), bits)
    };
    let height = height(entry);
    let begin = height - height % rules.period;
    let (time, bits) = facts(entry);
    let settled = |entry: BlockTreeEntry<'_>| {
        !rules.min_difficulty || self::height(entry) <= begin || facts(entry).1 != rules.limit()
    };
    let real =
        std::iter::successors(Some(entry), BlockTreeEntry::prev).find(|entry| settled(*entry));
    Difficulty {
        rules,
        height,
        time,
        bits,
        first: at(entry, begin).map_or((time, bits), facts),
        real_bits: real.map_or(bits, |entry| facts(entry).1),
    }
}

/// An entry with its place.
pub fn header_info(
    entry: BlockTreeEntry<'_>,
    tip: BlockTreeEntry<'_>,
) -> Result<HeaderInfo, EngineError> {
    Ok(HeaderInfo {
        hash: hash(entry),
        height: height(entry),
        header: header(entry)?,
        in_best_chain: is_under(entry, tip),
    })
}

/// The steps from one block to another: off the first one's branch, then up the second one's.
pub fn steps<'a>(
    chain: &'a ChainstateManager,
    from: BlockTreeEntry<'a>,
    to: BlockTreeEntry<'a>,
    max: usize,
) -> Result<Vec<ChainEvent>, EngineError> {
    let mut events = Vec::new();
    let mut at_fork = from;
    while !is_under(at_fork, to) {
        if events.len() == max {
            return Ok(events);
        }
        events.push(ChainEvent::Disconnected {
            height: height(at_fork),
            hash: hash(at_fork),
            prev: prev_hash(at_fork),
        });
        match at_fork.prev() {
            Some(prev) => at_fork = prev,
            None => break,
        }
    }
    for next in height(at_fork) + 1..=height(to) {
        if events.len() == max {
            break;
        }
        if let Some(entry) = at(to, next) {
            events.push(connected(chain, entry)?);
        }
    }
    Ok(events)
}

fn connected(
    chain: &ChainstateManager,
    entry: BlockTreeEntry<'_>,
) -> Result<ChainEvent, EngineError> {
    let block = chain.read_block_data(&entry)?;
    Ok(ChainEvent::Connected {
        height: height(entry),
        hash: hash(entry),
        prev: prev_hash(entry),
        header: header(entry)?,
        tx_count: u32::try_from(block.transaction_count()).unwrap_or(u32::MAX),
    })
}

/// What a connected block's transactions spent, the coinbase's empty list first.
pub fn spent_outputs(
    chain: &ChainstateManager,
    entry: BlockTreeEntry<'_>,
) -> Result<Vec<Vec<SpentOutput>>, EngineError> {
    let mut all = vec![Vec::new()];
    if entry.height() == 0 {
        return Ok(all);
    }
    let undo = chain
        .read_spent_outputs(&entry)
        .map_err(|_| EngineError::NeverConnected { hash: hash(entry) })?;
    for transaction in undo.iter() {
        let coins = transaction.coins().map(|coin| {
            let output = coin.output();
            SpentOutput {
                value_sat: u64::try_from(output.value()).unwrap_or(0),
                script_pubkey: ScriptBuf::from_bytes(output.script_pubkey().to_bytes()),
                height: coin.confirmation_height(),
                coinbase: coin.is_coinbase(),
            }
        });
        all.push(coins.collect());
    }
    Ok(all)
}

/// Whether one input satisfies the output it spends, by all consensus rules.
pub fn verify_script(
    transaction: &[u8],
    input: u32,
    spent: &[bitcoin::TxOut],
) -> Result<bool, EngineError> {
    let unfit = |error: KernelError| EngineError::ScriptCheck {
        detail: error.to_string(),
    };
    let transaction = Transaction::new(transaction).map_err(unfit)?;
    let outputs = spent_by(spent)?;
    let output = outputs
        .get(input as usize)
        .filter(|_| outputs.len() == transaction.input_count())
        .ok_or_else(|| EngineError::ScriptCheck {
            detail: "one spent output is needed for each input, and the input must exist"
                .to_owned(),
        })?;
    let data = PrecomputedTransactionData::new(&transaction, &outputs).map_err(unfit)?;
    holds(&transaction, input as usize, output, &data)
}

/// Checks all input scripts; returns the first input that does not hold.
pub fn verify_scripts(
    transaction: &[u8],
    spent: &[bitcoin::TxOut],
) -> Result<Option<usize>, EngineError> {
    let unfit = |error: KernelError| EngineError::ScriptCheck {
        detail: error.to_string(),
    };
    let transaction = Transaction::new(transaction).map_err(unfit)?;
    let outputs = spent_by(spent)?;
    let data = PrecomputedTransactionData::new(&transaction, &outputs).map_err(unfit)?;
    for (input, output) in outputs.iter().enumerate() {
        if !holds(&transaction, input, output, &data)? {
            return Ok(Some(input));
        }
    }
    Ok(None)
}

fn spent_by(spent: &[bitcoin::TxOut]) -> Result<Vec<TxOut>, EngineError> {
    let outputs = spent.iter().map(|output| {
        let script = ScriptPubkey::new(output.script_pubkey.as_bytes()).map_err(|error| {
            EngineError::ScriptCheck {
                detail: error.to_string(),
            }
        })?;
        let value = i64::try_from(output.value.to_sat()).map_err(|_| EngineError::ScriptCheck {
            detail: "a spent value is out of range".to_owned(),
        })?;
        Ok(TxOut::new(&script, value))
    });
    outputs.collect()
}

fn holds(
    transaction: &Transaction,
    input: usize,
    output: &TxOut,
    data: &PrecomputedTransactionData,
) -> Result<bool, EngineError> {
    let checked = verify(
        &output.script_pubkey(),
        Some(output.value()),
        transaction,
        input,
        Some(VERIFY_ALL),
        data,
    );
    match checked {
        Ok(()) => Ok(true),
        Err(KernelError::ScriptVerify(ScriptVerifyError::Invalid)) => Ok(false),
        Err(error) => Err(EngineError::ScriptCheck {
            detail: error.to_string(),
        }),
    }
}

/// Reads a block, and insists that it is exactly these bytes.
pub fn decode(raw: &[u8]) -> Result<Block, EngineError> {
    let undecodable = |detail: &str| EngineError::UndecodableBlock {
        detail: detail.to_owned(),
    };
    let block = Block::new(raw).map_err(|_| undecodable("these bytes are no block"))?;
    if block.consensus_encode()? != raw {
        return Err(undecodable(
            "bytes follow the block, or it is written oddly",
        ));
    }
    Ok(block)
}

/// The parent that a block's bytes name.
pub fn parent(raw: &[u8]) -> BlockHash {
    let mut hash = [0; 32];
    if let Some(bytes) = raw.get(4..36) {
        hash.copy_from_slice(bytes);
    }
    BlockHash::from_byte_array(hash)
}
