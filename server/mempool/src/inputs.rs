//! Whether what an input shows is of a form that is relayed. The kernel checks scripts by consensus
//! only; this keeps out what a later soft fork may forbid, so that no block made here breaks it, and
//! the common ways to change somebody else's signature.

use bitcoin::{
    Script, Transaction, TxIn, Witness, ecdsa,
    script::{Instruction, PushBytes},
};

use crate::{Coin, Reject, sigops, standard::Kind};

/// The most signature checks of a script behind a hash.
const MAX_P2SH_SIGOPS: u64 = 15;
/// The most signature checks of a transaction, witnesses apart; BIP 54 may forbid more.
const MAX_BARE_SIGOPS: u64 = 2500;
const MAX_WITNESS_SCRIPT: usize = 3600;
const MAX_WITNESS_ITEMS: usize = 100;
const MAX_WITNESS_ITEM: usize = 80;
const ANNEX: u8 = 0x50;
const TAPSCRIPT: u8 = 0xc0;
const SCRIPT: &str = "mempool-script-verify-flag-failed";

/// Checks all inputs against what they spend.
pub fn check_inputs(transaction: &Transaction, coins: &[Coin]) -> Result<(), Reject> {
    if sigops::run(transaction, coins) > MAX_BARE_SIGOPS {
        return Err(Reject::with(
            "bad-txns-nonstandard-inputs",
            "non-witness sigops exceed bip54 limit",
        ));
    }
    for (index, (input, coin)) in transaction.input.iter().zip(coins).enumerate() {
        check_input(input, &coin.output.script_pubkey).map_err(|mut reject| {
            reject.detail = format!("input {index} {}", reject.detail);
            reject
        })?;
    }
    Ok(())
}

fn check_input(input: &TxIn, spent: &Script) -> Result<(), Reject> {
    let form = |why: &str| Err(Reject::with("bad-txns-nonstandard-inputs", why));
    match Kind::of(spent) {
        Kind::Other => return form("spends an unknown script"),
        Kind::Data => return form("spends data"),
        Kind::WitnessUnknown => return form("spends a witness version without rules"),
        Kind::ScriptHash => {
            let Some(redeem) = last_push(&input.script_sig) else {
                return form("shows no script");
            };
            let redeem = Script::from_bytes(redeem.as_bytes());
            if sigops::count(redeem, true) > MAX_P2SH_SIGOPS {
                return form("has too many signature checks");
            }
            if redeem.is_witness_program() {
                return check_witness(&input.witness, redeem, true);
            }
            no_spare_opcodes(redeem, false)?;
        }
        Kind::PubKeyHash => {
            if let Some(Ok(Instruction::PushBytes(signature))) =
                input.script_sig.instructions().next()
            {
                check_signature(signature.as_bytes())?;
            }
        }
        Kind::PubKey
        | Kind::Multisig
        | Kind::WitnessPubKeyHash
        | Kind::WitnessScriptHash
        | Kind::Taproot
        | Kind::Anchor => {}
    }
    if input.witness.is_empty() && !spent.is_witness_program() {
        return Ok(());
    }
    check_witness(&input.witness, spent, false)
}

fn check_witness(witness: &Witness, program: &Script, in_p2sh: bool) -> Result<(), Reject> {
    let form = |why: &str| Err(Reject::with("bad-witness-nonstandard", why));
    let last = witness.last().unwrap_or_default();
    match Kind::of(program) {
        Kind::WitnessPubKeyHash => {
            let mut shown = witness.iter();
            if let (Some(signature), Some(key)) = (shown.next(), shown.next()) {
                check_signature(signature)?;
                if key.len() != 33 {
                    return Err(Reject::with(SCRIPT, "Using non-compressed keys in segwit"));
                }
            }
            Ok(())
        }
        Kind::WitnessScriptHash => {
            let before = witness.len().saturating_sub(1);
            if last.len() > MAX_WITNESS_SCRIPT || before > MAX_WITNESS_ITEMS {
                return form("shows a script or a stack that is too large");
            }
            if witness
                .iter()
                .take(before)
                .any(|item| item.len() > MAX_WITNESS_ITEM)
            {
                return form("shows an item that is too large");
            }
            no_spare_opcodes(Script::from_bytes(last), false)
        }
        Kind::Taproot if !in_p2sh => check_taproot(witness),
        Kind::Anchor if witness.is_empty() => Ok(()),
        Kind::Anchor => form("shows a witness to an anchor"),
        Kind::Taproot | Kind::WitnessUnknown => Err(Reject::with(
            "bad-txns-nonstandard-inputs",
            "spends a witness version without rules",
        )),
        _ => form("shows a witness that nothing asks for"),
    }
}

fn check_taproot(witness: &Witness) -> Result<(), Reject> {
    let form = |why: &str| Err(Reject::with("bad-witness-nonstandard", why));
    if witness.len() < 2 {
        return Ok(());
    }
    let control = witness.last().unwrap_or_default();
    match control.first() {
        None => form("shows an empty control block"),
        Some(&ANNEX) => form("has an annex"),
        Some(leaf) if leaf & 0xfe != TAPSCRIPT => Err(Reject::with(
            SCRIPT,
            "Taproot version reserved for soft-fork upgrades",
        )),
        Some(_) => {
            let items = witness.len() - 2;
            if witness
                .iter()
                .take(items)
                .any(|item| item.len() > MAX_WITNESS_ITEM)
            {
                return form("shows an item that is too large");
            }
            no_spare_opcodes(
                Script::from_bytes(witness.nth(items).unwrap_or_default()),
                true,
            )
        }
    }
}

/// Refuses opcodes that a soft fork may give a meaning, whether they would run or not.
fn no_spare_opcodes(script: &Script, tapscript: bool) -> Result<(), Reject> {
    for instruction in script.instructions() {
        let Ok(Instruction::Op(opcode)) = instruction else {
            continue;
        };
        match opcode.to_u8() {
            0xb0 | 0xb3..=0xb9 => {
                return Err(Reject::with(SCRIPT, "NOPx reserved for soft-fork upgrades"));
            }
            80 | 98 | 126..=129 | 131..=134 | 137 | 138 | 141 | 142 | 149..=153 | 187..=254
                if tapscript =>
            {
                return Err(Reject::with(
                    SCRIPT,
                    "OP_SUCCESSx reserved for soft-fork upgrades",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A signature must be written in the one way that nobody else can change.
fn check_signature(bytes: &[u8]) -> Result<(), Reject> {
    if bytes.is_empty() {
        return Ok(());
    }
    let Ok(parsed) = ecdsa::Signature::from_slice(bytes) else {
        return Err(Reject::with(SCRIPT, "Non-canonical DER signature"));
    };
    let mut low = parsed.signature;
    low.normalize_s();
    if low != parsed.signature {
        return Err(Reject::with(
            SCRIPT,
            "Non-canonical signature: S value is unnecessarily high",
        ));
    }
    Ok(())
}

fn last_push(script: &Script) -> Option<&PushBytes> {
    match script.instructions().last()? {
        Ok(Instruction::PushBytes(bytes)) => Some(bytes),
        _ => None,
    }
}
