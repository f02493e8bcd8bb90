//! What signature checks cost, counted as Bitcoin Core counts them (`GetTransactionSigOpCost`).
//!
//! The `bitcoin` crate counts, too, but lets the number before one `OP_CHECKMULTISIG` stand for the
//! ones behind it as well, which count as 20 each. Transactions can be made that cost 20 times as much
//! as it says, and a block of them is invalid.

use bitcoin::{
    Script, Transaction, TxIn,
    opcodes::{
        Opcode,
        all::{
            OP_CHECKMULTISIG, OP_CHECKMULTISIGVERIFY, OP_CHECKSIG, OP_CHECKSIGVERIFY, OP_PUSHNUM_1,
            OP_PUSHNUM_16,
        },
    },
    script::Instruction,
};

use crate::Coin;

/// What a check outside of a witness costs.
const BARE: u64 = 4;
/// The checks of an `OP_CHECKMULTISIG` that does not say how many keys it has.
const MOST_KEYS: u64 = 20;

/// The cost of a transaction's checks, those of what it spends included. `coins` are what the inputs
/// spend, in their order; none for a coinbase.
pub fn cost(transaction: &Transaction, coins: &[Coin]) -> u64 {
    let spends = transaction.input.iter().zip(coins);
    let spends = spends.map(|(input, coin)| {
        let spent = coin.output.script_pubkey.as_script();
        if !spent.is_p2sh() {
            return by_witness(input, spent);
        }
        redeem_script(input).map_or(0, |redeem| {
            BARE * count(redeem, true) + by_witness(input, redeem)
        })
    });
    bare_cost(transaction) + spends.sum::<u64>()
}

/// The cost of the checks that stand in the transaction itself, its witnesses apart.
pub fn bare_cost(transaction: &Transaction) -> u64 {
    let inputs = transaction.input.iter().map(|one| &one.script_sig);
    let outputs = transaction.output.iter().map(|one| &one.script_pubkey);
    BARE * inputs
        .chain(outputs)
        .map(|script| count(script, false))
        .sum::<u64>()
}

/// The checks, witnesses apart, that may run when a transaction is checked (BIP 54).
pub fn run(transaction: &Transaction, coins: &[Coin]) -> u64 {
    let spends = transaction.input.iter().zip(coins);
    let spends = spends.map(|(input, coin)| {
        let spent = coin.output.script_pubkey.as_script();
        let behind = if spent.is_p2sh() {
            redeem_script(input).map_or(0, |redeem| count(redeem, true))
        } else {
            count(spent, true)
        };
        count(&input.script_sig, true) + behind
    });
    spends.sum()
}

/// The checks in a script. With `exact`, a number of keys right before an `OP_CHECKMULTISIG` counts.
pub fn count(script: &Script, exact: bool) -> u64 {
    let (mut checks, mut number) = (0, None);
    for instruction in script.instructions() {
        let Ok(instruction) = instruction else { break };
        let Instruction::Op(opcode) = instruction else {
            number = None;
            continue;
        };
        checks += match opcode {
            OP_CHECKSIG | OP_CHECKSIGVERIFY => 1,
            OP_CHECKMULTISIG | OP_CHECKMULTISIGVERIFY => {
                number.filter(|_| exact).unwrap_or(MOST_KEYS)
            }
            _ => 0,
        };
        number = small_number(opcode).map(u64::from);
    }
    checks
}

/// The number, 1 to 16, that an opcode stands for.
pub fn small_number(opcode: Opcode) -> Option<u8> {
    let numbers = OP_PUSHNUM_1.to_u8()..=OP_PUSHNUM_16.to_u8();
    let code = opcode.to_u8();
    numbers.contains(&code).then(|| code - numbers.start() + 1)
}

fn by_witness(input: &TxIn, program: &Script) -> u64 {
    if program.is_p2wpkh() {
        1
    } else if program.is_p2wsh() {
        let shown = input.witness.last();
        shown.map_or(0, |script| count(Script::from_bytes(script), true))
    } else {
        0
    }
}

/// What the last push shows; none where there is anything but pushes.
fn redeem_script(input: &TxIn) -> Option<&Script> {
    let mut last: &[u8] = &[];
    for instruction in input.script_sig.instructions() {
        last = match instruction {
            Ok(Instruction::PushBytes(bytes)) => bytes.as_bytes(),
            Ok(Instruction::Op(opcode)) if opcode.to_u8() <= OP_PUSHNUM_16.to_u8() => &[],
            _ => return None,
        };
    }
    Some(Script::from_bytes(last))
}

#[cfg(test)]
mod tests {
    use bitcoin::{
        Amount, OutPoint, ScriptBuf, Sequence, TxOut, Witness, absolute::LockTime,
        hashes::Hash as _, script::PushBytesBuf, transaction::Version,
    };

    use super::*;

    const CHECK: u8 = 0xac;
    const CHECK_MANY: u8 = 0xae;

    #[test]
    fn a_number_of_keys_counts_for_the_check_right_behind_it() {
        let cases: [(&[u8], u64, u64); 7] = [
            (&[CHECK, CHECK], 2, 2),
            (&[0x53, CHECK_MANY], 3, 20),
            (&[CHECK_MANY], 20, 20),
            (&[0x51, CHECK_MANY, CHECK_MANY], 21, 40),
            (&[0x52, CHECK, CHECK_MANY], 21, 21),
            (&[0x52, 0x01, 0x02, CHECK_MANY], 20, 20),
            // What follows a push that is cut off is no opcode.
            (&[CHECK, 0x05, CHECK], 1, 1),
        ];
        for (script, exact, rough) in cases {
            let script = Script::from_bytes(script);
            assert_eq!(count(script, true), exact, "{script}");
            assert_eq!(count(script, false), rough, "{script}");
        }
    }

    fn coin(script_pubkey: ScriptBuf) -> Coin {
        Coin {
            output: TxOut {
                value: Amount::ONE_BTC,
                script_pubkey,
            },
            height: 1,
            coinbase: false,
        }
    }

    #[test]
    fn a_check_costs_four_outside_of_a_witness() {
        let checks = ScriptBuf::from_bytes(vec![0x52, CHECK_MANY, CHECK]);
        let push = |bytes: &[u8]| {
            let bytes = PushBytesBuf::try_from(bytes.to_vec()).unwrap();
            bitcoin::script::Builder::new()
                .push_slice(bytes)
                .into_script()
        };
        let program = ScriptBuf::new_p2wsh(&checks.wscript_hash());
        let key = ScriptBuf::new_p2wpkh(&bitcoin::WPubkeyHash::from_byte_array([7; 20]));
        let hash = |script: &ScriptBuf| ScriptBuf::new_p2sh(&script.script_hash());
        let shown = Witness::from_slice(&[checks.as_bytes()]);
        let none = ScriptBuf::new();
        // Script of the output spent, signature script, witness; cost, and checks of BIP 54.
        let cases = [
            (
                hash(&checks),
                push(checks.as_bytes()),
                Witness::new(),
                12,
                3,
            ),
            (program.clone(), none.clone(), shown.clone(), 3, 0),
            (
                hash(&program),
                push(program.as_bytes()),
                shown.clone(),
                3,
                0,
            ),
            (key.clone(), none.clone(), shown.clone(), 1, 0),
            (hash(&key), push(key.as_bytes()), shown, 1, 0),
            // 20 in a signature script; nothing behind what is more than pushes.
            (hash(&checks), checks.clone(), Witness::new(), 84, 3),
            (checks, none, Witness::new(), 0, 3),
        ];
        for (number, (script_pubkey, script_sig, witness, cost, run)) in (0..).zip(cases) {
            let transaction = Transaction {
                version: Version::TWO,
                lock_time: LockTime::ZERO,
                input: vec![TxIn {
                    previous_output: OutPoint::null(),
                    script_sig,
                    sequence: Sequence::MAX,
                    witness,
                }],
                output: vec![TxOut {
                    value: Amount::ONE_SAT,
                    script_pubkey: ScriptBuf::from_bytes(vec![CHECK]),
                }],
            };
            let coins = [coin(script_pubkey)];
            assert_eq!(super::cost(&transaction, &coins), cost + 4, "case {number}");
            assert_eq!(super::run(&transaction, &coins), run, "case {number}");
        }
    }
}
