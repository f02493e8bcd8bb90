//! The nouns of requests and replies: chain, mempool, fees, mining, network, storage, modules, ui.
//!
//! The same types are REST bodies. Hashes and bytes are binary in MessagePack and lower-case hex
//! in JSON (hashes in the reversed order in which Bitcoin shows them).

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::event::EventEnvelope;

macro_rules! hash_newtype {
    ($(#[doc = $doc:literal])+ $name:ident) => {
        $(#[doc = $doc])+
        /// Inside: the 32 bytes in the order in which they are hashed. As text: reversed hex.
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
        #[schema(value_type = String, example = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206")]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = HexError;

            fn from_str(text: &str) -> Result<Self, HexError> {
                let mut bytes: [u8; 32] = decode_hex(text)?
                    .try_into()
                    .map_err(|_| HexError::Length { expected: 64, found: text.len() })?;
                bytes.reverse();
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
                } else {
                    let bytes = deserializer.deserialize_bytes(BytesVisitor)?;
                    bytes.try_into().map(Self).map_err(|found: Vec<u8>| {
                        de::Error::custom(format!("a hash has 32 bytes, not {}", found.len()))
                    })
                }
            }
        }
    };
}

hash_newtype! {
    /// A block's hash.
    BlockHash
}
hash_newtype! {
    /// A transaction's id.
    Txid
}

/// Text that is not hex, or not of the right length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// A character outside 0-9a-f.
    #[error("`{0}` is not a hexadecimal digit")]
    Digit(char),
    /// Too short, too long, or odd.
    #[error("{found} hexadecimal digits where {expected} belong")]
    Length {
        /// Digits that belong there; 0 stands for any even number.
        expected: usize,
        /// Digits that are there.
        found: usize,
    },
}

fn decode_hex(text: &str) -> Result<Vec<u8>, HexError> {
    if let Some(bad) = text.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(HexError::Digit(bad));
    }
    if !text.len().is_multiple_of(2) {
        return Err(HexError::Length {
            expected: 0,
            found: text.len(),
        });
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => byte - b'A' + 10,
    };
    Ok(text
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect())
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

/// Bytes: binary in MessagePack, hex in JSON.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, example = "51")]
pub struct Hex(pub Vec<u8>);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hex {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        decode_hex(text).map(Self)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?
                .parse()
                .map_err(de::Error::custom)
        } else {
            deserializer.deserialize_bytes(BytesVisitor).map(Self)
        }
    }
}

macro_rules! wire_types {
    ($( $(#[doc = $doc:literal])* $name:ident { $( $(#[doc = $fdoc:literal])* $(#[serde $attr:tt])? $field:ident: $type:ty = $sample:expr ),* $(,)? } )+) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
            pub struct $name { $( $(#[doc = $fdoc])* $(#[serde $attr])? pub $field: $type, )* }

            impl Sample for $name {
                fn sample() -> Self { Self { $( $field: $sample, )* } }
            }
        )+
    };
}

impl BlockVerdict {
    /// Whether the block breaks a rule, so that nothing can stand on it. What is known already, or lies
    /// beside the best chain, does not.
    pub fn is_refusal(&self) -> bool {
        let reason = self.reason.as_deref();
        !self.accepted && !matches!(reason, Some("duplicate" | "inconclusive"))
    }
}

/// A value with realistic fields, for golden vectors, documentation and tests.
pub trait Sample {
    /// Always the same value.
    fn sample() -> Self;
}

impl Sample for () {
    fn sample() -> Self {}
}

impl Sample for crate::Raw {
    fn sample() -> Self {
        Self(bytes::Bytes::from_static(&[1, 2, 3]))
    }
}

fn hash(byte: u8) -> BlockHash {
    BlockHash([byte; 32])
}

wire_types! {
    /// No fields.
    Empty {}

    /// The end of the best chain.
    Tip {
        /// The block's hash.
        hash: BlockHash = hash(7),
        /// The block's height; genesis is 0.
        height: u32 = 840_000,
        /// The header's time, Unix seconds.
        time: u32 = 1_713_571_767,
        /// Median time of the last eleven blocks (BIP113), Unix seconds.
        median_time: u32 = 1_713_570_208,
        /// The 80 header bytes.
        header: Hex = Hex(vec![2; 80]),
    }

    /// Names one block: by hash or, in the best chain, by height. Exactly one is set.
    BlockRef {
        /// The hash.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hash: Option<BlockHash> = Some(hash(7)),
        /// The height.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        height: Option<u32> = None,
    }

    /// A header and its place.
    HeaderInfo {
        /// The block's hash.
        hash: BlockHash = hash(7),
        /// The previous block's hash; zeros for genesis.
        prev: BlockHash = hash(6),
        /// The block's height.
        height: u32 = 840_000,
        /// The header's time, Unix seconds.
        time: u32 = 1_713_571_767,
        /// Whether it is part of the best chain now.
        in_best_chain: bool = true,
        /// The 80 header bytes.
        header: Hex = Hex(vec![2; 80]),
    }

    /// Asks for headers after the newest known block of `locator`.
    HeadersRequest {
        /// Known hashes, newest first; empty starts at genesis.
        #[serde(default)]
        locator: Vec<BlockHash> = vec![hash(6)],
        /// At most so many, 2,000 at the most.
        max: u32 = 2000,
    }

    /// Headers of the best chain, ascending.
    Headers {
        /// The headers.
        headers: Vec<HeaderInfo> = vec![HeaderInfo::sample()],
    }

    /// Names a block by its hash.
    BlockByHash {
        /// The hash.
        hash: BlockHash = hash(7),
    }

    /// Names a block of the best chain by its height.
    BlockByHeight {
        /// The height.
        height: u32 = 840_000,
    }

    /// A compact block filter (BIP158, basic).
    BlockFilter {
        /// The block it belongs to.
        hash: BlockHash = hash(7),
        /// The filter's bytes.
        filter: Hex = Hex(vec![1, 2, 3]),
    }

    /// Names a transaction.
    TransactionRequest {
        /// Its id.
        txid: Txid = Txid([9; 32]),
        /// The block that has it, where the asker knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        block: Option<BlockHash> = Some(hash(7)),
    }

    /// A transaction and its place.
    TransactionInfo {
        /// Its id.
        txid: Txid = Txid([9; 32]),
        /// Its bytes, witness included.
        raw: Hex = Hex(vec![2, 0, 0, 0]),
        /// The block that has it; none while it is unconfirmed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        block: Option<BlockHash> = Some(hash(7)),
    }

    /// Names an output.
    UtxoRequest {
        /// The transaction's id.
        txid: Txid = Txid([9; 32]),
        /// The output's index.
        vout: u32 = 0,
        /// Whether unconfirmed transactions count, too: what they spend is gone, and what they
        /// make has a height above the tip's.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        include_mempool: bool = false,
    }

    /// An output that exists (or existed) in the chain.
    Coin {
        /// Value in satoshi.
        value_sat: u64 = 5_000_000_000,
        /// The locking script.
        script_pubkey: Hex = Hex(vec![0x51]),
        /// Height of the block that made it.
        height: u32 = 100,
        /// Whether a coinbase made it.
        coinbase: bool = true,
    }

    /// An unspent output, or none, at a named tip.
    Utxo {
        /// The coin, while it is unspent.
        coin: Option<Coin> = Some(Coin::sample()),
        /// The tip at which this is true.
        tip: BlockHash = hash(7),
    }

    /// Asks for the outputs that a block spent. With neither `cursor` nor `limit`, the answer is
    /// whole, and too large for the wire where the block spends more than some 10,000.
    SpentOutputsRequest {
        /// The block's hash.
        hash: BlockHash = hash(7),
        /// Where to go on: `next` of an earlier answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<String> = None,
        /// At most so many coins, 1 to 10,000; fewer come where their scripts are long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32> = Some(10_000),
    }

    /// The outputs that a block's transactions spent, coinbase left out, in order.
    SpentOutputs {
        /// One list a transaction, one coin an input.
        transactions: Vec<Vec<Coin>> = vec![vec![Coin::sample()]],
        /// Whether the first list goes on with the last one of the page before.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        continues: bool = false,
        /// Where the next page starts; none at the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String> = None,
    }

    /// Asks whether one input's script holds.
    VerifyScriptRequest {
        /// The spending transaction's bytes.
        transaction: Hex = Hex(vec![2, 0, 0, 0]),
        /// The input's index.
        input: u32 = 0,
        /// The outputs that all inputs spend, in order (BIP341 signs them all).
        spent: Vec<Coin> = vec![Coin::sample()],
    }

    /// The outcome of a script check.
    ScriptVerdict {
        /// Whether the script holds under the consensus rules of the tip.
        valid: bool = true,
        /// Why it does not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String> = None,
    }

    /// The mempool's size.
    MempoolInfo {
        /// Transactions.
        transactions: u64 = 1234,
        /// Virtual bytes.
        vsize: u64 = 345_678,
        /// Lowest fee rate that gets in, satoshi per 1,000 virtual bytes.
        min_fee_sat_per_kvb: u64 = 1000,
    }

    /// A page of ids.
    TxidPage {
        /// The ids.
        items: Vec<Txid> = vec![Txid([9; 32])],
        /// Where the next page starts; none at the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String> = None,
    }

    /// Asks for a page.
    PageRequest {
        /// Where to go on, from an earlier answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<String> = None,
        /// At most so many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32> = Some(100),
    }

    /// Transactions, in the order in which they depend on each other.
    Transactions {
        /// Their bytes.
        transactions: Vec<Hex> = vec![Hex(vec![2, 0, 0, 0])],
    }

    /// What would become, or became, of submitted transactions.
    Acceptance {
        /// One verdict a transaction.
        results: Vec<TransactionVerdict> = vec![TransactionVerdict::sample()],
    }

    /// One transaction's verdict.
    TransactionVerdict {
        /// Its id.
        txid: Txid = Txid([9; 32]),
        /// Whether it is in.
        accepted: bool = false,
        /// Bitcoin Core's reject reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String> = Some("bad-txns-inputs-missingorspent".to_owned()),
        /// Its fee, where it was worked out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fee_sat: Option<u64> = None,
    }

    /// Asks for a fee rate.
    FeeRequest {
        /// Within how many blocks.
        target_blocks: u16 = 6,
    }

    /// A fee rate, or why there is none.
    FeeEstimate {
        /// Satoshi per 1,000 virtual bytes; none where the data is thin.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sat_per_kvb: Option<u64> = None,
        /// What it rests on, or why there is none.
        basis: String = "too few blocks with transactions".to_owned(),
    }

    /// Asks for a block template.
    TemplateRequest {
        /// Weight kept free for the coinbase.
        #[serde(default)]
        coinbase_weight: u32 = 4000,
        /// Waits for a template other than this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        longpoll_id: Option<String> = None,
    }

    /// A block template.
    Template {
        /// Changes whenever the template does.
        longpoll_id: String = "7".to_owned(),
        /// The block it builds on.
        prev: BlockHash = hash(7),
        /// The height of the block to be.
        height: u32 = 840_001,
        /// Compact target.
        bits: u32 = 0x207f_ffff,
        /// Lowest time that is valid, Unix seconds.
        min_time: u32 = 1_713_570_209,
        /// Most that the coinbase may pay, satoshi.
        coinbase_value_sat: u64 = 312_500_000,
        /// The transactions.
        transactions: Vec<Hex> = vec![],
        /// One fee a transaction, satoshi; empty where the base node does not tell.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fees_sat: Vec<u64> = vec![],
        /// One cost of signature operations (BIP141) a transaction; empty where the base node
        /// does not tell.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        sigop_costs: Vec<u64> = vec![],
    }

    /// What became of a submitted block.
    BlockVerdict {
        /// Whether the chain has it now.
        accepted: bool = false,
        /// Whether it is the new tip.
        #[serde(default)]
        new_tip: bool = false,
        /// Bitcoin Core's reject reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String> = Some("bad-cb-amount".to_owned()),
    }

    /// What the base node is and can do.
    NetworkInfo {
        /// `main`, `test`, `testnet4`, `signet` or `regtest`.
        chain: String = "regtest".to_owned(),
        /// `embedded` or `core`.
        backend: String = "embedded".to_owned(),
        /// The engine's own version.
        version: String = "bitcoinkernel 0.3.2".to_owned(),
        /// Genesis block.
        genesis: BlockHash = hash(1),
        /// Methods that this backend cannot serve.
        #[serde(default)]
        unsupported: Vec<String> = vec!["mempool.info".to_owned()],
        /// Connected peers.
        peers: u32 = 0,
        /// Where it listens for peers, if it does and tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        p2p_address: Option<String> = None,
        /// Of a signet of one's own, the script that its blocks satisfy (BIP 325); Bitcoin Core
        /// tells the public signet's, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signet_challenge: Option<Hex> = None,
    }

    /// One peer of the base node.
    Peer {
        /// Its address.
        address: String = "127.0.0.1:18444".to_owned(),
        /// Whether it called us.
        inbound: bool = false,
        /// What it says it is.
        user_agent: String = "/Satoshi:30.0.0/".to_owned(),
        /// Its best height.
        height: u32 = 840_000,
        /// What it offers: the service flags of its `version` message.
        #[serde(default)]
        services: u64 = 1033,
        /// Its version of the peer-to-peer protocol.
        #[serde(default)]
        protocol: u32 = 70_016,
        /// When the line was made, in seconds since 1970.
        #[serde(default)]
        since: u64 = 1_700_000_000,
        /// Bytes that went to it.
        #[serde(default)]
        sent_bytes: u64 = 2048,
        /// Bytes that came from it.
        #[serde(default)]
        received_bytes: u64 = 4096,
        /// When something last went to it, in seconds since 1970.
        #[serde(default)]
        last_sent: u64 = 1_700_000_060,
        /// When something last came from it, in seconds since 1970.
        #[serde(default)]
        last_received: u64 = 1_700_000_060,
    }

    /// The base node's peers.
    Peers {
        /// The peers.
        peers: Vec<Peer> = vec![Peer::sample()],
    }

    /// Subscribes to events; replaces an earlier subscription.
    SubscribeRequest {
        /// Patterns: `*`, `chain.*`, or a whole type.
        types: Vec<String> = vec!["chain.*".to_owned()],
        /// Deliver durable events after this number; none resumes at the last acknowledged one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64> = None,
    }

    /// Where the feed starts.
    Subscribed {
        /// Events after this number will come.
        after: u64 = 41,
        /// The oldest number that the journal still has.
        first: u64 = 1,
    }

    /// An event in the module's own namespace.
    PublishRequest {
        /// Type; must start with the module's name (without `bllvm-`) and a dot.
        #[serde(rename = "type")]
        kind: String = "lightning.payment_received".to_owned(),
        /// Journaled (true) or lossy (false).
        durable: bool = true,
        /// The type's own fields.
        data: serde_json::Value = serde_json::json!({ "amount_msat": 1000 }),
    }

    /// The event's place.
    Published {
        /// Its sequence number; 0 for a lossy one.
        seq: u64 = 42,
    }

    /// Names a stored value.
    StorageKey {
        /// At most 1,024 bytes.
        key: Hex = Hex(b"tip".to_vec()),
    }

    /// A stored value, or none.
    StorageValue {
        /// The value.
        value: Option<Hex> = Some(Hex(vec![1])),
    }

    /// Stores a value.
    StoragePut {
        /// At most 1,024 bytes.
        key: Hex = Hex(b"tip".to_vec()),
        /// At most 512 KiB.
        value: Hex = Hex(vec![1]),
    }

    /// Asks for the values under a prefix, in key order.
    StorageScan {
        /// Keys start with it.
        prefix: Hex = Hex(b"t".to_vec()),
        /// Only keys after this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Hex> = None,
        /// At most so many, 1,000 at the most.
        limit: u32 = 100,
    }

    /// A page of values.
    StoragePage {
        /// The entries.
        items: Vec<StoragePut> = vec![StoragePut::sample()],
        /// Whether more follow.
        more: bool = false,
    }

    /// One change of a transaction: a put, or a delete where `value` is missing.
    StorageChange {
        /// The key.
        key: Hex = Hex(b"tip".to_vec()),
        /// The new value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Hex> = Some(Hex(vec![1])),
    }

    /// Changes that happen together or not at all.
    StorageTransaction {
        /// In order.
        changes: Vec<StorageChange> = vec![StorageChange::sample()],
    }

    /// A module as its neighbours see it.
    ModuleSummary {
        /// Its name.
        name: String = "block-clock".to_owned(),
        /// Its version.
        version: String = "0.1.0".to_owned(),
        /// Its observed state.
        state: String = "running".to_owned(),
        /// Its published methods.
        #[serde(default)]
        methods: Vec<String> = vec!["tip_age".to_owned()],
    }

    /// The installed modules.
    ModuleSummaries {
        /// In order of name.
        modules: Vec<ModuleSummary> = vec![ModuleSummary::sample()],
    }

    /// Calls a published method of another module.
    ModuleCallRequest {
        /// The module's name.
        module: String = "block-clock".to_owned(),
        /// The method's name.
        method: String = "tip_age".to_owned(),
        /// Its parameters.
        #[serde(default)]
        params: serde_json::Value = serde_json::json!({}),
    }

    /// What a published method answered.
    ModuleCallResult {
        /// The result.
        result: serde_json::Value = serde_json::json!({ "seconds": 12 }),
    }

    /// Publishes methods; replaces those published before.
    RegisterRequest {
        /// The methods.
        methods: Vec<MethodDescription> = vec![MethodDescription::sample()],
    }

    /// A method that a module offers.
    MethodDescription {
        /// a-z0-9_, at most 64.
        name: String = "tip_age".to_owned(),
        /// One sentence.
        description: String = "How old the tip is.".to_owned(),
        /// JSON Schema 2020-12 of its parameters.
        #[serde(default)]
        params: serde_json::Value = serde_json::json!({ "type": "object" }),
        /// JSON Schema 2020-12 of its result.
        #[serde(default)]
        result: serde_json::Value = serde_json::json!({ "type": "object" }),
    }

    /// Status fields for the dashboard; replaces those shown before.
    StatusFields {
        /// In the order in which they are shown; at most 16.
        fields: Vec<StatusField> = vec![StatusField::sample()],
    }

    /// One status field.
    StatusField {
        /// Stable name.
        key: String = "tip_height".to_owned(),
        /// Shown name.
        label: String = "Tip".to_owned(),
        /// Shown value.
        value: String = "840000".to_owned(),
    }

    /// A task that needs a person, or its end.
    UiTask {
        /// Stable name.
        id: String = "set-password".to_owned(),
        /// Shown title; none ends the task.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String> = Some("Set a wallet password".to_owned()),
        /// What to do.
        #[serde(default)]
        detail: String = "Open the configuration and fill in `password`.".to_owned(),
    }

    /// Progress of something long.
    UiProgress {
        /// Stable name.
        id: String = "rescan".to_owned(),
        /// Shown label.
        label: String = "Rescanning".to_owned(),
        /// Done so far.
        done: u64 = 10,
        /// Of so many; 0 where it is not known.
        total: u64 = 100,
    }

    /// Names an inbound webhook delivery.
    WebhookBodyRequest {
        /// The delivery's id, from its event.
        delivery: String = "01J0000000000000000000000".to_owned(),
    }

    /// What became of a webhook delivery.
    WebhookVerdict {
        /// The delivery's id, from its event.
        delivery: String = "01J0000000000000000000000".to_owned(),
        /// `applied`, `refused` (it cannot be applied) or `failed` (it could not be, this time).
        verdict: String = "refused".to_owned(),
        /// A stable word for the reason; a-z, 0-9 and _, at most 64.
        code: Option<String> = Some("unknown_repository".to_owned()),
        /// In words, for people; at most 1,000 characters.
        detail: String = "no rules for example/example".to_owned(),
    }

    /// A host name to look up.
    ResolveRequest {
        /// The name.
        host: String = "localhost".to_owned(),
        /// The port.
        port: u16 = 9735,
    }

    /// The addresses of a host name.
    Resolved {
        /// Socket addresses.
        addresses: Vec<String> = vec!["127.0.0.1:9735".to_owned()],
    }

    /// Events as a list.
    Events {
        /// Ascending.
        items: Vec<EventEnvelope> = vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_reversed_hex_in_json_and_plain_bytes_on_the_wire() {
        let mut bytes = [0; 32];
        bytes[0] = 0xab;
        let hash = BlockHash(bytes);
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"{}ab\"", "00".repeat(31)));
        assert_eq!(serde_json::from_str::<BlockHash>(&json).unwrap(), hash);
        let packed = rmp_serde::to_vec(&hash).unwrap();
        assert_eq!(packed[..3], [0xc4, 32, 0xab]);
        assert_eq!(rmp_serde::from_slice::<BlockHash>(&packed).unwrap(), hash);
    }

    #[test]
    fn bad_hex_names_the_digit_and_the_length() {
        assert_eq!("0g".parse::<Hex>(), Err(HexError::Digit('g')));
        assert_eq!(
            "000".parse::<Hex>(),
            Err(HexError::Length {
                expected: 0,
                found: 3
            })
        );
        assert_eq!(
            "00".parse::<Txid>(),
            Err(HexError::Length {
                expected: 64,
                found: 2
            })
        );
    }
}
