//! The other parts' refusals in the words of `error`: the one place where a store's, a verb's, a
//! call's or a base node's "no" becomes a problem.

use bllvm_manifest::ConfigProblem;

use super::error::{ApiError, Code, FieldProblem};
use crate::control::ControlError;
use crate::node::NodeError;
use crate::store::StoreError;
use crate::supervisor::{CallFailure, in_words};

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::NotFound { .. } => Self::new(Code::NotFound, detail),
            StoreError::Conflict { operation, .. } => {
                Self::new(Code::OperationOpen, detail).with_operation(Some(operation))
            }
            StoreError::EtagMismatch { current } => {
                Self::new(Code::PreconditionFailed, detail).with_etag(current)
            }
            StoreError::DiskFull | StoreError::DiskLow { .. } => {
                Self::new(Code::DiskFull, detail).retry_after_ms(60_000)
            }
            StoreError::Refused { code, .. } => Self::from_word(code, detail),
            StoreError::BadCursor { .. } => {
                Self::new(Code::InvalidParameter, format!("`cursor`: {detail}"))
            }
            StoreError::Closed => Self::new(Code::ShuttingDown, detail).retry_after_ms(5000),
            other => Self::internal(other),
        }
    }
}

impl From<ControlError> for ApiError {
    /// The verb was refused, and the audit trail has it already.
    fn from(error: ControlError) -> Self {
        let detail = error.to_string();
        let mut refused = match error {
            ControlError::NotFound { .. } => Self::new(Code::NotFound, detail),
            ControlError::Conflict {
                code, operation, ..
            } => Self::from_word(code.as_str(), detail).with_operation(operation),
            ControlError::Refused { code, .. } => Self::from_word(code.as_str(), detail),
            ControlError::Invalid { problems } => {
                let errors = problems.iter().map(FieldProblem::from).collect();
                Self::new(Code::InvalidConfig, detail).with_errors(errors)
            }
            ControlError::Package { reason, .. } => {
                Self::new(Code::PackageRefused, detail).with_reason(reason)
            }
            ControlError::Registry { reason, .. } => {
                Self::new(Code::RegistryRefused, detail).with_reason(reason)
            }
            ControlError::PreconditionRequired => Self::new(Code::PreconditionRequired, detail),
            ControlError::PreconditionFailed { current } => {
                Self::new(Code::PreconditionFailed, detail).with_etag(current)
            }
            ControlError::Unavailable { retry_ms, .. } => {
                Self::new(Code::Unavailable, detail).retry_after_ms(retry_ms)
            }
            ControlError::Call(failure) => failure.into(),
            ControlError::Files { .. } => Self::new(Code::InvalidRequest, detail),
            ControlError::Store(store) => store.into(),
        };
        refused.mark_audited();
        refused
    }
}

impl From<CallFailure> for ApiError {
    fn from(failure: CallFailure) -> Self {
        let detail = failure.to_string();
        match failure {
            CallFailure::NoModule(_) => Self::new(Code::ModuleNotFound, detail),
            CallFailure::NotRunning { .. } => Self::new(Code::ModuleNotRunning, detail),
            CallFailure::NoMethod { .. } => Self::new(Code::MethodNotFound, detail),
            CallFailure::Params { problems, .. } => {
                let errors = problems.iter().map(|problem| FieldProblem {
                    pointer: problem.pointer.clone(),
                    detail: in_words(problem),
                });
                let errors = errors.collect();
                Self::new(Code::InvalidBody, detail).with_errors(errors)
            }
            CallFailure::Invalid(_) => Self::new(Code::InvalidRequest, detail),
            CallFailure::Gone => Self::new(Code::ModuleGone, detail),
            CallFailure::Deadline(_) => Self::new(Code::DeadlineExceeded, detail),
            CallFailure::Refused(reply) => {
                let refused = Self::new(Code::ModuleRefused, reply.to_string());
                match reply.retry_after_ms {
                    Some(ms) => refused.retry_after_ms(ms),
                    None => refused,
                }
            }
        }
    }
}

impl From<&ConfigProblem> for FieldProblem {
    fn from(problem: &ConfigProblem) -> Self {
        Self {
            pointer: problem.pointer.clone(),
            detail: problem.to_string(),
        }
    }
}

impl From<NodeError> for ApiError {
    fn from(error: NodeError) -> Self {
        let detail = error.to_string();
        match error {
            NodeError::Unsupported(_) => Self::new(Code::Unsupported, detail),
            NodeError::NotFound(_) => Self::new(Code::BlockNotFound, detail),
            NodeError::Unavailable { retry_ms, .. } => {
                Self::new(Code::NodeUnavailable, detail).retry_after_ms(retry_ms)
            }
            NodeError::Invalid { .. } => Self::new(Code::InvalidRequest, detail),
            NodeError::Internal(_) => Self::internal(error),
        }
    }
}
