//! Why the base node did not answer as asked.

use bllvm_ipc::{ErrorCode, ErrorReply};

/// What stands before a refusal's own words; taken off where one comes through the channel, so that it
/// never stands there twice.
const UNSUPPORTED: &str = "this base node cannot do that: ";
const UNAVAILABLE: &str = "the base node is not available: ";
const INTERNAL: &str = "the base node failed: ";
/// The code of what is no reject reason of Bitcoin Core's; it tells a person nothing.
const PARAMS: &str = "params";

/// A base node's refusal, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// This backend cannot do it.
    #[error("{UNSUPPORTED}{0}")]
    Unsupported(String),
    /// There is no such block, transaction or height.
    #[error("{0}")]
    NotFound(String),
    /// The base node is away for the moment.
    #[error("{UNAVAILABLE}{why}")]
    Unavailable {
        /// What is known about it.
        why: String,
        /// When asking again makes sense, in milliseconds.
        retry_ms: u64,
    },
    /// What was asked or submitted is not valid.
    #[error("{}", invalid(code, message))]
    Invalid {
        /// Bitcoin Core's reject reason, or `params`.
        code: String,
        /// What does not fit.
        message: String,
    },
    /// A fault of the base node; its log has the cause.
    #[error("{INTERNAL}{0}")]
    Internal(String),
}

fn invalid(code: &str, message: &str) -> String {
    match code {
        PARAMS => message.to_owned(),
        code => format!("{message} ({code})"),
    }
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
        let without = |prefix| text.strip_prefix(prefix).unwrap_or(&text).to_owned();
        match reply.code {
            ErrorCode::Unsupported => Self::Unsupported(without(UNSUPPORTED)),
            ErrorCode::NotFound => Self::NotFound(text),
            ErrorCode::Invalid | ErrorCode::TooLarge => Self::Invalid {
                code: PARAMS.to_owned(),
                message: text,
            },
            ErrorCode::Busy | ErrorCode::Unavailable | ErrorCode::Gone => Self::Unavailable {
                why: without(UNAVAILABLE),
                retry_ms: reply.retry_after_ms.unwrap_or(500),
            },
            _ => Self::Internal(without(INTERNAL)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_the_same_on_both_sides_of_the_channel() {
        let invalid = |code: &str| NodeError::Invalid {
            code: code.to_owned(),
            message: "`count` is 0".to_owned(),
        };
        let refusals = [
            NodeError::Unsupported("a filter".to_owned()),
            NodeError::NotFound("no such block".to_owned()),
            NodeError::Unavailable {
                why: "it opens its data".to_owned(),
                retry_ms: 100,
            },
            NodeError::Internal("the disk is full".to_owned()),
            invalid("params"),
            invalid("bad-cb-amount"),
        ];
        for refusal in refusals {
            let said = refusal.to_string();
            let twice = NodeError::from(ErrorReply::from(refusal.clone()));
            assert_eq!(twice.to_string(), said, "{refusal:?}");
            let thrice = NodeError::from(ErrorReply::from(twice));
            assert_eq!(thrice.to_string(), said, "{refusal:?}");
        }
        assert_eq!(invalid("params").to_string(), "`count` is 0");
    }
}
