//! Proofs and challenges, damaged at random: nothing panics, and what is read is what the BIP allows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bitcoin::consensus::deserialize;
use bitcoin::hashes::Hash as _;
use bitcoin::script::Builder;
use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid};
use bllvm_sdk::types::BlockHash;

use super::{Challenge, bip322};
use crate::damage;

/// "Hello World", signed in the BIP's own test vectors.
const SIGNATURE: &str = "AkcwRAIgZRfIY3p7/DoVTty6YZbWS71bc5Vct9p9Fia83eRmw2QCICK/ENGfwLtptFluMGs2KsqoNSk89pO7F29zJLUx9a/sASECx/EgAxlkQpQ9hYjgGu6EBCPMVPwVIVJqO4XCsMvViHI=";

/// The script that it is of.
fn owner() -> ScriptBuf {
    ScriptBuf::from_hex("00142b05d564e6a7a33c087f16e0f730d1440123799d").unwrap()
}

/// Counts, flags and sizes as transactions and scripts have them.
const PIECES: &[&[u8]] = &[
    &[0],
    &[0xff; 9],
    &[0xfd, 0xff, 0xff],
    &[0xfe, 0xff, 0xff, 0xff, 0xff],
    &[0, 1],
    &[0x30, 0x44],
    &[0x40; 65],
    &[0x4c, 0xff],
    &[0x4e, 0xff, 0xff, 0xff, 0xff],
    &[0x51, 0x20],
    &[0xc0],
    &[0x50],
    &[0x6a],
    &[0xac],
    b"==",
    b"AkcwRA",
    b" \r\n",
];

#[test]
fn no_damaged_proof_makes_a_panic() {
    let taproot = ScriptBuf::from_hex(&format!("5120{}", "ab".repeat(32))).unwrap();
    let legacy = ScriptBuf::from_hex(&format!("76a914{}88ac", "cd".repeat(20))).unwrap();
    let open = Builder::new().push_int(1).into_script();
    let scripts = [
        owner(),
        taproot,
        legacy,
        open.to_p2sh(),
        open.to_p2wsh(),
        open,
    ];
    let message = b"Hello World";
    let mut full = bip322::read(SIGNATURE, &owner(), message).unwrap();
    for (vout, script_sig) in [(0, vec![]), (7, vec![0x16, 0, 0x14]), (9, vec![0x47; 72])] {
        let mut shown = full.input[0].clone();
        shown.previous_output = OutPoint::new(Txid::from_byte_array([3; 32]), vout);
        shown.script_sig = ScriptBuf::from_bytes(script_sig);
        full.input.push(shown);
    }
    let (full, simple) = (bip322::raw(&full), STANDARD.decode(SIGNATURE).unwrap());
    let text = SIGNATURE.as_bytes();
    damage::fuzz("BIP322 proof", &[&full, &simple, text], PIECES, |bytes| {
        let texts = [
            STANDARD.encode(bytes),
            String::from_utf8_lossy(bytes).into_owned(),
        ];
        for text in texts {
            let Ok(signed) = bip322::read(&text, &owner(), message) else {
                continue;
            };
            let wanted = bip322::to_sign(&owner(), message);
            assert_eq!(signed.output, wanted.output);
            let (first, spent) = (&signed.input[0], wanted.input[0].previous_output);
            assert_eq!(first.previous_output, spent);
            assert!(signed.input.len() <= bip322::MOST_INPUTS);
            assert_eq!(
                deserialize::<Transaction>(&bip322::raw(&signed)).unwrap(),
                signed
            );
            for script in &scripts {
                for input in &signed.input {
                    let _ = (
                        bip322::needs_owner(script, input),
                        bip322::binds_all(script, input),
                    );
                }
            }
        }
    });
    // The words that are signed, too.
    let challenge = Challenge {
        chain: "c".repeat(64),
        key: "k".repeat(64),
        block: BlockHash([7; 32]),
    };
    let good = challenge.text();
    damage::fuzz("challenge", &[good.as_bytes()], PIECES, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Some(read) = Challenge::read(&text) {
            assert_eq!(Challenge::read(&read.text()), Some(read));
        }
    });
}
