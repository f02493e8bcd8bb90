//! BIP322: a signature of a message by whoever can spend an output, and proof of funds.
//!
//! Only what the BIP defines is built here; whether scripts hold is asked of the node.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::hashes::Hash;
use bitcoin::opcodes::all::OP_RETURN;
use bitcoin::script::{Builder, Instruction, PushBytes};
use bitcoin::{
    Amount, EcdsaSighashType, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut,
    Txid, Witness, absolute, transaction,
};

use crate::statement::tagged_hash;

/// Inputs of a proof at the most, the message's own included.
pub const MOST_INPUTS: usize = 200;

/// Why a signature cannot be checked at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Neither a witness nor a transaction.
    #[error("it is neither a simple signature (a witness) nor a full one (a transaction)")]
    Encoding,
    /// It does not spend the message.
    #[error("its first input does not spend the message: it signs other words or another script")]
    OtherMessage,
    /// Not of the shape that the BIP asks for.
    #[error("it must have version 0 or 2, no lock times, and one output of nothing to OP_RETURN")]
    Shape,
    /// Too many, or one twice.
    #[error("it has more than 200 inputs, or one of them twice")]
    Inputs,
    /// Anybody could have made it.
    #[error(
        "input {0} needs no signature that can be checked: only P2PKH, P2SH, P2WPKH, P2WSH \
             and P2TR with a signature prove an owner"
    )]
    NoOwner(usize),
    /// Signed in a way that holds under other words, too.
    #[error(
        "input {0} is signed with another flag than SIGHASH_ALL, so that its signature could have \
             been taken from elsewhere: sign it with SIGHASH_ALL"
    )]
    OtherFlag(usize),
}

/// The hash of a message.
pub fn message_hash(message: &[u8]) -> [u8; 32] {
    tagged_hash("BIP0322-signed-message", message)
}

/// The transaction that "pays" to the script, with the message in it. It exists nowhere.
pub fn to_spend(script: &Script, message: &[u8]) -> Transaction {
    let hash = message_hash(message);
    Transaction {
        version: transaction::Version(0),
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::new(Txid::all_zeros(), u32::MAX),
            script_sig: Builder::new()
                .push_int(0)
                .push_slice(<&PushBytes>::from(&hash))
                .into_script(),
            sequence: Sequence::ZERO,
            witness: Witness::new(),
        }],
        output: vec![TxOut {
            value: Amount::ZERO,
            script_pubkey: script.to_owned(),
        }],
    }
}

/// The transaction that spends it, without coins.
pub fn to_sign(script: &Script, message: &[u8]) -> Transaction {
    let spent = to_spend(script, message).compute_txid();
    Transaction {
        version: transaction::Version(0),
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::new(spent, 0),
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ZERO,
            witness: Witness::new(),
        }],
        output: vec![TxOut {
            value: Amount::ZERO,
            script_pubkey: Builder::new().push_opcode(OP_RETURN).into_script(),
        }],
    }
}

/// The signed transaction that a signature stands for: its first input spends the message, the
/// others are the coins that are shown.
pub fn read(signature: &str, script: &Script, message: &[u8]) -> Result<Transaction, Malformed> {
    let bytes = STANDARD
        .decode(signature.trim())
        .map_err(|_| Malformed::Encoding)?;
    let wanted = to_sign(script, message);
    if let Ok(witness) = deserialize::<Witness>(&bytes) {
        let mut signed = wanted;
        signed.input[0].witness = witness;
        return Ok(signed);
    }
    let signed: Transaction = deserialize(&bytes).map_err(|_| Malformed::Encoding)?;
    let first = signed.input.first().ok_or(Malformed::Shape)?;
    if first.previous_output != wanted.input[0].previous_output {
        return Err(Malformed::OtherMessage);
    }
    let version = matches!(signed.version.0, 0 | 2);
    let now = |sequence: Sequence| sequence == Sequence::ZERO || !sequence.is_relative_lock_time();
    let no_locks = signed.lock_time == absolute::LockTime::ZERO
        && first.sequence == Sequence::ZERO
        && signed.input.iter().all(|input| now(input.sequence));
    if !version || !no_locks || signed.output != wanted.output {
        return Err(Malformed::Shape);
    }
    let mut spent: Vec<_> = signed
        .input
        .iter()
        .map(|input| input.previous_output)
        .collect();
    spent.sort();
    spent.dedup();
    if spent.len() != signed.input.len() || spent.len() > MOST_INPUTS {
        return Err(Malformed::Inputs);
    }
    Ok(signed)
}

/// Whether only an owner can have satisfied this script. Consensus rules alone would let anybody
/// spend outputs of versions to come, and scripts without a signature.
pub fn needs_owner(script: &Script, input: &TxIn) -> bool {
    let legacy = signature_pushed(&input.script_sig);
    let witness = || input.witness.iter().any(is_signature);
    if script.is_p2pkh() {
        return legacy;
    }
    if script.is_p2sh() {
        let redeem = last_push(&input.script_sig);
        let redeem = redeem.as_deref().map(Script::from_bytes);
        return match redeem {
            Some(inner) if inner.is_p2wpkh() || inner.is_p2wsh() => witness(),
            Some(inner) if inner.is_witness_program() => false,
            _ => legacy,
        };
    }
    if script.is_p2wpkh() || script.is_p2wsh() {
        return witness();
    }
    script.is_p2tr() && taproot_has_owner(&input.witness)
}

fn taproot_has_owner(witness: &Witness) -> bool {
    let items: Vec<_> = witness.iter().collect();
    match items.as_slice() {
        [only] => is_signature(only),
        // With the leaf version that consensus checks; an annex has the first byte 0x50.
        [stack @ .., _, control] => {
            control.first().is_some_and(|byte| byte & 0xfe == 0xc0)
                && stack.iter().any(|item| is_signature(item))
        }
        [] => false,
    }
}

/// Whether every signature of an input binds the whole transaction, as BIP322 requires: one made
/// with `NONE | ANYONECANPAY` for another purpose would show its coin under anybody's words.
///
/// What only looks like a signature is refused with them: better a good proof made anew than a
/// bad one taken.
pub fn binds_all(script: &Script, input: &TxIn) -> bool {
    let pushed = input.script_sig.instructions().flatten();
    let pushed = pushed.filter_map(|one| match one {
        Instruction::PushBytes(push) => Some(push.as_bytes()),
        Instruction::Op(_) => None,
    });
    let taproot = script.is_p2tr();
    // 64 bytes are SIGHASH_DEFAULT, which binds what SIGHASH_ALL binds (BIP341).
    let all = |item: &[u8]| match item.len() {
        65 if taproot => item[64] == EcdsaSighashType::All as u8,
        9..=73 if !taproot && item[0] == 0x30 => item.ends_with(&[EcdsaSighashType::All as u8]),
        _ => true,
    };
    pushed.chain(input.witness.iter()).all(all)
}

/// Whether bytes have the form of a DER or BIP340 signature with its flag.
fn is_signature(item: &[u8]) -> bool {
    matches!(item.len(), 64 | 65) || ((9..=73).contains(&item.len()) && item[0] == 0x30)
}

fn signature_pushed(script: &Script) -> bool {
    let mut pushes = script.instructions().flatten();
    pushes.any(|one| matches!(one, Instruction::PushBytes(push) if is_signature(push.as_bytes())))
}

fn last_push(script: &Script) -> Option<Vec<u8>> {
    match script.instructions().last()?.ok()? {
        Instruction::PushBytes(push) => Some(push.as_bytes().to_vec()),
        Instruction::Op(_) => None,
    }
}

/// The bytes that the node checks.
pub fn raw(transaction: &Transaction) -> Vec<u8> {
    serialize(transaction)
}

#[cfg(test)]
mod tests {
    use bitcoin::address::NetworkUnchecked;
    use bitcoin::secp256k1::{Message, Secp256k1};
    use bitcoin::sighash::SighashCache;
    use bitcoin::{Address, PublicKey};

    use super::*;

    /// The BIP's own test vectors for one address: message, hash, both transactions, signature.
    const ADDRESS: &str = "bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l";
    const VECTORS: [(&str, &str, &str, &str, &str); 2] = [
        (
            "",
            "c90c269c4f8fcbe6880f72a721ddfbf1914268a794cbb21cfafee13770ae19f1",
            "c5680aa69bb8d860bf82d4e9cd3504b55dde018de765a91bb566283c545a99a7",
            "1e9654e951a5ba44c8604c4de6c67fd78a27e81dcadcfe1edf638ba3aaebaed6",
            "AkcwRAIgM2gBAQqvZX15ZiysmKmQpDrG83avLIT492QBzLnQIxYCIBaTpOaD20qRlEylyxFSeEA2ba9YOixpX8z46TSDtS40ASECx/EgAxlkQpQ9hYjgGu6EBCPMVPwVIVJqO4XCsMvViHI=",
        ),
        (
            "Hello World",
            "f0eb03b1a75ac6d9847f55c624a99169b5dccba2a31f5b23bea77ba270de0a7a",
            "b79d196740ad5217771c1098fc4a4b51e0535c32236c71f1ea4d61a2d603352b",
            "88737ae86f2077145f93cc4b153ae9a1cb8d56afa511988c149c5c8c9d93bddf",
            "AkcwRAIgZRfIY3p7/DoVTty6YZbWS71bc5Vct9p9Fia83eRmw2QCICK/ENGfwLtptFluMGs2KsqoNSk89pO7F29zJLUx9a/sASECx/EgAxlkQpQ9hYjgGu6EBCPMVPwVIVJqO4XCsMvViHI=",
        ),
    ];

    fn script() -> ScriptBuf {
        let address: Address<NetworkUnchecked> = ADDRESS.parse().unwrap();
        address.assume_checked().script_pubkey()
    }

    /// Whether the first input's P2WPKH signature holds, by secp256k1 itself.
    fn holds(signed: &Transaction) -> bool {
        let witness: Vec<_> = signed.input[0].witness.iter().collect();
        let signature = bitcoin::ecdsa::Signature::from_slice(witness[0]).unwrap();
        let key = PublicKey::from_slice(witness[1]).unwrap();
        let hash = SighashCache::new(signed)
            .p2wpkh_signature_hash(0, &script(), Amount::ZERO, EcdsaSighashType::All)
            .unwrap();
        let message = Message::from_digest(hash.to_byte_array());
        Secp256k1::verification_only()
            .verify_ecdsa(&message, &signature.signature, &key.inner)
            .is_ok()
    }

    #[test]
    fn published_messages_have_their_published_hashes_and_transactions() {
        for (message, hash, spend, sign, signature) in VECTORS {
            let message = message.as_bytes();
            assert_eq!(hex::encode(message_hash(message)), hash);
            assert_eq!(
                to_spend(&script(), message).compute_txid().to_string(),
                spend
            );
            assert_eq!(to_sign(&script(), message).compute_txid().to_string(), sign);
            let signed = read(signature, &script(), message).unwrap();
            assert!(holds(&signed));
            assert!(needs_owner(&script(), &signed.input[0]));
            let other = read(signature, &script(), b"another").unwrap();
            assert!(!holds(&other));
        }
    }

    #[test]
    fn full_signatures_are_read_and_what_bends_the_rules_is_refused() {
        let full = |change: fn(&mut Transaction)| {
            let mut signed = to_sign(&script(), b"m");
            signed.input[0].witness = Witness::from_slice(&[[1_u8; 64]]);
            change(&mut signed);
            read(&STANDARD.encode(raw(&signed)), &script(), b"m").map(drop)
        };
        assert_eq!(full(|_| {}), Ok(()));
        assert_eq!(full(|t| t.version.0 = 1), Err(Malformed::Shape));
        assert_eq!(
            full(|t| t.output[0].value = Amount::ONE_SAT),
            Err(Malformed::Shape)
        );
        let later = |t: &mut Transaction| {
            t.lock_time = absolute::LockTime::from_consensus(1);
        };
        assert_eq!(full(later), Err(Malformed::Shape));
        let elsewhere = |t: &mut Transaction| t.input[0].previous_output.vout = 1;
        assert_eq!(full(elsewhere), Err(Malformed::OtherMessage));
        let twice = |t: &mut Transaction| t.input.push(t.input[0].clone());
        assert_eq!(full(twice), Err(Malformed::Inputs));
        assert_eq!(
            read("no base64!", &script(), b"m"),
            Err(Malformed::Encoding)
        );
        assert_eq!(
            read("AAAA", &script(), b"m").map(drop),
            Err(Malformed::Encoding)
        );
    }

    fn input(witness: &[&[u8]]) -> TxIn {
        TxIn {
            witness: Witness::from_slice(witness),
            ..TxIn::default()
        }
    }

    #[test]
    fn signatures_that_hold_for_other_words_prove_nothing() {
        let taproot = ScriptBuf::from_hex(&format!("5120{}", "ab".repeat(32))).unwrap();
        let der = |flag: u8| [&[0x30][..], &[7; 69], &[flag]].concat();
        let schnorr = |flag: u8| [&[7; 64][..], &[flag]].concat();
        let (good, key) = (der(1), [2; 33]);
        assert!(binds_all(&taproot, &input(&[&[7; 64]])), "SIGHASH_DEFAULT");
        for flag in [0x01, 0x02, 0x03, 0x81, 0x82, 0x83] {
            let all = flag == 0x01;
            let (der, schnorr) = (der(flag), schnorr(flag));
            assert_eq!(binds_all(&script(), &input(&[&der, &key])), all, "{flag}");
            assert_eq!(binds_all(&taproot, &input(&[&schnorr])), all, "{flag}");
            let mut legacy = TxIn::default();
            let pushed = <&PushBytes>::try_from(der.as_slice()).unwrap();
            legacy.script_sig = Builder::new().push_slice(pushed).into_script();
            let p2sh = Builder::new().push_int(1).into_script().to_p2sh();
            assert_eq!(binds_all(&p2sh, &legacy), all, "{flag}");
            // One of several, as in a script of two signatures.
            let both = input(&[&[], &good, &der, &key]);
            assert_eq!(binds_all(&script(), &both), all, "{flag}");
        }
    }

    #[test]
    fn scripts_that_anybody_satisfies_prove_nothing() {
        let signature = [1_u8; 64];
        let truth = Builder::new().push_int(1).into_script();
        assert!(!needs_owner(&truth, &input(&[])));
        let p2wsh = truth.to_p2wsh();
        assert!(!needs_owner(&p2wsh, &input(&[truth.as_bytes()])));
        let later = ScriptBuf::from_hex(&format!("5220{}", "ab".repeat(32))).unwrap();
        assert!(
            !needs_owner(&later, &input(&[&signature])),
            "witness version 2"
        );
        let taproot = ScriptBuf::from_hex(&format!("5120{}", "ab".repeat(32))).unwrap();
        assert!(needs_owner(&taproot, &input(&[&signature])));
        let leaf = [&[0xc2][..], &[0; 32]].concat();
        assert!(!needs_owner(
            &taproot,
            &input(&[&signature, truth.as_bytes(), &leaf])
        ));
        let mut nested = input(&[&signature]);
        let pushed = <&PushBytes>::try_from(taproot.as_bytes()).unwrap();
        nested.script_sig = Builder::new().push_slice(pushed).into_script();
        assert!(
            !needs_owner(&taproot.to_p2sh(), &nested),
            "taproot in P2SH is nobody's"
        );
    }
}
