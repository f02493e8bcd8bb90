//! Why the base node did not answer as asked.

use bllvm_ipc::{ErrorCode, ErrorReply};

/// A base node's refusal, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// This backend cannot do it.
    #[error("this base node cannot do that: {0}")]
    Unsupported(String),
    /// There is no such block, transaction or height.
    #[error("{0}")]
    NotFound(String),
    /// The base node is away for the moment.
    #[error("the base node is not available: {why}")]
    Unavailable {
        /// What is known about it.
        why: String,
        /// When asking again makes sense, in milliseconds.
        retry_ms: u64,
    },
    /// What was asked or submitted is not valid.
    #[error("{message} ({code})")]
    Invalid {
        /// Bitcoin Core's reject reason, or `params`.
        code: String,
        /// What does not fit.
        message: String,
    },
    /// A fault of the base node; its log has the cause.
    #[error("the base node failed: {0}")]
    Internal(String),
}

impl From<NodeError> for ErrorReply {
    fn from(error: NodeError) -> Self {
        let text = error.to_string();
        match error {
            NodeError::Unsupported(_) => Self::unsupported(text),
            NodeError::NotFound(_) => Self::not_found(text),
            NodeError::Unavailable { retry_ms, .. } => Self::unavailable(text, retry_ms),
            NodeError::Invalid { .. } => Self::invalid(text),
            NodeError::Internal(_) => Self::internal(text),
        }
    }
}

impl From<ErrorReply> for NodeError {
    fn from(reply: ErrorReply) -> Self {
        let text = reply.message;
        match reply.code {
            ErrorCode::Unsupported => Self::Unsupported(text),
            ErrorCode::NotFound => Self::NotFound(text),
            ErrorCode::Invalid | ErrorCode::TooLarge => Self::Invalid {
                code: "params".to_owned(),
                message: text,
            },
            ErrorCode::Busy | ErrorCode::Unavailable | ErrorCode::Gone => Self::Unavailable {
                why: text,
                retry_ms: reply.retry_after_ms.unwrap_or(500),
            },
            _ => Self::Internal(text),
        }
    }
}
