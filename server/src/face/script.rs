//! Scripts as Bitcoin Core shows them: assembly, kind, address, descriptor.

use bitcoin::opcodes::all as op;
use bitcoin::script::Instruction;
use bitcoin::{Address, Network, PublicKey, Script, ecdsa};
use bllvm_mempool::{is_p2pk, multisig};
use serde_json::{Value, json};

/// A locking script as JSON.
pub(super) fn locking(script: &Script, network: Network) -> Value {
    let mut shown = json!({
        "asm": assembly(script, false),
        "desc": descriptor(script, network),
        "hex": script.to_hex_string(),
        "type": kind(script),
    });
    if let Some(address) = address(script, network) {
        shown["address"] = json!(address);
    }
    shown
}

/// The script as words. In unlocking scripts a signature's hash type is named.
pub(super) fn assembly(script: &Script, name_hash_types: bool) -> String {
    let mut words = Vec::new();
    for instruction in script.instructions() {
        words.push(match instruction {
            Ok(Instruction::PushBytes(push)) if push.len() <= 4 => {
                small_number(push.as_bytes()).to_string()
            }
            Ok(Instruction::PushBytes(push)) => data(push.as_bytes(), name_hash_types),
            Ok(Instruction::Op(code)) => match code {
                op::OP_PUSHNUM_NEG1 => "-1".to_owned(),
                op::OP_CLTV => "OP_CHECKLOCKTIMEVERIFY".to_owned(),
                op::OP_CSV => "OP_CHECKSEQUENCEVERIFY".to_owned(),
                code if (op::OP_PUSHNUM_1.to_u8()..=op::OP_PUSHNUM_16.to_u8())
                    .contains(&code.to_u8()) =>
                {
                    (code.to_u8() - op::OP_PUSHNUM_1.to_u8() + 1).to_string()
                }
                code if code.to_u8() > op::OP_CHECKSIGADD.to_u8() => "OP_UNKNOWN".to_owned(),
                code => code.to_string(),
            },
            Err(_) => "[error]".to_owned(),
        });
    }
    words.join(" ")
}

/// A number of at most four bytes, little-endian with a sign bit.
fn small_number(bytes: &[u8]) -> i64 {
    let Some((last, _)) = bytes.split_last() else {
        return 0;
    };
    let negative = last & 0x80 != 0;
    let magnitude = bytes.iter().enumerate().fold(0_i64, |sum, (at, byte)| {
        let byte = if at + 1 == bytes.len() {
            byte & 0x7f
        } else {
            *byte
        };
        sum | i64::from(byte) << (8 * at)
    });
    if negative { -magnitude } else { magnitude }
}

fn data(bytes: &[u8], name_hash_types: bool) -> String {
    if name_hash_types && ecdsa::Signature::from_slice(bytes).is_ok() {
        let (hash_type, signature) = bytes.split_last().unwrap_or((&0, bytes));
        let name = match hash_type & 0x1f {
            1 => "ALL",
            2 => "NONE",
            _ => "SINGLE",
        };
        let more = if hash_type & 0x80 == 0 {
            ""
        } else {
            "|ANYONECANPAY"
        };
        return format!("{}[{name}{more}]", hex::encode(signature));
    }
    hex::encode(bytes)
}

fn kind(script: &Script) -> &'static str {
    if is_anchor(script) {
        "anchor"
    } else if is_p2pk(script) {
        "pubkey"
    } else if script.is_p2pkh() {
        "pubkeyhash"
    } else if script.is_p2sh() {
        "scripthash"
    } else if script.is_p2wpkh() {
        "witness_v0_keyhash"
    } else if script.is_p2wsh() {
        "witness_v0_scripthash"
    } else if script.is_p2tr() {
        "witness_v1_taproot"
    } else if script.is_witness_program() {
        if script.as_bytes()[0] == 0 {
            "nonstandard"
        } else {
            "witness_unknown"
        }
    } else if script.is_op_return() && is_push_only_after_first(script) {
        "nulldata"
    } else if multisig(script).is_some() {
        "multisig"
    } else {
        "nonstandard"
    }
}

fn is_anchor(script: &Script) -> bool {
    script.as_bytes() == [0x51, 0x02, 0x4e, 0x73]
}

fn is_push_only_after_first(script: &Script) -> bool {
    let rest = Script::from_bytes(script.as_bytes().get(1..).unwrap_or_default());
    rest.is_push_only()
}

fn address(script: &Script, network: Network) -> Option<String> {
    let address = Address::from_script(script, network).ok()?;
    Some(address.to_string())
}

/// The descriptor that Bitcoin Core infers without knowing any key.
fn descriptor(script: &Script, network: Network) -> String {
    let bare = if script.is_p2tr() {
        format!("rawtr({})", hex::encode(&script.as_bytes()[2..]))
    } else if let Some(key) = script.p2pk_public_key() {
        format!("pk({key})")
    } else if let Some(multi) = multi(script) {
        multi
    } else if let Some(address) = address(script, network) {
        format!("addr({address})")
    } else {
        format!("raw({})", script.to_hex_string())
    };
    format!("{bare}#{}", checksum(&bare))
}

fn multi(script: &Script) -> Option<String> {
    let (needed, keys) = multisig(script)?;
    let keys: Result<Vec<String>, _> = keys
        .into_iter()
        .map(|key| PublicKey::from_slice(key).map(|_| hex::encode(key)))
        .collect();
    Some(format!("multi({needed},{})", keys.ok()?.join(",")))
}

/// The checksum of a descriptor (BIP380).
pub(super) fn checksum(descriptor: &str) -> String {
    const INPUT: &str = "0123456789()[],'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#\"\\ ";
    const OUTPUT: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u64; 5] = [
        0x00f5_dee5_1989,
        0x00a9_fdca_3312,
        0x001b_ab10_e32d,
        0x0037_06b1_677a,
        0x0064_4d62_6ffd,
    ];
    let mut sum = 1_u64;
    let mut feed = |value: u64| {
        let top = sum >> 35;
        sum = (sum & 0x0007_ffff_ffff) << 5 ^ value;
        for (bit, generator) in GENERATOR.iter().enumerate() {
            if top >> bit & 1 == 1 {
                sum ^= generator;
            }
        }
        sum
    };
    let (mut group, mut count) = (0, 0);
    for character in descriptor.chars() {
        let at = INPUT.find(character).unwrap_or_default() as u64;
        feed(at & 31);
        group = group * 3 + (at >> 5);
        count += 1;
        if count == 3 {
            feed(group);
            (group, count) = (0, 0);
        }
    }
    if count > 0 {
        feed(group);
    }
    for _ in 0..7 {
        feed(0);
    }
    let sum = feed(0) ^ 1;
    (0..8)
        .map(|at| {
            let letter = usize::try_from(sum >> (5 * (7 - at)) & 31).unwrap_or_default();
            char::from(OUTPUT[letter])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> bitcoin::ScriptBuf {
        bitcoin::ScriptBuf::from_hex(text).unwrap()
    }

    #[test]
    fn descriptors_have_the_checksum_of_bip380() {
        assert_eq!(checksum("raw(deadbeef)"), "89f8spxm");
        assert_eq!(checksum("raw(51)"), "8lvh9jxk");
    }

    #[test]
    fn scripts_are_shown_as_bitcoin_core_shows_them() {
        let cases = [
            (
                "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac",
                "OP_DUP OP_HASH160 62e907b15cbf27d5425399ebf6f0fb50ebb88f18 OP_EQUALVERIFY OP_CHECKSIG",
                "pubkeyhash",
            ),
            (
                "0014751e76e8199196d454941c45d1b3a323f1433bd6",
                "0 751e76e8199196d454941c45d1b3a323f1433bd6",
                "witness_v0_keyhash",
            ),
            ("51", "1", "nonstandard"),
            ("51024e73", "1 29518", "anchor"),
            ("6a0401020304", "OP_RETURN 67305985", "nulldata"),
            (
                "4f029000b1b2",
                "-1 144 OP_CHECKLOCKTIMEVERIFY OP_CHECKSEQUENCEVERIFY",
                "nonstandard",
            ),
            ("05", "[error]", "nonstandard"),
            // As long as a key, and none.
            (
                "21050000000000000000000000000000000000000000000000000000000000000000ac",
                "050000000000000000000000000000000000000000000000000000000000000000 OP_CHECKSIG",
                "nonstandard",
            ),
        ];
        for (hex, words, name) in cases {
            assert_eq!(assembly(&script(hex), false), words, "{hex}");
            assert_eq!(kind(&script(hex)), name, "{hex}");
        }
        let paid = locking(
            &script("0014751e76e8199196d454941c45d1b3a323f1433bd6"),
            Network::Bitcoin,
        );
        assert_eq!(
            paid["address"],
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
        );
    }

    #[test]
    fn up_to_twenty_keys_are_a_multisig_and_any_number_of_pushes_is_none() {
        const KEY: &str = "210279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        let of = |needed: &str, keys: usize, all: &str| {
            script(&format!("{needed}{}{all}ae", KEY.repeat(keys)))
        };
        for (needed, keys, all) in [("51", 1, "51"), ("52", 3, "53"), ("5f", 16, "60")] {
            assert_eq!(kind(&of(needed, keys, all)), "multisig");
        }
        let most = of("0111", 20, "0114");
        assert_eq!(kind(&most), "multisig");
        let shown = descriptor(&most, Network::Regtest);
        assert!(shown.starts_with("multi(17,0279be"), "{shown}");
        for (needed, keys, all) in [
            ("52", 1, "51"),
            ("51", 2, "51"),
            ("00", 1, "51"),
            ("0101", 1, "51"),
            ("51", 21, "0115"),
            ("51", 300, "51"),
        ] {
            let script = of(needed, keys, all);
            assert_eq!(kind(&script), "nonstandard", "{needed} of {keys}");
            assert!(descriptor(&script, Network::Regtest).starts_with("raw("));
        }
        // As long as keys, and none: Bitcoin Core looks at the length alone, but infers no descriptor.
        let odd = script(&format!("5121{}{}51ae", "02", "ff".repeat(32)));
        assert_eq!(kind(&odd), "multisig");
        assert!(descriptor(&odd, Network::Regtest).starts_with("raw("));
    }
}
