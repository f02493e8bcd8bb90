//! What is relayed though consensus would allow more: sizes, script types, dust.

use bitcoin::{
    Script, Transaction, TxOut,
    consensus::encode::serialize,
    opcodes::all::{OP_CHECKMULTISIG, OP_CHECKSIG},
    script::Instruction,
};

use crate::{Coin, Policy, Reject, sigops::small_number};

const MAX_WEIGHT: u64 = 400_000;
const MIN_BASE_SIZE: usize = 65;
const MAX_SCRIPT_SIG: usize = 1650;
/// Keys of a script that asks for some of them.
const MAX_KEYS: u8 = 20;
const MAX_DATA_CARRIER: usize = 100_000;
/// More dust than one output is never relayed; that one must be spent by a child (ephemeral dust).
const MAX_DUST: usize = 1;

/// What a script asks of its spender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One key.
    PubKey,
    /// The hash of one key.
    PubKeyHash,
    /// The hash of a script.
    ScriptHash,
    /// Some of up to three keys.
    Multisig,
    /// Data that nobody can spend.
    Data,
    /// The hash of one key, by witness.
    WitnessPubKeyHash,
    /// The hash of a script, by witness.
    WitnessScriptHash,
    /// A taproot key.
    Taproot,
    /// Pay to anchor: anybody may spend it, with nothing.
    Anchor,
    /// A witness program that no rule is known for yet.
    WitnessUnknown,
    /// Anything else.
    Other,
}

impl Kind {
    /// The kind of a script.
    pub fn of(script: &Script) -> Self {
        let bytes = script.as_bytes();
        if script.is_p2sh() {
            Self::ScriptHash
        } else if script.is_p2wpkh() {
            Self::WitnessPubKeyHash
        } else if script.is_p2wsh() {
            Self::WitnessScriptHash
        } else if script.is_p2tr() {
            Self::Taproot
        } else if bytes == [0x51, 0x02, 0x4e, 0x73] {
            Self::Anchor
        } else if script.is_witness_program() {
            if bytes[0] == 0 {
                Self::Other
            } else {
                Self::WitnessUnknown
            }
        } else if script.is_op_return() && Script::from_bytes(&bytes[1..]).is_push_only() {
            Self::Data
        } else if is_p2pk(script) {
            Self::PubKey
        } else if script.is_p2pkh() {
            Self::PubKeyHash
        } else if is_standard_multisig(script) {
            Self::Multisig
        } else {
            Self::Other
        }
    }
}

/// Whether bytes are as long as a key that begins as they do; Bitcoin Core looks no closer.
fn is_key(bytes: &[u8]) -> bool {
    match bytes.first() {
        Some(2 | 3) => bytes.len() == 33,
        Some(4 | 6 | 7) => bytes.len() == 65,
        _ => false,
    }
}

/// Whether a script asks for one key, as Bitcoin Core tells it.
pub fn is_p2pk(script: &Script) -> bool {
    let [length, key @ .., check] = script.as_bytes() else {
        return false;
    };
    usize::from(*length) == key.len() && is_key(key) && *check == OP_CHECKSIG.to_u8()
}

/// How many of which keys a script asks for, of twenty at the most, as Bitcoin Core tells it. Not the
/// `bitcoin` crate's word for it, which takes anything for a key, and counts them in a byte.
pub fn multisig<'a>(script: &'a Script) -> Option<(u8, Vec<&'a [u8]>)> {
    // A number, the keys, their number, the check.
    let parts: Result<Vec<_>, _> = script
        .instructions()
        .take(usize::from(MAX_KEYS) + 4)
        .collect();
    let parts = parts.ok()?;
    let [needed, keys @ .., all, Instruction::Op(OP_CHECKMULTISIG)] = &parts[..] else {
        return None;
    };
    let (needed, all) = (number(needed)?, number(all)?);
    let key = |part: &Instruction<'a>| match part {
        Instruction::PushBytes(bytes) => Some(bytes.as_bytes()).filter(|bytes| is_key(bytes)),
        Instruction::Op(_) => None,
    };
    let keys: Vec<&'a [u8]> = keys.iter().map(key).collect::<Option<_>>()?;
    (needed <= all && usize::from(all) == keys.len()).then_some((needed, keys))
}

/// A number from 1 to 20; those above 16 have no opcode of their own.
fn number(part: &Instruction<'_>) -> Option<u8> {
    match part {
        Instruction::Op(opcode) => small_number(*opcode),
        Instruction::PushBytes(bytes) => match bytes.as_bytes() {
            [number @ 17..=MAX_KEYS] => Some(*number),
            _ => None,
        },
    }
}

fn is_standard_multisig(script: &Script) -> bool {
    multisig(script).is_some_and(|(_, keys)| keys.len() <= 3)
}

/// Whether an output holds less than a third of what spending it would cost.
pub fn is_dust(output: &TxOut, policy: &Policy) -> bool {
    if Coin::unspendable(&output.script_pubkey) {
        return false;
    }
    let spending = if output.script_pubkey.is_witness_program() {
        67
    } else {
        148
    };
    let size = serialize(output).len() as u64 + spending;
    output.value.to_sat() < policy.dust_relay * size / 1000
}

/// The indexes of the dust outputs.
pub fn dust(transaction: &Transaction, policy: &Policy) -> Vec<u32> {
    (0..)
        .zip(&transaction.output)
        .filter(|(_, output)| is_dust(output, policy))
        .map(|(index, _)| index)
        .collect()
}

/// Whether a transaction is of a form that is relayed, as far as it alone says.
pub fn check_form(transaction: &Transaction, policy: &Policy) -> Result<(), Reject> {
    if !(1..=3).contains(&transaction.version.0) {
        return Err(Reject::new("version"));
    }
    if transaction.weight().to_wu() > MAX_WEIGHT {
        return Err(Reject::new("tx-size"));
    }
    for input in &transaction.input {
        if input.script_sig.len() > MAX_SCRIPT_SIG {
            return Err(Reject::new("scriptsig-size"));
        }
        if !input.script_sig.is_push_only() {
            return Err(Reject::new("scriptsig-not-pushonly"));
        }
    }
    let mut data = 0;
    for output in &transaction.output {
        match Kind::of(&output.script_pubkey) {
            Kind::Other => return Err(Reject::new("scriptpubkey")),
            Kind::Data => data += output.script_pubkey.len(),
            _ => {}
        }
    }
    if data > MAX_DATA_CARRIER {
        return Err(Reject::new("datacarrier"));
    }
    if dust(transaction, policy).len() > MAX_DUST {
        return Err(Reject::new("dust"));
    }
    if transaction.base_size() < MIN_BASE_SIZE {
        return Err(Reject::new("tx-size-small"));
    }
    Ok(())
}
