//! What a module may ask for. A capability opens methods; the operator turns it into a grant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! capabilities {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $name:tt, $plain:literal; )+) => {
        /// A named right. `module.toml` asks for it, the operator grants it, every request is checked against it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum Capability {
            $( $(#[doc = $doc])+ #[serde(rename = $name)] $variant, )+
        }

        impl Capability {
            /// Every capability there is, in the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name used in `module.toml`, the API and the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What it allows, in words for an operator who decides about it.
            pub const fn in_plain_words(self) -> &'static str {
                match self { $(Self::$variant => $plain),+ }
            }
        }
    };
}

capabilities! {
    /// Blocks, headers, the tip, spent outputs, script checks.
    ChainRead = "chain.read", "read blocks, headers and the tip";
    /// Transactions that wait for a block.
    MempoolRead = "mempool.read", "see unconfirmed transactions and test new ones";
    /// Fee rates.
    FeeRead = "fee.read", "ask for fee estimates";
    /// An ordinary, validated, rate-limited submission of transactions.
    TxBroadcast = "tx.broadcast", "send transactions to the network";
    /// Block templates.
    MiningTemplate = "mining.template", "ask for block templates";
    /// An ordinary, validated submission of blocks.
    MiningSubmit = "mining.submit", "submit mined blocks";
    /// The base node's network state.
    NetworkRead = "network.read", "see the node's network state and peers";
    /// Events of the host and of other modules.
    EventsSubscribe = "events.subscribe", "receive events of the node and of other modules";
    /// Events in the module's own namespace.
    EventsPublish = "events.publish", "publish events under its own name";
    /// The module's own key-value store, quota-bound.
    Storage = "storage", "keep its own data in the node's database, up to its quota";
    /// Names, versions and states of the other modules.
    ModuleList = "module.list", "see which modules are installed and running";
    /// Methods that other modules published.
    ModuleCall = "module.call", "call methods of other modules";
    /// Methods of its own in REST, JSON-RPC and the dashboard.
    ModuleRegister = "module.register", "offer methods to people, programs and other modules";
    /// Status fields, tasks and progress on the dashboard.
    Ui = "ui", "show status, tasks and progress on the dashboard";
    /// Bodies of inbound webhooks.
    WebhooksRead = "webhooks.read", "read the bodies of inbound webhooks";
    /// Host names, looked up by the host.
    NetworkResolve = "network.resolve", "look up host names";
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A capability name that this version does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a capability; the known ones are {known}", known = known_names())]
pub struct UnknownCapability(pub String);

fn known_names() -> String {
    Capability::ALL
        .iter()
        .map(|c| c.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

impl FromStr for Capability {
    type Err = UnknownCapability;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|capability| capability.as_str() == name)
            .ok_or_else(|| UnknownCapability(name.to_owned()))
    }
}
