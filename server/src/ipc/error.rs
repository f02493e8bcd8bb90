//! The parts' own errors as typed replies.

use bllvm_ipc::{ErrorCode, ErrorReply};

use crate::store::StoreError;
use crate::supervisor::CallFailure;

/// When a store that is short of space may be asked again.
const SPACE_RETRY_MS: u64 = 5000;

/// What a module is told of a store's error; causes that only an operator can use go to the log.
pub(super) fn stored(error: StoreError) -> ErrorReply {
    let text = error.to_string();
    match error {
        StoreError::DiskFull | StoreError::DiskLow { .. } => {
            ErrorReply::unavailable(text, SPACE_RETRY_MS)
        }
        StoreError::Quota { .. } => ErrorReply::new(ErrorCode::Quota, text),
        StoreError::EventTooLarge { .. } => ErrorReply::new(ErrorCode::TooLarge, text),
        StoreError::NotFound { .. } => ErrorReply::not_found(text),
        StoreError::Refused { .. } => ErrorReply::invalid(text),
        other => {
            tracing::error!(error = %other, "a module's request met a fault of the store");
            ErrorReply::internal("the host's database failed; its log has the cause")
        }
    }
}

/// What a module is told when another one did not answer.
pub(super) fn called(failure: CallFailure) -> ErrorReply {
    let text = failure.to_string();
    let code = match failure {
        CallFailure::Refused(reply) => return reply,
        CallFailure::NoModule(_) | CallFailure::NoMethod { .. } => ErrorCode::NotFound,
        CallFailure::NotRunning { .. } => ErrorCode::Unavailable,
        CallFailure::Params { .. } | CallFailure::Invalid(_) => ErrorCode::Invalid,
        CallFailure::Gone => ErrorCode::Gone,
        CallFailure::Deadline(_) => ErrorCode::Deadline,
    };
    ErrorReply::new(code, text)
}
