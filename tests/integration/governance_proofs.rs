//! Proofs of economic nodes on a real chain: good ones weigh, forged ones leave nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bllvm_kernel_node::bitcoin::consensus::{deserialize, serialize};
use bllvm_kernel_node::bitcoin::hashes::{Hash as _, sha256};
use bllvm_kernel_node::bitcoin::opcodes::all::{OP_DROP, OP_RETURN};
use bllvm_kernel_node::bitcoin::script::Builder;
use bllvm_kernel_node::bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use bllvm_kernel_node::bitcoin::sighash::{EcdsaSighashType, SighashCache};
use bllvm_kernel_node::bitcoin::{
    Address, Amount, Block, CompressedPublicKey, Network, OutPoint, PrivateKey, ScriptBuf,
    Sequence, Transaction, TxIn, TxOut, Txid, Witness, absolute, transaction,
};
use bllvm_tests::governance::{self, GOVERNANCE, Signer};
use bllvm_tests::wait::until;
use bllvm_tests::{CoreRpc, TestServer};
use serde_json::{Value, json};

const COINBASE: u64 = 5_000_000_000;
const MAINNET: &str = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";

/// Somebody with coins.
pub(crate) struct Owner {
    secret: SecretKey,
    public: CompressedPublicKey,
}

impl Owner {
    pub(crate) fn new(number: u8) -> Self {
        let secret = SecretKey::from_slice(&[number; 32]).unwrap();
        let private = PrivateKey::new(secret, Network::Regtest);
        let public = CompressedPublicKey::from_private_key(&Secp256k1::new(), &private).unwrap();
        Self { secret, public }
    }

    pub(crate) fn address(&self) -> Address {
        Address::p2wpkh(&self.public, Network::Regtest)
    }

    fn script(&self) -> ScriptBuf {
        self.address().script_pubkey()
    }

    /// Signs one input of a transaction as the owner of its output.
    fn sign(&self, transaction: &mut Transaction, input: usize, value: u64) {
        self.sign_as(transaction, input, value, EcdsaSighashType::All);
    }

    fn sign_as(
        &self,
        transaction: &mut Transaction,
        input: usize,
        value: u64,
        flag: EcdsaSighashType,
    ) {
        let script = self.script();
        let hash = SighashCache::new(&*transaction)
            .p2wpkh_signature_hash(input, &script, Amount::from_sat(value), flag)
            .unwrap();
        let message = Message::from_digest(hash.to_byte_array());
        let mut signature = Secp256k1::new()
            .sign_ecdsa(&message, &self.secret)
            .serialize_der()
            .to_vec();
        signature.push(flag as u8);
        transaction.input[input].witness =
            Witness::from_slice(&[signature, self.public.to_bytes().to_vec()]);
    }

    /// A full BIP322 signature that shows another's coin by a signature of that other which binds
    /// nothing but the coin, as it might be found in a half-signed payment.
    fn prove_with_found(&self, message: &str, owner: &Owner, coin: OutPoint) -> String {
        let mut proof = to_sign(&self.script(), message);
        let input = TxIn {
            previous_output: coin,
            sequence: Sequence::ZERO,
            ..TxIn::default()
        };
        let mut payment = Transaction {
            input: vec![input.clone()],
            ..proof.clone()
        };
        let nothing = EcdsaSighashType::NonePlusAnyoneCanPay;
        owner.sign_as(&mut payment, 0, COINBASE, nothing);
        proof.input.push(input);
        self.sign(&mut proof, 0, 0);
        proof.input[1].witness = payment.input.remove(0).witness;
        STANDARD.encode(serialize(&proof))
    }

    /// A full BIP322 signature that shows a coin which needs no signature.
    fn prove_open(&self, message: &str, coin: OutPoint) -> String {
        let mut proof = to_sign(&self.script(), message);
        proof.input.push(TxIn {
            previous_output: coin,
            sequence: Sequence::ZERO,
            witness: open_to_all().1,
            ..TxIn::default()
        });
        self.sign(&mut proof, 0, 0);
        STANDARD.encode(serialize(&proof))
    }

    /// A full BIP322 signature that shows coins; all are signed as if they were this one's.
    pub(crate) fn prove(&self, message: &str, coins: &[OutPoint]) -> String {
        let mut proof = to_sign(&self.script(), message);
        proof.input.extend(coins.iter().map(|coin| TxIn {
            previous_output: *coin,
            sequence: Sequence::ZERO,
            ..TxIn::default()
        }));
        self.sign(&mut proof, 0, 0);
        for input in 1..proof.input.len() {
            self.sign(&mut proof, input, COINBASE);
        }
        STANDARD.encode(serialize(&proof))
    }
}

/// A script that anybody satisfies, and what satisfies it: 64 bytes that look like a signature.
fn open_to_all() -> (Address, Witness) {
    let script = Builder::new()
        .push_opcode(OP_DROP)
        .push_int(1)
        .into_script();
    let witness = Witness::from_slice(&[&[7; 64][..], script.as_bytes()]);
    (Address::p2wsh(&script, Network::Regtest), witness)
}

/// BIP322, written down once more and apart from the module's.
fn to_sign(script: &ScriptBuf, message: &str) -> Transaction {
    let tag = sha256::Hash::hash(b"BIP0322-signed-message").to_byte_array();
    let hash = sha256::Hash::hash(&[&tag[..], &tag, message.as_bytes()].concat());
    let build = |input: OutPoint, script_sig: ScriptBuf, pays: ScriptBuf| Transaction {
        version: transaction::Version(0),
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: input,
            script_sig,
            sequence: Sequence::ZERO,
            witness: Witness::new(),
        }],
        output: vec![TxOut {
            value: Amount::ZERO,
            script_pubkey: pays,
        }],
    };
    let words = Builder::new().push_int(0).push_slice(hash.to_byte_array());
    let nowhere = OutPoint::new(Txid::all_zeros(), u32::MAX);
    let spent = build(nowhere, words.into_script(), script.clone()).compute_txid();
    let nothing = Builder::new().push_opcode(OP_RETURN).into_script();
    build(OutPoint::new(spent, 0), ScriptBuf::new(), nothing)
}

/// Mines to somebody; the coins.
pub(crate) async fn mine(core: &CoreRpc, to: &Address, count: u32) -> Vec<OutPoint> {
    let mined = core
        .done("generatetoaddress", json!([count, to.to_string()]))
        .await;
    let mut coins = Vec::new();
    for hash in mined.as_array().unwrap() {
        let raw = core.done("getblock", json!([hash, 0])).await;
        let block: Block = deserialize(&hex::decode(raw.as_str().unwrap()).unwrap()).unwrap();
        coins.push(OutPoint::new(block.txdata[0].compute_txid(), 0));
    }
    coins
}

pub(crate) async fn challenge(server: &TestServer, key: &str) -> String {
    let answer = server
        .call(GOVERNANCE, "get_challenge", json!({ "key": key }))
        .await;
    answer["message"].as_str().unwrap().to_owned()
}

pub(crate) fn claim(message: &str, owner: &Owner, signature: &str) -> Value {
    json!({ "message": message, "address": owner.address().to_string(), "signature": signature })
}

pub(crate) async fn weight(server: &TestServer, name: &str) -> Value {
    let weights = server.call(GOVERNANCE, "get_weights", json!({})).await;
    let mut nodes = weights["nodes"].as_array().unwrap().iter();
    nodes.find(|node| node["name"] == name).cloned().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn proven_coins_and_blocks_weigh_and_forged_proofs_leave_nothing() {
    let builder = TestServer::builder().set("node.backend=embedded");
    let server = builder.start().await;
    let core = server.face(&server.rest.cookie.1);
    until("the base node answers", async || {
        core.call("getblockcount", json!([])).await.ok()
    })
    .await;
    let keys = ["one", "two"].map(|name| Signer::new(server.folder(), name));
    let nodes =
        json!([{ "name": "one", "key": keys[0].key }, { "name": "two", "key": keys[1].key }]);
    governance::run(&server, json!({ "economic_nodes": nodes })).await;
    let (first, second) = (Owner::new(1), Owner::new(2));
    let ours = mine(&core, &first.address(), 6).await;
    let theirs = mine(&core, &second.address(), 3).await;
    let (open_address, open_witness) = open_to_all();
    let open = mine(&core, &open_address, 1).await[0];
    mine(&core, &Owner::new(3).address(), 150).await;

    let good = challenge(&server, &keys[0].key).await;
    let proof = first.prove(&good, &ours[..3]);
    server
        .call(GOVERNANCE, "submit_proof", claim(&good, &first, &proof))
        .await;
    let before = until("its blocks are counted", async || {
        let weight = weight(&server, "one").await;
        (weight["blocks"] == 6).then_some(weight)
    })
    .await;
    assert_eq!(before["proven_sat"], 3 * COINBASE);

    // A coin that is spent in the next block, and the one that is made there.
    let spend = |coin: OutPoint| {
        let mut spend = Transaction {
            version: transaction::Version::TWO,
            lock_time: absolute::LockTime::ZERO,
            input: vec![TxIn {
                previous_output: coin,
                ..TxIn::default()
            }],
            output: vec![TxOut {
                value: Amount::from_sat(COINBASE - 10_000),
                script_pubkey: second.script(),
            }],
        };
        first.sign(&mut spend, 0, COINBASE);
        spend
    };
    let spent = spend(ours[4]);
    core.done(
        "sendrawtransaction",
        json!([hex::encode(serialize(&spent))]),
    )
    .await;
    mine(&core, &Owner::new(3).address(), 1).await;
    let unconfirmed = spend(ours[5]);
    core.done(
        "sendrawtransaction",
        json!([hex::encode(serialize(&unconfirmed))]),
    )
    .await;

    let old = core.done("getblockhash", json!([5])).await;
    let fresh = challenge(&server, &keys[1].key).await;
    let with = |name: &str, value: &str| {
        let lines = fresh.lines().map(|line| match line.split_once(' ') {
            Some((found, _)) if found == name => format!("{name} {value}\n"),
            _ => format!("{line}\n"),
        });
        lines.collect::<String>()
    };
    let anyone = json!({ "message": fresh, "address": "51", "signature": STANDARD.encode([0]) });
    let signed =
        |message: &str, coins: &[OutPoint]| claim(message, &second, &second.prove(message, coins));
    let stranger = "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9";
    let new = OutPoint::new(unconfirmed.compute_txid(), 0);
    let forged = [
        ("bad_message", signed("I have coins.", &[])),
        ("other_chain", signed(&with("chain", MAINNET), &[])),
        ("unknown_key", signed(&with("key", stranger), &[])),
        (
            "stale_challenge",
            signed(&with("block", old.as_str().unwrap()), &[]),
        ),
        (
            "bad_proof",
            claim(&fresh, &second, &second.prove(&good, &[])),
        ),
        ("bad_proof", claim(&fresh, &second, "bm90IGEgc2lnbmF0dXJl")),
        ("bad_proof", anyone),
        (
            "SIGHASH_ALL",
            claim(
                &fresh,
                &second,
                &second.prove_with_found(&fresh, &first, ours[3]),
            ),
        ),
        (
            "needs no signature",
            claim(&fresh, &second, &second.prove_open(&fresh, open)),
        ),
        (
            "needs no signature",
            json!({ "message": fresh, "address": open_address.to_string(),
                "signature": STANDARD.encode(serialize(&open_witness)) }),
        ),
        ("bad_signature", signed(&fresh, &ours[3..4])),
        (
            "bad_signature",
            claim(&fresh, &Owner::new(4), &simple(&second.prove(&fresh, &[]))),
        ),
        ("taken", signed(&fresh, &ours[..1])),
        ("taken", claim(&fresh, &first, &first.prove(&fresh, &[]))),
        ("coin_not_unspent", signed(&fresh, &ours[4..5])),
        ("coin_not_unspent", signed(&fresh, &[new])),
    ];
    for (code, claim) in forged {
        let answer = server.try_call(GOVERNANCE, "submit_proof", &claim).await;
        assert!(!answer.status.is_success(), "{code}: {}", answer.text);
        assert!(answer.text.contains(code), "{code}: {}", answer.text);
    }
    let none = weight(&server, "two").await;
    assert_eq!(
        (&none["proven_sat"], &none["blocks"]),
        (&json!(0), &json!(0))
    );
    // A key in capitals is the same key.
    let capitals = with("key", &keys[1].key.to_uppercase());
    server
        .call(GOVERNANCE, "submit_proof", signed(&capitals, &theirs))
        .await;
    assert_eq!(weight(&server, "two").await["proven_sat"], 3 * COINBASE);

    // A proven coin weighs nothing from the block on that spends it.
    core.done(
        "sendrawtransaction",
        json!([hex::encode(serialize(&spend(ours[0])))]),
    )
    .await;
    assert_eq!(weight(&server, "one").await["proven_sat"], 3 * COINBASE);
    mine(&core, &Owner::new(3).address(), 1).await;
    assert_eq!(weight(&server, "one").await["proven_sat"], 2 * COINBASE);
}

/// The first input's witness alone.
fn simple(full: &str) -> String {
    let full: Transaction = deserialize(&STANDARD.decode(full).unwrap()).unwrap();
    STANDARD.encode(serialize(&full.input[0].witness))
}
