//! What a module's own code may fail with.

use std::error::Error as StdError;
use std::fmt;

use bllvm_ipc::{CallError, ErrorReply};

/// A module's result; `?` takes any error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error, with its chain of causes. A typed [`ErrorReply`] inside keeps its code on the way
/// to a method's caller.
///
/// It does not implement [`std::error::Error`] itself, so that `?` converts everything that does.
pub struct Error(Box<dyn StdError + Send + Sync>);

impl Error {
    /// An error that is only a sentence.
    ///
    /// ```
    /// let error = bllvm_sdk::Error::msg("the wallet is locked");
    /// assert_eq!(error.to_string(), "the wallet is locked");
    /// ```
    pub fn msg(message: impl fmt::Display) -> Self {
        Self(message.to_string().into())
    }

    /// The error inside, where it is of this type.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }

    /// The text and all causes, in one line.
    pub fn chain(&self) -> String {
        let mut text = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let words = error.to_string();
            if !text.ends_with(&words) {
                text = format!("{text}: {words}");
            }
            cause = error.source();
        }
        text
    }

    /// What a caller is told: the typed refusal inside, or `internal` with the text.
    pub(crate) fn to_reply(&self) -> ErrorReply {
        if let Some(reply) = self.downcast_ref::<ErrorReply>() {
            return reply.clone();
        }
        match self.downcast_ref::<CallError>() {
            Some(CallError::Reply(reply)) => reply.clone(),
            _ => ErrorReply::internal(self.to_string()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bllvm_ipc::ErrorCode;

    #[test]
    fn a_typed_refusal_keeps_its_code_and_anything_else_is_internal() {
        let typed = Error::from(ErrorReply::not_found("no such invoice"));
        assert_eq!(typed.to_reply().code, ErrorCode::NotFound);
        let passed_on = Error::from(CallError::Reply(ErrorReply::invalid("height")));
        assert_eq!(passed_on.to_reply().code, ErrorCode::Invalid);
        assert_eq!(Error::msg("oops").to_reply(), ErrorReply::internal("oops"));
    }
}
