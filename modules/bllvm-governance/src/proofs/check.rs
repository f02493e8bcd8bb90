//! Whether a proof is good: every step asks our own node.

use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction};
use bllvm_sdk::types::{Coin, Hex, Txid};
use bllvm_sdk::{CallError, ErrorCode, Node};

use super::bip322::{self, Malformed};
use super::{Challenge, FRESH, Proof};

/// Why a proof is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The words are no challenge.
    #[error("bad_message: the message is no challenge; `get_challenge` gives one")]
    Message,
    /// For another chain.
    #[error("other_chain: the challenge names the chain that begins with {0}")]
    OtherChain(String),
    /// For a key that nobody has.
    #[error("unknown_key: {0} is not the key of a configured economic node")]
    UnknownKey(String),
    /// Too old, or of a branch that was left.
    #[error(
        "stale_challenge: the challenge's block is more than 144 deep, or not in the best chain"
    )]
    Stale,
    /// It cannot be checked.
    #[error("bad_proof: {0}")]
    Malformed(#[from] Malformed),
    /// Spent, unconfirmed, or never there.
    #[error("coin_not_unspent: {0} is not in this node's set of unspent outputs")]
    NotUnspent(OutPoint),
    /// Its script does not hold.
    #[error("bad_signature: input {0} does not satisfy its script")]
    Signature(usize),
    /// Somebody else has it.
    #[error("taken: {0} was proven by another key")]
    Taken(String),
    /// The node is away.
    #[error(transparent)]
    Node(#[from] CallError),
}

/// Checks a proof against our node; `others` are the proofs that hold already.
///
/// # Errors
/// [`Refused`]; nothing was kept then.
pub async fn check(
    node: &Node,
    chain: &str,
    knows: impl Fn(&str) -> bool,
    others: &[Proof],
    (script, message, signature): (&ScriptBuf, &str, &str),
) -> Result<Proof, Refused> {
    let challenge = Challenge::read(message).ok_or(Refused::Message)?;
    if challenge.chain != chain {
        return Err(Refused::OtherChain(challenge.chain));
    }
    if !knows(&challenge.key) {
        return Err(Refused::UnknownKey(challenge.key));
    }
    let height = fresh(node, &challenge).await?;
    // What is signed is the message in its one form.
    let signed = bip322::read(signature, script, challenge.text().as_bytes())?;
    let coins: Vec<_> = signed.input[1..]
        .iter()
        .map(|input| input.previous_output)
        .collect();
    let proof = Proof {
        // The key's one spelling, under which its weight is looked up.
        key: challenge.key.to_lowercase(),
        script: script.to_hex_string(),
        height,
        block: challenge.block.to_string(),
        coins: coins.iter().map(ToString::to_string).collect(),
        signature: signature.trim().to_owned(),
    };
    not_taken(&proof, others)?;
    let spent = spent(node, script, &coins).await?;
    holds(node, &signed, &spent).await?;
    Ok(proof)
}

async fn fresh(node: &Node, challenge: &Challenge) -> Result<u32, Refused> {
    let tip = node.tip().await?;
    let header = match node.header(challenge.block).await {
        Ok(header) => header,
        Err(CallError::Reply(reply)) if reply.code == ErrorCode::NotFound => {
            return Err(Refused::Stale);
        }
        Err(error) => return Err(error.into()),
    };
    let young = tip.height.saturating_sub(header.height) <= FRESH;
    (header.in_best_chain && young)
        .then_some(header.height)
        .ok_or(Refused::Stale)
}

/// A coin counts once, and a script is one node's.
fn not_taken(proof: &Proof, others: &[Proof]) -> Result<(), Refused> {
    for other in others.iter().filter(|other| other.key != proof.key) {
        if other.script == proof.script {
            return Err(Refused::Taken(proof.script.clone()));
        }
        if let Some(coin) = proof.coins.iter().find(|coin| other.coins.contains(coin)) {
            return Err(Refused::Taken(coin.clone()));
        }
    }
    Ok(())
}

/// The outputs that the inputs spend, the message's own first.
async fn spent(node: &Node, script: &ScriptBuf, coins: &[OutPoint]) -> Result<Vec<Coin>, Refused> {
    let mut spent = vec![Coin {
        value_sat: 0,
        script_pubkey: Hex(script.to_bytes()),
        height: 0,
        coinbase: false,
    }];
    for coin in coins {
        let found = node.utxo(txid(coin), coin.vout).await?;
        spent.push(found.coin.ok_or(Refused::NotUnspent(*coin))?);
    }
    Ok(spent)
}

async fn holds(node: &Node, signed: &Transaction, spent: &[Coin]) -> Result<(), Refused> {
    let raw = bip322::raw(signed);
    for (place, (input, coin)) in signed.input.iter().zip(spent).enumerate() {
        let script = ScriptBuf::from_bytes(coin.script_pubkey.0.clone());
        if !bip322::needs_owner(&script, input) {
            return Err(Malformed::NoOwner(place).into());
        }
        if !bip322::binds_all(&script, input) {
            return Err(Malformed::OtherFlag(place).into());
        }
        let number = u32::try_from(place).unwrap_or(u32::MAX);
        let verdict = node
            .verify_script(raw.clone(), number, spent.to_vec())
            .await?;
        if !verdict.valid {
            return Err(Refused::Signature(place));
        }
        // Only a signature makes a script look at what is paid. One that holds whatever is paid was
        // satisfied without a signature, or by one that holds for other words.
        let verdict = node
            .verify_script(paying_otherwise(signed), number, spent.to_vec())
            .await?;
        if verdict.valid {
            return Err(Malformed::NoOwner(place).into());
        }
    }
    Ok(())
}

/// The same transaction with another output.
fn paying_otherwise(signed: &Transaction) -> Vec<u8> {
    let mut other = signed.clone();
    for output in &mut other.output {
        output.value += Amount::ONE_SAT;
    }
    bip322::raw(&other)
}

/// A coin's transaction, as the channel names it.
pub fn txid(coin: &OutPoint) -> Txid {
    Txid(bitcoin::hashes::Hash::to_byte_array(coin.txid))
}
