//! The method table: one line a method, from which everything else is driven.

use crate::Capability;
use crate::codec::{Raw, Wire};
use crate::lifecycle as life;
use crate::types::{self as t, Sample};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The host asks the module.
    ToModule,
    /// The module asks the host.
    ToHost,
}

/// A method with its types. Implemented by the markers in this module only.
pub trait Method {
    /// The number in the frame's header.
    const ID: u16;
    /// The name, `area.verb`.
    const NAME: &'static str;
    /// What it needs; none for what every module may do.
    const CAPABILITY: Option<Capability>;
    /// Whether consensus allows an answer beyond the control limit; it is then asked for with the
    /// LARGE flag.
    const LARGE: bool = false;
    /// What is asked.
    type Request: Wire;
    /// What is answered.
    type Response: Wire;
}

/// One row of the table, for code that works on all methods.
#[derive(Clone, Copy, Debug)]
pub struct MethodInfo {
    /// The number in the frame's header.
    pub id: u16,
    /// The name, `area.verb`.
    pub name: &'static str,
    /// Who asks.
    pub direction: Direction,
    /// What it needs; none for what every module may do.
    pub capability: Option<Capability>,
    /// Whether the request's body is raw bytes.
    pub raw_request: bool,
    /// Whether the answer's body is raw bytes.
    pub raw_response: bool,
    /// Whether the answer may exceed the control limit, where the asker says that it takes that.
    pub large_response: bool,
    /// One sentence.
    pub summary: &'static str,
    /// The encoded body of a realistic request.
    pub sample_request: fn() -> Result<bytes::Bytes, String>,
    /// The encoded body of a realistic answer.
    pub sample_response: fn() -> Result<bytes::Bytes, String>,
    /// Whether a body has the request's shape; the codec's words where it has not.
    pub check_request: fn(&bytes::Bytes) -> Result<(), String>,
    /// Whether a body has the answer's shape; the codec's words where it has not.
    pub check_response: fn(&bytes::Bytes) -> Result<(), String>,
}

fn sample_body<T: Wire + Sample>() -> Result<bytes::Bytes, String> {
    T::sample().to_body()
}

fn check_body<T: Wire>(body: &bytes::Bytes) -> Result<(), String> {
    T::from_body(body).map(drop)
}

macro_rules! methods {
    ($( $summary:literal $id:literal $marker:ident $name:literal $direction:ident $($capability:ident)?: $request:ty => $response:ty $(, $large:ident)?; )+) => {
        $(
            #[doc = $summary]
            #[derive(Clone, Copy, Debug)]
            pub struct $marker;

            impl Method for $marker {
                const ID: u16 = $id;
                const NAME: &'static str = $name;
                const CAPABILITY: Option<Capability> = methods!(@capability $($capability)?);
                const LARGE: bool = methods!(@large $($large)?);
                type Request = $request;
                type Response = $response;
            }
        )+

        /// Every method, ascending by id.
        pub static METHODS: &[MethodInfo] = &[$(
            MethodInfo {
                id: $id,
                name: $name,
                direction: Direction::$direction,
                capability: methods!(@capability $($capability)?),
                raw_request: <$request as Wire>::RAW,
                raw_response: <$response as Wire>::RAW,
                large_response: methods!(@large $($large)?),
                summary: $summary,
                sample_request: sample_body::<$request>,
                sample_response: sample_body::<$response>,
                check_request: check_body::<$request>,
                check_response: check_body::<$response>,
            },
        )+];
    };
    (@capability) => { None };
    (@capability $capability:ident) => { Some(Capability::$capability) };
    (@large) => { false };
    (@large large) => { true };
}

methods! {
    "Here is your configuration; the first request after the welcome." 0x0001 Configure "lifecycle.configure" ToModule: life::Configure => life::ConfigVerdict;
    "Judge this configuration without taking it." 0x0002 Validate "lifecycle.validate" ToModule: life::NewConfig => life::ConfigVerdict;
    "Open what you need; accept nothing and write nothing yet." 0x0003 Prepare "lifecycle.prepare" ToModule: t::Empty => t::Empty;
    "Serve; the answer makes the module running." 0x0004 Activate "lifecycle.activate" ToModule: t::Empty => life::Ready;
    "Finish what is open and take nothing new; the answer comes when all is finished." 0x0005 Drain "lifecycle.drain" ToModule: life::Drain => t::Empty;
    "Serve again after a drain." 0x0006 Resume "lifecycle.resume" ToModule: t::Empty => t::Empty;
    "Take this configuration while running, or refuse it and keep the old one." 0x0007 Reconfigure "lifecycle.reconfigure" ToModule: life::NewConfig => life::ConfigVerdict;
    "A call of one of the module's own methods." 0x0010 Call "call" ToModule: life::Call => t::ModuleCallResult;

    "The end of the best chain." 0x0101 ChainTip "chain.tip" ToHost ChainRead: t::Empty => t::Tip;
    "A header by hash or height." 0x0102 ChainHeader "chain.header" ToHost ChainRead: t::BlockRef => t::HeaderInfo;
    "Headers after a locator, fork-aware." 0x0103 ChainHeaders "chain.headers" ToHost ChainRead: t::HeadersRequest => t::Headers;
    "A block's raw bytes by hash." 0x0104 ChainBlock "chain.block" ToHost ChainRead: t::BlockByHash => Raw;
    "A block's raw bytes by height." 0x0105 ChainBlockByHeight "chain.block_by_height" ToHost ChainRead: t::BlockByHeight => Raw;
    "A block's compact filter (BIP158)." 0x0106 ChainFilter "chain.filter" ToHost ChainRead: t::BlockByHash => t::BlockFilter;
    "A transaction." 0x0107 ChainTransaction "chain.transaction" ToHost ChainRead: t::TransactionRequest => t::TransactionInfo, large;
    "An unspent output." 0x0108 ChainUtxo "chain.utxo" ToHost ChainRead: t::UtxoRequest => t::Utxo;
    "The outputs that a block spent, whole or by pages." 0x0109 ChainSpentOutputs "chain.spent_outputs" ToHost ChainRead: t::SpentOutputsRequest => t::SpentOutputs;
    "Whether an input's script holds." 0x010a ChainVerifyScript "chain.verify_script" ToHost ChainRead: t::VerifyScriptRequest => t::ScriptVerdict;

    "The mempool's size and lowest fee rate." 0x0201 MempoolInfo "mempool.info" ToHost MempoolRead: t::Empty => t::MempoolInfo;
    "The ids of unconfirmed transactions." 0x0202 MempoolList "mempool.list" ToHost MempoolRead: t::PageRequest => t::TxidPage;
    "An unconfirmed transaction." 0x0203 MempoolTransaction "mempool.transaction" ToHost MempoolRead: t::TransactionRequest => t::TransactionInfo, large;
    "Whether transactions would be accepted." 0x0204 MempoolTestAccept "mempool.test_accept" ToHost MempoolRead: t::Transactions => t::Acceptance;

    "A fee rate for a confirmation target, or why there is none." 0x0301 FeeEstimate "fee.estimate" ToHost FeeRead: t::FeeRequest => t::FeeEstimate;
    "Submits transactions to the network." 0x0401 TxBroadcast "tx.broadcast" ToHost TxBroadcast: t::Transactions => t::Acceptance;
    "A block template." 0x0501 MiningTemplate "mining.template" ToHost MiningTemplate: t::TemplateRequest => t::Template, large;
    "Submits a block; its body is the raw block." 0x0502 MiningSubmitBlock "mining.submit_block" ToHost MiningSubmit: Raw => t::BlockVerdict;

    "What the base node is and can do." 0x0601 NetworkInfo "network.info" ToHost NetworkRead: t::Empty => t::NetworkInfo;
    "The base node's peers." 0x0602 NetworkPeers "network.peers" ToHost NetworkRead: t::Empty => t::Peers;
    "The addresses of a host name." 0x0603 NetworkResolve "network.resolve" ToHost NetworkResolve: t::ResolveRequest => t::Resolved;

    "Subscribes to events; replaces an earlier subscription." 0x0701 EventsSubscribe "events.subscribe" ToHost EventsSubscribe: t::SubscribeRequest => t::Subscribed;
    "Publishes an event in the module's own namespace." 0x0702 EventsPublish "events.publish" ToHost EventsPublish: t::PublishRequest => t::Published;

    "A stored value." 0x0801 StorageGet "storage.get" ToHost Storage: t::StorageKey => t::StorageValue;
    "Stores a value; durable when answered." 0x0802 StoragePut "storage.put" ToHost Storage: t::StoragePut => t::Empty;
    "Removes a value; durable when answered." 0x0803 StorageDelete "storage.delete" ToHost Storage: t::StorageKey => t::Empty;
    "The values under a prefix, in key order." 0x0804 StorageScan "storage.scan" ToHost Storage: t::StorageScan => t::StoragePage;
    "Changes that happen together or not at all." 0x0805 StorageTransaction "storage.transaction" ToHost Storage: t::StorageTransaction => t::Empty;

    "The installed modules." 0x0901 ModuleList "module.list" ToHost ModuleList: t::Empty => t::ModuleSummaries;
    "Calls a published method of another module." 0x0902 ModuleCall "module.call" ToHost ModuleCall: t::ModuleCallRequest => t::ModuleCallResult;
    "Publishes methods; replaces those published before." 0x0903 ModuleRegister "module.register" ToHost ModuleRegister: t::RegisterRequest => t::Empty;

    "Shows status fields on the dashboard." 0x0a01 UiStatus "ui.status" ToHost Ui: t::StatusFields => t::Empty;
    "Shows or ends a task that needs a person." 0x0a02 UiTask "ui.task" ToHost Ui: t::UiTask => t::Empty;
    "Shows progress of something long." 0x0a03 UiProgress "ui.progress" ToHost Ui: t::UiProgress => t::Empty;

    "The raw body of an inbound webhook delivery." 0x0b01 WebhooksBody "webhooks.body" ToHost WebhooksRead: t::WebhookBodyRequest => Raw;
    "Records what became of a delivery." 0x0b02 WebhooksVerdict "webhooks.verdict" ToHost WebhooksRead: t::WebhookVerdict => t::Empty;
}

/// The table's row for a header's method number.
pub fn by_id(id: u16) -> Option<&'static MethodInfo> {
    METHODS
        .binary_search_by_key(&id, |method| method.id)
        .ok()
        .map(|index| &METHODS[index])
}

/// The table's row for a name.
pub fn by_name(name: &str) -> Option<&'static MethodInfo> {
    METHODS.iter().find(|method| method.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_and_names_are_unique() {
        assert!(METHODS.windows(2).all(|pair| pair[0].id < pair[1].id));
        for method in METHODS {
            assert_eq!(by_name(method.name).map(|m| m.id), Some(method.id));
            assert_eq!(by_id(method.id).map(|m| m.name), Some(method.name));
        }
    }

    #[test]
    fn every_sample_has_its_own_shape() {
        for method in METHODS {
            let body = (method.sample_request)().unwrap();
            (method.check_request)(&body)
                .unwrap_or_else(|error| panic!("{}: {error}", method.name));
            let body = (method.sample_response)().unwrap();
            (method.check_response)(&body)
                .unwrap_or_else(|error| panic!("{}: {error}", method.name));
        }
    }

    #[test]
    fn every_method_that_a_module_may_ask_needs_a_capability() {
        for method in METHODS
            .iter()
            .filter(|method| method.direction == Direction::ToHost)
        {
            assert!(
                method.capability.is_some(),
                "{} is open to everyone",
                method.name
            );
        }
    }
}
