//! Refusals with Bitcoin Core's numbers and words, which clients match.

use serde_json::{Value, json};

use crate::node::NodeError;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i32,
    pub(super) message: String,
}

/// What a method gives.
pub(super) type Outcome<T = Value> = Result<T, Refusal>;

/// Something else went wrong.
pub(super) const MISC: i32 = -1;
/// A parameter has the wrong type.
pub(super) const TYPE: i32 = -3;
/// No such block, transaction or address.
pub(super) const NOT_FOUND: i32 = -5;
/// A parameter makes no sense.
pub(super) const PARAMETER: i32 = -8;
/// Bytes that are no block or transaction.
pub(super) const DESERIALIZATION: i32 = -22;
/// A transaction cannot be judged or taken.
pub(super) const VERIFY: i32 = -25;
/// A transaction breaks a rule.
pub(super) const REJECTED: i32 = -26;
/// A transaction is in the chain already.
pub(super) const ALREADY_IN_CHAIN: i32 = -27;
/// The node is not ready.
pub(super) const WARMUP: i32 = -28;
/// There are no peers to ask about.
pub(super) const NO_PEERS: i32 = -31;
/// There is no mempool.
pub(super) const NO_MEMPOOL: i32 = -33;
/// What came is no request.
pub(super) const INVALID_REQUEST: i32 = -32600;
/// There is no such method.
pub(super) const NO_METHOD: i32 = -32601;
/// The node is at fault.
pub(super) const INTERNAL: i32 = -32603;
/// What came is no JSON.
pub(super) const PARSE: i32 = -32700;

impl Refusal {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "code": self.code, "message": self.message })
    }
}

impl From<NodeError> for Refusal {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Unsupported(_) => Self::new(MISC, error.to_string()),
            NodeError::NotFound(what) => Self::new(NOT_FOUND, what),
            NodeError::Unavailable { .. } => Self::new(WARMUP, error.to_string()),
            NodeError::Invalid { message, .. } => Self::new(PARAMETER, message),
            NodeError::Internal(_) => {
                tracing::error!(%error, "a request of a Bitcoin Core client failed");
                Self::new(INTERNAL, "the base node failed; its log says why")
            }
        }
    }
}

/// What Bitcoin Core says in a refusal of the mempool's methods where there is none.
pub(super) fn no_mempool(error: NodeError) -> Refusal {
    match error {
        NodeError::Unsupported(_) => {
            Refusal::new(NO_MEMPOOL, "Mempool disabled or instance not found")
        }
        other => other.into(),
    }
}

/// The same where `what` names Bitcoin Core's words for what was not found.
pub(super) fn missing(what: &'static str) -> impl Fn(NodeError) -> Refusal {
    move |error| match error {
        NodeError::NotFound(_) => Refusal::new(NOT_FOUND, what),
        other => other.into(),
    }
}
