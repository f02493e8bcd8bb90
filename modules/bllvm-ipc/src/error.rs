//! Errors: typed replies that travel, and faults of the wire that end a connection.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a request was not fulfilled. A closed list; an unknown code reads as [`ErrorCode::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The method does not exist here, or this backend cannot do it.
    Unsupported,
    /// The operator did not grant the capability that the method needs.
    Denied,
    /// The parameters do not fit; the message names the field.
    Invalid,
    /// What was asked for does not exist.
    NotFound,
    /// It conflicts with what is there.
    Conflict,
    /// Too much at once; `retry_after_ms` says when to come again.
    Busy,
    /// A part that is needed is away for the moment.
    Unavailable,
    /// The caller cancelled.
    Cancelled,
    /// It took longer than allowed.
    Deadline,
    /// The answer or the request is larger than the limit.
    TooLarge,
    /// The module's quota is used up.
    Quota,
    /// The other side went away before it answered.
    Gone,
    /// A fault on the answering side; its log has the cause.
    Internal,
    /// A code of a later version.
    #[serde(other)]
    Unknown,
}

/// A request's typed refusal. The connection goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{message} ({code:?})")]
pub struct ErrorReply {
    /// What kind of refusal it is.
    pub code: ErrorCode,
    /// A sentence for people; names the field, the value's problem and the way out.
    pub message: String,
    /// When it may succeed, in milliseconds, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl ErrorReply {
    /// A refusal with a code and a sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_ms: None,
        }
    }

    /// `invalid`: the parameters do not fit.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Invalid, message)
    }

    /// `not_found`.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// `unsupported`: not by this side or this backend.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unsupported, message)
    }

    /// `unavailable`, with the time after which asking again makes sense.
    pub fn unavailable(message: impl Into<String>, retry_after_ms: u64) -> Self {
        Self {
            code: ErrorCode::Unavailable,
            message: message.into(),
            retry_after_ms: Some(retry_after_ms),
        }
    }

    /// `internal`: the cause is in the answering side's log.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }
}

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The other side answered with an error.
    #[error(transparent)]
    Reply(#[from] ErrorReply),
    /// The connection ended before the answer.
    #[error("the connection closed before the answer came")]
    Closed,
    /// One of the bodies does not have the method's shape.
    #[error("the body does not have the shape of `{method}`: {reason}")]
    Shape {
        /// The method's name.
        method: String,
        /// What the codec said.
        reason: String,
    },
}

/// A fault that ends a connection.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The stream failed.
    #[error("the stream failed: {0}")]
    Io(#[from] std::io::Error),
    /// The other side closed in the middle of a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
    /// A length outside the limits.
    #[error("a frame of {found} bytes is outside 16..={limit}")]
    Length {
        /// What the prefix said.
        found: u32,
        /// What is allowed here.
        limit: u32,
    },
    /// A kind byte without meaning.
    #[error("frame kind {0} is not known")]
    Kind(u8),
    /// A frame that may not come now.
    #[error("a {found:?} frame came where {expected} was expected")]
    Unexpected {
        /// What came.
        found: crate::Kind,
        /// What was due.
        expected: &'static str,
    },
    /// The body is not what its kind prescribes.
    #[error("a {kind:?} body could not be read: {reason}")]
    Body {
        /// The frame's kind.
        kind: crate::Kind,
        /// What the codec said.
        reason: String,
    },
    /// A frame that did not make progress.
    #[error("no progress inside a frame for {0} ms")]
    Stalled(u64),
    /// The handshake was not over in time.
    #[error("no hello within {0} ms")]
    HelloDeadline(u64),
    /// The other side refused the connection.
    #[error("refused by the other side: {0}")]
    Refused(crate::handshake::Goodbye),
    /// Too many faults of one kind, such as replies to calls that nobody made.
    #[error("too many frames without meaning: {0}")]
    Abuse(&'static str),
}
