//! Failures with a code of their own; others are plain text.

/// The exit code of a command line that cannot be used.
pub const USAGE: u8 = 64;

/// A failure that programs may tell apart.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Failure {
    /// A word that never changes.
    pub code: &'static str,
    /// What is wrong, and the way out.
    pub detail: String,
}

impl Failure {
    /// A failure with its code.
    pub fn because(code: &'static str, detail: impl Into<String>) -> anyhow::Error {
        let detail = detail.into();
        Self { code, detail }.into()
    }
}

/// The code of any failure.
pub fn code(error: &anyhow::Error) -> &'static str {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.code;
    }
    error
        .downcast_ref::<bllvm_package::Refusal>()
        .map_or("failed", bllvm_package::Refusal::code)
}
